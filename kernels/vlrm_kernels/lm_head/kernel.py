"""LM-head log-probabilities in Triton: a scoring kernel that never writes logits, and the bracket in place on a chunk.

The matrix products of the training form are left to cuBLAS: what is fused is everything between them.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vlrm_kernels.dispatch import is_interpreted
from vlrm_kernels.triton_math import tanh

LOWEST = tl.constexpr(-3.0e38)
"""Stands for minus infinity where two of them would be subtracted."""

HALF_TILE = {"BLOCK_T": 128, "BLOCK_V": 128, "BLOCK_D": 64, "num_warps": 8, "num_stages": 3}
FULL_TILE = {"BLOCK_T": 64, "BLOCK_V": 64, "BLOCK_D": 32, "num_warps": 8, "num_stages": 2}
TILES = 8
"""Vocabulary tiles that one program goes through, so that its maxima and sums are written once."""

BRACKET_BLOCK, BRACKET_WARPS = 4096, 8


@triton.jit
def linear_logprob_kernel(
    hidden, weight, bias, targets, highest_out, total_out, said_out,
    T, V, D, stride_t, stride_v, softcap,
    HAS_BIAS: tl.constexpr, SOFTCAP: tl.constexpr, UPCAST: tl.constexpr, TILES: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Maximum, sum of exp and target's logit of BLOCK_T tokens over TILES x BLOCK_V words, each (splits, T)."""
    t = tl.program_id(0) * BLOCK_T + tl.arange(0, BLOCK_T)
    here = t < T
    split = tl.program_id(1)
    target = tl.load(targets + t, mask=here, other=-1)
    lanes = tl.arange(0, BLOCK_D)
    highest = tl.full((BLOCK_T,), LOWEST, tl.float32)
    total = tl.zeros((BLOCK_T,), tl.float32)
    said = tl.zeros((BLOCK_T,), tl.float32)
    for tile in range(0, TILES):
        v = (split * TILES + tile) * BLOCK_V + tl.arange(0, BLOCK_V)
        acc = tl.zeros((BLOCK_T, BLOCK_V), tl.float32)
        for start in range(0, D, BLOCK_D):
            d = start + lanes
            x = tl.load(
                hidden + t.to(tl.int64)[:, None] * stride_t + d[None, :],
                mask=here[:, None] & (d < D)[None, :], other=0.0,
            )  # fmt: skip
            w = tl.load(
                weight + v.to(tl.int64)[:, None] * stride_v + d[None, :],
                mask=(v < V)[:, None] & (d < D)[None, :], other=0.0,
            )  # fmt: skip
            if UPCAST:
                x = x.to(tl.float32)
                w = w.to(tl.float32)
            acc = tl.dot(x, tl.trans(w), acc, input_precision="ieee")
        if HAS_BIAS:
            acc += tl.load(bias + v, mask=v < V, other=0.0).to(tl.float32)[None, :]
        if SOFTCAP:
            acc = softcap * tanh(acc / softcap)
        acc = tl.where((v < V)[None, :], acc, LOWEST)
        peak = tl.maximum(highest, tl.max(acc, 1))
        total = total * tl.exp(highest - peak) + tl.sum(tl.exp(acc - peak[:, None]), 1)
        highest = peak
        said += tl.sum(tl.where(v[None, :] == target[:, None], acc, 0.0), 1)
    at = split.to(tl.int64) * T + t
    tl.store(highest_out + at, highest, mask=here)
    tl.store(total_out + at, total, mask=here)
    tl.store(said_out + at, said, mask=here)


