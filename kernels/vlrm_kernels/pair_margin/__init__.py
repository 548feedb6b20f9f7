"""Pairwise margin loss on rewards: Bradley-Terry or hinge, weights, margins, centring and metrics."""

from vlrm_kernels.pair_margin.operator import Metrics, PairMargin, pair_margin, pair_margin_loss

__all__ = ["Metrics", "PairMargin", "pair_margin", "pair_margin_loss"]
