"""How the reward head's kernels are compiled ahead of time."""

from __future__ import annotations

from vlrm_kernels.ahead_of_time import Build


def builds() -> list[Build]:
    """Forward and the two backward kernels: bf16 hidden states, a float32 head."""
    from vlrm_kernels.reward_head import kernel

    types = dict.fromkeys(("N", "H", "D", "stride_t"), "i32") | {
        "hidden": "*bf16",
        "rows": "*i64",
        "rows_grad": "*bf16",
    }
    blocks = {"BLOCK_N": kernel.BLOCK_N, "BLOCK_H": kernel.BLOCK_H, "BLOCK_D": kernel.BLOCK_D}
    made = []
    for name in ("reward_head_kernel", "reward_head_rows_grad_kernel", "reward_head_weights_grad_kernel"):
        function = getattr(kernel, name)
        rest = {n: "*fp32" for n in function.arg_names if n not in types and n not in blocks}
        title = name.removesuffix("_kernel").replace("_", " ")
        warps = kernel.WEIGHTS_WARPS if "weights" in name else kernel.WARPS
        made.append(Build(title, function, types | rest, blocks, warps, aligned=("H", "D", "stride_t")))
    return made
