"""Figures that keep their bootstrap draws, so that two models' differences come from the same draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.bootstrap import DRAWS, Resampler, interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vlrm.evaluation.bootstrap import Floats, Ints
    from vlrm.evaluation.figures import Figure

MOST_CLUSTERS = 10_000
"""Images beyond these share clusters at random: memory stays bounded, and the interval of so many images is as wide."""


@dataclass(frozen=True)
class Quantity:
    """A figure and its draws [draws]."""

    figure: Figure
    draws: Floats


Quantities = dict[str, Quantity]


class Bootstrap:
    """The draws of one benchmark: the same items, number of draws and seed give the same draws for every judge."""

    def __init__(self, clusters: Ints, draws: int = DRAWS, seed: int = 0) -> None:
        self.resampler = Resampler(_gathered(clusters), draws, seed)

    def mean(self, values: Floats, share: bool = True) -> Quantity | None:
        """Mean over the items [items] that are not NaN; ``share`` as in :meth:`Resampler.mean`."""
        if not np.isfinite(values).any():
            return None
        draws = self.resampler.draws_of_mean(values)
        figure = self.resampler.mean(values, share, draws)
        return None if figure is None else Quantity(figure, draws)

    def of_sums(self, columns: Iterable[Floats], function: Callable[[Floats], Floats], n: int) -> Quantity | None:
        """A figure that is a function of sums over items: ``function`` maps [draws, columns] to [draws]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            totals = self.resampler.totals(columns)
            value = float(function(totals.sum(axis=0, keepdims=True))[0])
            if not np.isfinite(value):
                return None
            draws = function(self.resampler.draws_of_totals(totals))
        return self.from_draws(value, draws, n)

    @staticmethod
    def from_draws(value: float, draws: Floats, n: int) -> Quantity:
        """A figure whose draws were computed from those of others."""
        return Quantity(interval(value, draws, n), draws)

    def macro(self, values: Floats, category: np.ndarray) -> Quantity | None:
        """Mean over categories of the mean within each; a category without a value (all NaN) is left out."""
        inside = np.isfinite(values)
        kept = np.where(inside, values, 0.0)
        numbers = np.unique(category[inside])
        if not len(numbers):
            return None

        def columns() -> Iterator[Floats]:
            for number in numbers:
                rows = inside & (category == number)
                yield kept * rows
                yield rows.astype(np.float64)

        def mean_of_means(sums: Floats) -> Floats:
            means = sums[:, ::2] / sums[:, 1::2]
            return np.asarray(np.nansum(means, axis=1) / np.isfinite(means).sum(axis=1))

        return self.of_sums(columns(), mean_of_means, int(inside.sum()))


def present(quantities: dict[str, Quantity | None]) -> Quantities:
    """Those that could be measured."""
    return {name: one for name, one in quantities.items() if one is not None}


def _gathered(clusters: Ints) -> Ints:
    names, code = np.unique(clusters, return_inverse=True)
    if len(names) <= MOST_CLUSTERS:
        return np.asarray(code, dtype=np.int64)
    place = np.random.default_rng(0).permutation(len(names)) % MOST_CLUSTERS
    return np.asarray(place[code], dtype=np.int64)
