"""Calibration of reward margins as probabilities: temperature, calibration error, reliability bins."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.outcomes import credit

if TYPE_CHECKING:
    from vlrm.evaluation.bootstrap import Floats, Resampler
    from vlrm.evaluation.figures import Figure

BINS = 10


def fit_temperature(margin: Floats) -> float:
    """Temperature T minimising mean softplus(-margin / T), as in temperature scaling (Guo et al., 2017).

    Searched between e^-5 and e^5; 1 when there is nothing to fit on.
    """
    from scipy.optimize import minimize_scalar

    margin = margin[np.isfinite(margin)]
    if not len(margin):
        return 1.0
    found = minimize_scalar(
        lambda log_t: float(np.logaddexp(0, -margin / np.exp(log_t)).mean()), bounds=(-5, 5), method="bounded"
    )
    return float(np.exp(found.x))


def confidence(margin: Floats, temperature: float) -> Floats:
    """Probability of the side the model prefers: sigmoid(|margin| / T), in [.5, 1]."""
    from scipy.special import expit

    return np.asarray(expit(np.abs(margin) / temperature))


def _bin(sure: Floats) -> np.ndarray:
    return np.clip(((sure - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)


def calibration_error(margin: Floats, temperature: float, resampler: Resampler) -> Figure | None:
    """Expected calibration error over ten equal bins of confidence in [.5, 1], weighted by pairs."""
    inside = np.isfinite(margin)
    if not inside.any():
        return None
    sure = confidence(np.where(inside, margin, 0.0), temperature)
    gap = np.where(inside, np.nan_to_num(credit(margin)) - sure, 0.0)
    number = _bin(sure)
    gaps = (np.where(number == b, gap, 0.0) for b in range(BINS))

    def error(sums: Floats) -> Floats:
        return np.asarray(np.abs(sums[:, 1:]).sum(axis=1) / np.maximum(sums[:, 0], 1e-12))

    return resampler.statistic(chain([inside.astype(np.float64)], gaps), error, int(inside.sum()))


def reliability_bins(margin: Floats, temperature: float) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, pairs) of each bin of confidence that holds a pair."""
    margin = margin[np.isfinite(margin)]
    sure, right = confidence(margin, temperature), credit(margin)
    number = _bin(sure)
    return [
        (float(sure[number == b].mean()), float(right[number == b].mean()), int((number == b).sum()))
        for b in range(BINS)
        if (number == b).any()
    ]
