"""How well language alone tells a pair's sides apart: margins of a text-only model trained on other images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vlrm.evaluation.baselines import text_only_margin
from vlrm.evaluation.bootstrap import image_clusters

if TYPE_CHECKING:
    import pyarrow as pa

    from vlrm.evaluation.bootstrap import Floats


def cross_fitted_margins(pairs: pa.Table, tau: float, seed: int) -> dict[str, float]:
    """Pair id -> out-of-fold text-only log-odds, for pairs with ``q_plus >= tau``; folds keep images whole.

    An image rendered for a quad counts with its own. Pairs are left out when there are too few images to fold. The
    classifier's margins are made log-odds by one factor (:func:`calibrated`): where words tell nothing its margins are
    noise, and weights that took noise for knowledge would themselves teach which words lose.
    """
    frame = pl.DataFrame(pairs)
    # Of all that is offered: the pair that shows which image one was rendered from may itself not be sure.
    frame = frame.with_columns(pl.Series("cluster", image_clusters(frame)))
    sure = frame.filter(pl.col("q_plus") >= tau).sort("pair_id")
    if sure.is_empty():
        return {}
    margins = calibrated(text_only_margin(sure, sure["cluster"].to_numpy(), seed))
    return {name: float(m) for name, m in zip(sure["pair_id"], margins, strict=True) if math.isfinite(m)}


def calibrated(margins: Floats) -> Floats:
    """Out-of-fold margins times the factor in [0, 1] of the highest likelihood: Platt scaling without an intercept,
    since a pair has no first side. NaN stays NaN."""
    from scipy.optimize import minimize_scalar

    known = margins[np.isfinite(margins)]
    if not len(known):
        return margins
    loss = minimize_scalar(lambda factor: np.logaddexp(0, -factor * known).mean(), bounds=(0, 1), method="bounded")
    return margins * float(loss.x)
