"""Calibration of a judge that gives rewards: calibration error and Brier score, before and after a temperature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.calibration import calibration_error, fit_temperature, reliability_bins
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present

if TYPE_CHECKING:
    from vlrm.evaluation.bootstrap import Floats, Ints
    from vlrm.evaluation.figures import Figure

FOLDS = 5


def cross_fitted(margin: Floats, clusters: Ints, folds: int = FOLDS, seed: int = 0) -> Floats:
    """Margins divided by a temperature that was fitted on the other folds, so that no item scales itself.

    Folds are of whole clusters. NaN everywhere when there are fewer clusters than folds.
    """
    names, code = np.unique(clusters, return_inverse=True)
    if len(names) < folds:
        return np.full(len(margin), np.nan)
    fold = (np.random.default_rng(seed).permutation(len(names)) % folds)[code]
    scaled = np.full(len(margin), np.nan)
    for number in range(folds):
        here = fold == number
        scaled[here] = margin[here] / fit_temperature(margin[~here])
    return scaled


@dataclass(frozen=True)
class Sureness:
    """What a result says of calibration. ``figures``: those that have no draws of their own (calibration error)."""

    quantities: Quantities = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    temperature: float | None = None
    before: list[tuple[float, float, int]] = field(default_factory=list)
    after: list[tuple[float, float, int]] = field(default_factory=list)


def sureness(margin: Floats, clusters: Ints, bootstrap: Bootstrap) -> Sureness:
    """Calibration of sigmoid(margin / T). ``margin``: reward of the better answer less that of the worse, [items].

    ``temperature`` is fitted on all items, for use elsewhere; the figures "after" are of :func:`cross_fitted` margins.
    Brier score: mean of (1 - sigmoid(margin / T))^2, the squared error of the better answer's probability.
    """
    from scipy.special import expit

    scaled = cross_fitted(margin, clusters)
    errors = {
        "ece_before": calibration_error(margin, 1.0, bootstrap.resampler),
        "ece_after": calibration_error(scaled, 1.0, bootstrap.resampler),
    }
    return Sureness(
        quantities=present(
            {
                "brier_before": bootstrap.mean((1 - expit(margin)) ** 2, share=False),
                "brier_after": bootstrap.mean((1 - expit(scaled)) ** 2, share=False),
            }
        ),
        figures={name: figure for name, figure in errors.items() if figure is not None},
        temperature=fit_temperature(margin),
        before=reliability_bins(margin, 1.0),
        after=reliability_bins(scaled, 1.0),
    )