@triton.jit
def bracket_kernel(
    logits, targets, grad, lse, logp_out, lse_out,
    V, stride_c, softcap,
    HAS_GRAD: tl.constexpr, HAS_LSE: tl.constexpr, WRITE: tl.constexpr, SOFTCAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """log p(target) of a row of logits; with WRITE they become ``grad * (onehot(target) - softmax(row))``."""
    c = tl.program_id(0)
    row = logits + c.to(tl.int64) * stride_c
    lanes = tl.arange(0, BLOCK)
    target = tl.load(targets + c)
    said = tl.load(row + target).to(tl.float32)
    if SOFTCAP:
        said = softcap * tanh(said / softcap)
    if HAS_LSE:
        normaliser = tl.load(lse + c)
    else:
        highest = tl.full((BLOCK,), LOWEST, tl.float32)
        total = tl.zeros((BLOCK,), tl.float32)
        for start in range(0, V, BLOCK):
            v = start + lanes
            x = tl.load(row + v, mask=v < V, other=float("-inf")).to(tl.float32)
            if SOFTCAP:
                x = tl.where(v < V, softcap * tanh(tl.where(v < V, x, 0.0) / softcap), float("-inf"))
            peak = tl.maximum(highest, x)
            total = total * tl.exp(highest - peak) + tl.exp(x - peak)
            highest = peak
        peak_of_row = tl.max(highest, 0)
        normaliser = peak_of_row + tl.log(tl.sum(total * tl.exp(highest - peak_of_row), 0))
        tl.store(lse_out + c, normaliser)
    tl.store(logp_out + c, said - normaliser)
    if WRITE:
        scale = 1.0
        if HAS_GRAD:
            scale = tl.load(grad + c)
        # No other program touches this row, but this one's other warps do: all have read the target's logit by now.
        tl.debug_barrier()
        for start in range(0, V, BLOCK):
            v = start + lanes
            x = tl.load(row + v, mask=v < V, other=0.0).to(tl.float32)
            slope = 1.0
            if SOFTCAP:
                bent = tanh(x / softcap)
                slope = 1.0 - bent * bent
                x = softcap * bent
            value = tl.where(v == target, 1.0, 0.0) - tl.exp(x - normaliser)
            tl.store(row + v, value * slope * scale, mask=v < V)


def linear_logprob(
    hidden_TD: torch.Tensor, weight_VD: torch.Tensor, targets_T: torch.Tensor, bias_V: torch.Tensor | None,
    softcap: float,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """log p(target) and logsumexp (T,) without ever writing a logit."""
    (T, D), V = hidden_TD.shape, weight_VD.shape[0]
    tile = FULL_TILE if hidden_TD.dtype == torch.float32 or is_interpreted() else HALF_TILE
    splits = triton.cdiv(V, tile["BLOCK_V"] * TILES)
    highest, total, said = torch.empty((3, splits, T), dtype=torch.float32, device=hidden_TD.device)
    linear_logprob_kernel[(triton.cdiv(T, tile["BLOCK_T"]), splits)](
        hidden_TD, weight_VD, weight_VD if bias_V is None else bias_V, targets_T, highest, total, said,
        T, V, D, hidden_TD.stride(0), weight_VD.stride(0), softcap,
        HAS_BIAS=bias_V is not None, SOFTCAP=softcap > 0, UPCAST=is_interpreted(), TILES=TILES, **tile,
    )  # fmt: skip
    peak = highest.amax(0)
    lse = peak + (total * (highest - peak).exp()).sum(0).log()
    return said.sum(0) - lse, lse


def _launch(
    logits_CV: torch.Tensor, targets_C: torch.Tensor, softcap: float, write: bool, grad_C: torch.Tensor | None,
    lse_C: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    C, V = logits_CV.shape
    logp, lse = torch.empty((2, C), dtype=torch.float32, device=logits_CV.device)
    bracket_kernel[(C,)](
        logits_CV, targets_C, logp if grad_C is None else grad_C, lse if lse_C is None else lse_C, logp, lse,
        V, logits_CV.stride(0), softcap,
        HAS_GRAD=grad_C is not None, HAS_LSE=lse_C is not None, WRITE=write, SOFTCAP=softcap > 0,
        BLOCK=min(BRACKET_BLOCK, triton.next_power_of_2(V)), num_warps=BRACKET_WARPS,
    )  # fmt: skip
    return logp, lse


def read(logits_CV: torch.Tensor, targets_C: torch.Tensor, softcap: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What :func:`vlrm_kernels.lm_head.reference.read` returns, from the kernel."""
    return _launch(logits_CV, targets_C, softcap, False, None, None)


def bracket_(
    logits_CV: torch.Tensor, targets_C: torch.Tensor, softcap: float, grad_C: torch.Tensor | None = None,
    lse_C: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """What :func:`vlrm_kernels.lm_head.reference.bracket_` does, by the kernel."""
    return _launch(logits_CV, targets_C, softcap, True, grad_C, lse_C)[0]
