"""Bootstrap intervals that respect how items depend on each other: by image, and by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from vlrm.evaluation.figures import Figure
from vlrm.schema import QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DRAWS = 2000
LEVEL = 0.95
BLOCK = 2_000_000
"""Cluster counts that are numbers at a time: 16 MB."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def image_clusters(exam: pl.DataFrame) -> Ints:
    """Cluster number of each exam row or pair: rows of one image move together, and those of an image made from it.

    A quad's second image that was rendered for it is its first with one fact changed: no independent draw. Such an
    image is known by being in quads with one other image only, and in nothing else (questions about single claims and
    other wordings aside). A quad's second image that was found among others is an image of its own: joined by their
    quads, all images would be one. Give whole tables: a part of the rows may lack those that tell.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    images, image = np.unique(exam["image_sha256"].to_numpy(), return_inverse=True)
    telling = pl.lit(True)
    if "source" in exam.columns:
        telling &= pl.col("source") != QUESTION
    if "group_id" in exam.columns:
        telling &= pl.col("group_id").is_null() | (pl.col("group_id") == pl.col("item_id"))
    rows = exam.with_columns(pl.Series("image", image)).filter(telling).select("image", "quad_id")
    first, last = (end.over("quad_id") for end in (pl.col("image").min(), pl.col("image").max()))
    # The other image of the row's quad: null without a quad, and where the quad's other pair is not here.
    other = pl.when(pl.col("quad_id").is_not_null() & (first != last)).then(first + last - pl.col("image"))
    made = (
        rows.with_columns(other.alias("other"))
        .group_by("image")
        .agg(pl.col("other").first(), (pl.col("other").n_unique() == 1).alias("one"))
        .filter("one")
        .drop_nulls("other")
    )
    graph = coo_array(
        (np.ones(len(made)), (made["image"].to_numpy(), made["other"].to_numpy())), shape=(len(images), len(images))
    )
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[image], dtype=np.int64)


class Resampler:
    """Cluster bootstrap whose draws are made once, so figures of one exam are paired and cheap.

    Holds the number of times each cluster is drawn, [draws, clusters], as bytes. The same clusters, draws and
    seed give the same draws in every round, which is what makes differences between rounds paired.
    """

    def __init__(self, clusters: Ints, draws: int = DRAWS, seed: int = 0) -> None:
        _, self.cluster = np.unique(np.asarray(clusters), return_inverse=True)
        self.size = int(self.cluster.max()) + 1 if len(self.cluster) else 0
        rng = np.random.default_rng(seed)
        self.times = np.zeros((draws, self.size), dtype=np.uint8)
        for row in self.times:
            row[:] = np.bincount(rng.integers(self.size, size=self.size), minlength=self.size)

    def totals(self, columns: Iterable[Floats]) -> Floats:
        """Sum of each column [items] within each cluster; [clusters, columns]."""
        return np.stack([np.bincount(self.cluster, weights=one, minlength=self.size) for one in columns], axis=1)

    def draws_of_totals(self, totals: Floats) -> Floats:
        """Bootstrap draws of sums over items from their sums within clusters; [draws, columns].

        In blocks: the draws of many clusters as numbers of eight bytes would fill the memory.
        """
        used = np.flatnonzero(totals.any(axis=1))
        step = max(1, BLOCK // max(1, len(used)))
        blocks = range(0, len(self.times), step)
        return np.concatenate([self.times[at : at + step, used].astype(np.float64) @ totals[used] for at in blocks])

    def draws_of_mean(self, values: Floats) -> Floats:
        """Bootstrap draws of the mean of ``values`` (NaN: not part of this figure); [draws], draws without
        items NaN."""
        inside = np.isfinite(values)
        both = self.draws_of_totals(self.totals((np.where(inside, values, 0.0), inside.astype(np.float64))))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(both[:, 0] / both[:, 1])

    def mean(self, values: Floats, share: bool = True, draws: Floats | None = None) -> Figure | None:
        """Mean of ``values`` over items that are not NaN with its percentile interval; None when there are
        none.

        ``share``: values lie in [0, 1], so all 0 or all 1 gets an exact binomial bound (resampling sees no
        spread). Items of one cluster say nothing of others: their interval is as wide as can be. ``draws``:
        :meth:`draws_of_mean` of these values, where they are known already.
        """
        values = np.asarray(values, dtype=np.float64)
        inside = np.isfinite(values)
        if not inside.any():
            return None
        kept = values[inside]
        drawn = self.draws_of_mean(values) if draws is None else draws
        figure = interval(float(kept.mean()), drawn, int(inside.sum()))
        held = self.cluster[inside]
        if (held == held[0]).all():
            return _unsure(figure, share)
        if share and kept.min() == kept.max() and kept[0] in (0.0, 1.0):
            return _certain(figure, clusters=len(np.unique(held)))
        return figure

    def statistic(self, columns: Iterable[Floats], function: Callable[[Floats], Floats], n: int) -> Figure:
        """A figure >= 0 that is no mean but a function of sums over items: it maps [draws, columns] to [draws].

        Draws are recentred on the value: sums of absolute gaps (calibration error) grow under resampling, and
        plain percentiles would leave the value outside its own interval.
        """
        totals = self.totals(columns)
        value = float(function(totals.sum(axis=0, keepdims=True))[0])
        drawn = function(self.draws_of_totals(totals))
        return interval(value, np.maximum(drawn - np.nanmean(drawn) + value, 0.0), n)


def interval(value: float, draws: Floats, n: int) -> Figure:
    """Percentile interval from bootstrap draws; draws that could not be computed (NaN) are left out."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Figure(value=value, low=value, high=value, n=n)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(value=value, low=float(low), high=float(high), n=n)


