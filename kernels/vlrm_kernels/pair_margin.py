"""Pairwise margin loss on rewards, plain PyTorch: the reference and the CPU path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    from torch import Tensor


def pair_margin_loss(chosen_B: Tensor, rejected_B: Tensor, weight_B: Tensor, margin_B: Tensor) -> Tensor:
    """Weighted Bradley-Terry loss with a margin, ``sum(w * softplus(m - d)) / sum(w)``, ``d = chosen - rejected``."""
    return (weight_B * softplus(margin_B - (chosen_B - rejected_B))).sum() / weight_B.sum()
