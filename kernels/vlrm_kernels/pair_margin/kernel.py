"""Pairwise margin loss in Triton: loss, metrics and both gradients in one launch of one program."""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vlrm_kernels.pair_margin.reference import METRICS
from vlrm_kernels.triton_math import difference, sigmoid, softplus

BLOCK = 1024


@triton.jit
def pair_margin_kernel(  # noqa: PLR0915 - one launch is one function
    chosen, rejected, weight, margin, grad_chosen, grad_rejected, loss, metrics,
    pairs, inverse_pairs, centring,
    stride_chosen, stride_rejected, stride_weight, stride_margin,
    HINGE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program reads the batch twice, so sums have one order: the same numbers on every run, no atomics."""
    lanes = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, pairs, BLOCK):
        at = start + lanes
        total += tl.load(weight + at * stride_weight, mask=at < pairs, other=0.0).to(tl.float32)
    weight_sum = tl.sum(total, 0)
    # All weights zero: no pair counts, so the pair term is zero rather than 0 / 0.
    inverse_weight = tl.where(weight_sum > 0, 1.0, 0.0) / tl.where(weight_sum > 0, weight_sum, 1.0)

    pair_loss = tl.zeros((BLOCK,), tl.float32)
    square = tl.zeros((BLOCK,), tl.float32)
    right = tl.zeros((BLOCK,), tl.float32)
    sum_chosen = tl.zeros((BLOCK,), tl.float32)
    sum_rejected = tl.zeros((BLOCK,), tl.float32)
    sum_margin = tl.zeros((BLOCK,), tl.float32)
    low = tl.full((BLOCK,), float("inf"), tl.float32)
    high = tl.full((BLOCK,), float("-inf"), tl.float32)
    for start in range(0, pairs, BLOCK):
        at = start + lanes
        here = at < pairs
        c = tl.load(chosen + at * stride_chosen, mask=here, other=0.0).to(tl.float32)
        r = tl.load(rejected + at * stride_rejected, mask=here, other=0.0).to(tl.float32)
        w = tl.load(weight + at * stride_weight, mask=here, other=0.0).to(tl.float32) * inverse_weight
        m = tl.load(margin + at * stride_margin, mask=here, other=0.0).to(tl.float32)
        # Both subtractions keep what rounding loses: near the kink m - d is small beside the rewards, and far in the
        # tail exp(x) makes a relative error of an absolute one. To first order: softplus' = sigmoid.
        d, lost_d = difference(c, r)
        x, lost_x = difference(m, d)
        lost = lost_x - lost_d
        if HINGE:
            each = tl.maximum(x + lost, 0.0)
            slope = tl.where(x + lost > 0, 1.0, 0.0)
        else:
            bend = sigmoid(x)
            each = softplus(x) + lost * bend
            slope = bend + lost * bend * (1.0 - bend)
        pair_loss += w * each
        square += c * c + r * r
        right += tl.where(here & (d > 0), 1.0, 0.0)
        sum_chosen += c
        sum_rejected += r
        sum_margin += d
        low = tl.minimum(low, tl.where(here, tl.minimum(c, r), float("inf")))
        high = tl.maximum(high, tl.where(here, tl.maximum(c, r), float("-inf")))
        pull = centring * inverse_pairs
        tl.store(grad_chosen + at, pull * c - w * slope, mask=here)
        tl.store(grad_rejected + at, pull * r + w * slope, mask=here)

    pair_total = tl.sum(pair_loss, 0)
    centre = centring * tl.sum(square, 0) * inverse_pairs * 0.5
    tl.store(loss, pair_total + centre)
    tl.store(metrics, pair_total)
    tl.store(metrics + 1, centre)
    tl.store(metrics + 2, tl.sum(right, 0) * inverse_pairs)
    tl.store(metrics + 3, tl.sum(sum_margin, 0) * inverse_pairs)
    tl.store(metrics + 4, tl.sum(sum_chosen, 0) * inverse_pairs)
    tl.store(metrics + 5, tl.sum(sum_rejected, 0) * inverse_pairs)
    tl.store(metrics + 6, tl.min(low, 0))
    tl.store(metrics + 7, tl.max(high, 0))


def pair_margin(
    chosen_B: torch.Tensor, rejected_B: torch.Tensor, weight_B: torch.Tensor, margin_B: torch.Tensor,
    hinge: bool, centring: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """What :func:`vlrm_kernels.pair_margin.reference.pair_margin` returns, from the kernel."""
    pairs = chosen_B.numel()
    loss = torch.empty((), dtype=torch.float32, device=chosen_B.device)
    metrics = torch.empty(len(METRICS), dtype=torch.float32, device=chosen_B.device)
    grads = (
        torch.empty((pairs,), dtype=chosen_B.dtype, device=chosen_B.device),
        torch.empty((pairs,), dtype=rejected_B.dtype, device=chosen_B.device),
    )
    pair_margin_kernel[(1,)](
        chosen_B, rejected_B, weight_B, margin_B, *grads, loss, metrics,
        pairs, 1.0 / pairs, centring,
        chosen_B.stride(0), rejected_B.stride(0), weight_B.stride(0), margin_B.stride(0),
        HINGE=hinge, BLOCK=min(BLOCK, triton.next_power_of_2(pairs)), num_warps=4,
    )  # fmt: skip
    return loss, metrics, *grads
