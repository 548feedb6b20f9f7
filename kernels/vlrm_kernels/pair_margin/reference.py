"""Pairwise margin loss in plain PyTorch, with its gradient in closed form: the reference and the CPU path."""

from __future__ import annotations

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype

METRICS = ("pair_loss", "centring", "accuracy", "margin", "chosen", "rejected", "minimum", "maximum")
"""Of a batch, unweighted: the two terms of the loss, share of pairs with d > 0, means and range of the rewards."""


def pair_margin(
    chosen_B: Tensor, rejected_B: Tensor, weight_B: Tensor, margin_B: Tensor, hinge: bool, centring: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loss (), metrics (8,) and the loss's gradients in chosen and rejected (B,): see :func:`pair_margin.pair_margin`.

    Computed in float64, where the device has it: a batch is a few kilobytes, and the tails come out exact.
    """
    inner = torch.float32 if chosen_B.device.type == "mps" else torch.float64
    chosen, rejected, weight, margin = (t.to(inner) for t in (chosen_B, rejected_B, weight_B, margin_B))
    d = chosen - rejected
    x = margin - d
    total = weight.sum()
    share = torch.where(total > 0, weight / torch.where(total > 0, total, 1), 0)
    each = x.clamp_min(0) if hinge else torch.logaddexp(x, torch.zeros_like(x))
    slope = (x > 0).to(inner) if hinge else torch.sigmoid(x)
    pair_loss = (share * each).sum()
    square = centring * (chosen.square().mean() + rejected.square().mean()) / 2
    pull = centring / d.numel()
    low, high = torch.minimum(chosen, rejected).amin(), torch.maximum(chosen, rejected).amax()
    accuracy = (d > 0).to(inner).mean()
    metrics = torch.stack([pair_loss, square, accuracy, d.mean(), chosen.mean(), rejected.mean(), low, high])
    outer = compute_dtype(chosen_B)
    return (
        (pair_loss + square).to(outer),
        metrics.to(outer),
        (pull * chosen - share * slope).to(chosen_B.dtype),
        (pull * rejected + share * slope).to(rejected_B.dtype),
    )