def _certain(figure: Figure, clusters: int) -> Figure:
    """All right or all wrong: resampling sees no spread, so the exact binomial bound over clusters stands
    in."""
    reach = ((1 - LEVEL) / 2) ** (1 / clusters)
    if figure.value == 1.0:
        return figure.model_copy(update={"low": reach, "high": 1.0})
    return figure.model_copy(update={"low": 0.0, "high": 1 - reach})


def _unsure(figure: Figure, share: bool) -> Figure:
    """Of one cluster: resampling sees no spread whatever there is, so nothing is said, not even a difference's sign."""
    reach = max(1.0, abs(figure.value))
    low, high = (0.0, 1.0) if share else (figure.value - reach, figure.value + reach)
    return figure.model_copy(update={"low": low, "high": high})


def paired_difference(ours: Floats, theirs: Floats, resampler: Resampler) -> Figure | None:
    """Mean of ``ours - theirs`` item by item (NaN in either leaves the item out) with its interval."""
    return resampler.mean(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64), share=False)


class SeedResampler:
    """Hierarchical bootstrap over runs of several seeds: resamples seeds, then images within each drawn seed.

    ``clusters[s]`` belongs to seed s; values are passed in the same order. Draws are made once, so figures of the same
    runs are paired.
    """

    def __init__(self, clusters: Sequence[Ints], draws: int = DRAWS, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.picks = rng.integers(len(clusters), size=(draws, len(clusters)))
        # Each pick of a seed needs a draw of its own: a seed picked twice is two runs, not one run counted twice.
        self.within = [
            Resampler(cluster, int((self.picks == index).sum()), seed=int(rng.integers(2**31)))
            for index, cluster in enumerate(clusters)
        ]

    def draws_of_mean(self, values: Sequence[Floats]) -> Floats:
        """Draws of the mean over seeds of the mean over items; a seed without items (all NaN) is left out."""
        replicas = np.full(self.picks.shape, np.nan)
        for index, (resampler, value) in enumerate(zip(self.within, values, strict=True)):
            replicas[self.picks == index] = resampler.draws_of_mean(value)
        known = np.isfinite(replicas)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(known, replicas, 0.0).sum(axis=1) / known.sum(axis=1))

    def mean(self, values: Sequence[Floats], share: bool = True) -> Figure | None:
        """Mean over seeds of the mean over items with its interval; ``share`` as in :meth:`Resampler.mean`."""
        inside = [np.isfinite(value) for value in values]
        kept = [value[rows] for value, rows in zip(values, inside, strict=True) if rows.any()]
        if not kept:
            return None
        mean = float(np.mean([value.mean() for value in kept]))
        figure = interval(mean, self.draws_of_mean(values), sum(map(len, kept)))
        held = [one.cluster[rows] for one, rows in zip(self.within, inside, strict=True) if rows.any()]
        if len(held) == 1 and (held[0] == held[0][0]).all():
            return _unsure(figure, share)
        if share and mean in (0.0, 1.0) and all(value.min() == value.max() == mean for value in kept):
            return _certain(figure, clusters=sum(len(np.unique(one)) for one in held))
        return figure


def hierarchical_mean(
    values: Sequence[Floats], clusters: Sequence[Ints], draws: int = DRAWS, seed: int = 0
) -> Figure | None:
    """One figure of :class:`SeedResampler`."""
    if not len(values):
        return None
    floats = [np.asarray(value, dtype=np.float64) for value in values]
    return SeedResampler(clusters, draws, seed).mean(floats)


def ratio(top: Figure | None, bottom: Figure | None, tops: Floats, bottoms: Floats) -> Figure | None:
    """``top / bottom`` with the percentile interval of their paired draws; None where the bottom is not above zero.

    Draws whose bottom is not above zero have no ratio and are left out.
    """
    if top is None or bottom is None or bottom.value <= 0:
        return None
    quotients = np.divide(tops, bottoms, out=np.full(len(tops), np.nan), where=bottoms > 0)
    return interval(top.value / bottom.value, quotients, min(top.n, bottom.n))
