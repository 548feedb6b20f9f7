"""Where a model computes, and in which precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vlrm.errors import UserError

if TYPE_CHECKING:
    import torch

DEVICE = r"auto|cpu|cuda(:\d+)?"
"""The names of devices, as a pattern."""
Precision = Literal["float32", "bfloat16"]
PrecisionOrAuto = Literal["float32", "bfloat16", "auto"]


def device_of(name: str) -> torch.device:
    """The device of a name; ``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        UserError: the GPU that is asked for is not there.
    """
    import torch

    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= there:
        raise UserError(
            f"policy.device is {name}, but PyTorch sees {there or 'no'} CUDA device{'' if there == 1 else 's'} here; "
            "say policy.device: auto, or install a driver and a PyTorch that fit the GPU"
        )
    return device


def dtype_of(name: PrecisionOrAuto, device: torch.device) -> torch.dtype:
    """The precision of a name; ``auto`` is bfloat16 on a GPU that computes in it, else float32."""
    import torch

    if name != "auto":
        return torch.float32 if name == "float32" else torch.bfloat16
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32
