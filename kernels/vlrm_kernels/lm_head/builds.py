"""How the LM-head kernels are compiled ahead of time."""

from __future__ import annotations

from typing import Any

from vlrm_kernels.ahead_of_time import Build


def scoring(dtype: str, tile: dict[str, int], softcap: bool = False) -> Build:
    """The scoring kernel on hidden states and a head of ``dtype``, with the given tile."""
    from vlrm_kernels.lm_head import kernel

    tile = dict(tile)
    warps, stages = tile.pop("num_warps"), tile.pop("num_stages")
    constants: dict[str, Any] = {"HAS_BIAS": False, "SOFTCAP": softcap, "UPCAST": False, "TILES": kernel.TILES, **tile}
    types = dict.fromkeys(("hidden", "weight", "bias"), f"*{dtype}") | {"targets": "*i64", "softcap": "fp32"}
    types |= dict.fromkeys(("highest_out", "total_out", "said_out"), "*fp32")
    types |= dict.fromkeys(("T", "V", "D", "stride_t", "stride_v"), "i32")
    shape = "x".join(str(tile[k]) for k in ("BLOCK_T", "BLOCK_V", "BLOCK_D"))
    name = f"LM-head scoring, {dtype}, {shape}{', soft cap' if softcap else ''}"
    return Build(name, kernel.linear_logprob_kernel, types, constants, warps, stages, ("D", "stride_t", "stride_v"))


def _bracket(name: str, dtype: str, **constants: bool) -> Build:
    from vlrm_kernels.lm_head import kernel

    types = {"logits": f"*{dtype}", "targets": "*i64", "V": "i32", "stride_c": "i32", "softcap": "fp32"}
    types |= dict.fromkeys(("grad", "lse", "logp_out", "lse_out"), "*fp32")
    given = dict.fromkeys(("HAS_GRAD", "HAS_LSE", "SOFTCAP"), False) | {"WRITE": True} | constants
    block = {"BLOCK": kernel.BRACKET_BLOCK}
    title = f"LM-head bracket, {dtype}, {name}"
    # V is a multiple of 16 for the models in use; another vocabulary takes the same kernel with narrower loads.
    return Build(title, kernel.bracket_kernel, types, given | block, kernel.BRACKET_WARPS, aligned=("stride_c", "V"))


def builds() -> list[Build]:
    """The scoring kernel and the bracket in the forms that one and two passes use."""
    from vlrm_kernels.lm_head import kernel

    return [
        scoring("bf16", kernel.HALF_TILE),
        scoring("bf16", kernel.HALF_TILE, softcap=True),
        scoring("fp32", kernel.FULL_TILE),
        _bracket("one pass", "bf16"),
        _bracket("one pass, soft cap", "bf16", SOFTCAP=True),
        _bracket("read only", "bf16", WRITE=False),
        _bracket("two passes", "bf16", HAS_GRAD=True, HAS_LSE=True),
        _bracket("two passes", "fp32", HAS_GRAD=True, HAS_LSE=True),
    ]
