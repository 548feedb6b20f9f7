"""How the pairwise margin kernel is compiled ahead of time."""

from __future__ import annotations

from vlrm_kernels.ahead_of_time import Build


def builds() -> list[Build]:
    """Both losses on contiguous float32 rewards, and Bradley-Terry on bf16."""
    from vlrm_kernels.pair_margin import kernel

    strides = {f"stride_{n}": 1 for n in ("chosen", "rejected", "weight", "margin")}
    out = dict.fromkeys(("loss", "metrics", "weight", "margin"), "*fp32")
    numbers = {"pairs": "i32", "inverse_pairs": "fp32", "centring": "fp32"}
    made = []
    for name, hinge, dtype in (("Bradley-Terry", False, "fp32"), ("hinge", True, "fp32"), ("bf16", False, "bf16")):
        rewards = dict.fromkeys(("chosen", "rejected", "grad_chosen", "grad_rejected"), f"*{dtype}")
        constants = strides | {"HINGE": hinge, "BLOCK": kernel.BLOCK}
        types = rewards | out | numbers
        made.append(Build(f"pair margin, {name}", kernel.pair_margin_kernel, types, constants, aligned=("pairs",)))
    return made
