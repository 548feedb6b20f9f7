"""Where a kernel runs: Triton on a CUDA device, plain PyTorch everywhere else."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

TRITON_DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_interpreting = [False]


@cache
def _installed() -> bool:
    return find_spec("triton") is not None


def runs_triton(tensor: torch.Tensor) -> bool:
    """Whether an operator on ``tensor`` is Triton's: a CUDA tensor of a type the kernels know, and Triton is there."""
    return (tensor.is_cuda or _interpreting[0]) and tensor.dtype in TRITON_DTYPES and _installed()


def is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, where tensor cores' bf16 product is wrong and tiles are upcast."""
    return _interpreting[0]


@contextmanager
def interpreted() -> Iterator[None]:
    """Run the Triton kernels on CPU tensors in Triton's interpreter: for tests.

    Raises :class:`RuntimeError` when the process was not started with ``TRITON_INTERPRET=1``: Triton reads it when it
    is first imported, and later is silently too late.
    """
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError("Triton's interpreter needs TRITON_INTERPRET=1 in the environment before Python starts")
    _interpreting[0] = True
    try:
        yield
    finally:
        _interpreting[0] = False


def autocast(*tensors: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
    """The tensors in the type that ``torch.autocast`` gives a linear layer's inputs, where it is on."""
    device = next(t.device.type for t in tensors if t is not None)
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(None if t is None else t.to(dtype) for t in tensors)


def compute_dtype(tensor: torch.Tensor) -> torch.dtype:
    """What a kernel computes in and returns: float32, or float64 for float64 inputs (the reference only)."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
