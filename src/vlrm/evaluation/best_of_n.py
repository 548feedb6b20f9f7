"""Best-of-N: what choosing the response by reward does to false claims and to what is still said truly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from vlrm.errors import UserError
from vlrm.evaluation.bootstrap import DRAWS, Floats, Ints, Resampler
from vlrm.evaluation.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOICES = ("reward", "first", "random", "oracle")
COLUMNS = ("prompt_id", "image_sha256", "sample", "false_claims", "true_claims", "reward")


class BestOfN(BaseModel):
    """One point of the curve: ``choice`` among the first ``n`` candidates of each prompt."""

    model_config = ConfigDict(extra="forbid")

    choice: str
    n: int
    false_claims: Figure
    true_claims: Figure


class BestOfNSeeds(BaseModel):
    """One point of the curves of several seeds: the mean, and what the lowest and the highest seed had."""

    model_config = ConfigDict(extra="forbid")

    choice: str
    n: int
    false_claims: tuple[float, float, float]
    true_claims: tuple[float, float, float]


def over_seeds(curves: Sequence[Sequence[BestOfN]]) -> list[BestOfNSeeds]:
    """The points that all curves share, in the order of the first: (mean, lowest, highest) of each count."""

    def spread(values: list[float]) -> tuple[float, float, float]:
        return float(np.mean(values)), min(values), max(values)

    points = [{(one.choice, one.n): one for one in curve} for curve in curves]
    return [
        BestOfNSeeds(
            choice=choice,
            n=n,
            false_claims=spread([curve[choice, n].false_claims.value for curve in points]),
            true_claims=spread([curve[choice, n].true_claims.value for curve in points]),
        )
        for choice, n in points[0]
        if all((choice, n) in curve for curve in points)
    ]


def best_of_n(
    candidates: pl.DataFrame, sizes: Sequence[int] | None = None, draws: int = DRAWS, seed: int = 0
) -> list[BestOfN]:
    """The curve over N for each choice: by reward, the first sample, at random (exact expectation) and an
    oracle.

    ``candidates``: one row each with the columns of :data:`COLUMNS`; counts are exact. The oracle takes the
    fewest false claims, then the most true ones. Ties in reward take the earliest sample. Only prompts with
    as many candidates as the largest N are used, so that every N is measured on the same prompts. ``sizes``
    defaults to powers of two up to what at least half of the prompts have.
    """
    grid = _grid(candidates, sizes)
    if grid is None:
        return []
    resampler = grid.resampler(draws, seed)
    points = []
    for n in grid.sizes:
        for choice in CHOICES:
            false, true = grid.chosen(choice, n)
            figures = resampler.mean(false, share=False), resampler.mean(true, share=False)
            if figures[0] is not None and figures[1] is not None:
                points.append(BestOfN(choice=choice, n=n, false_claims=figures[0], true_claims=figures[1]))
    return points


class Rise(BaseModel):
    """What more candidates make worse: false claims at the largest N minus those at ``best``, the N with the fewest.

    Both are choices by reward among the candidates of the same prompts, so the difference is paired.
    """

    model_config = ConfigDict(extra="forbid")

    best: int
    largest: int
    false_claims: Figure

    @property
    def over_optimised(self) -> bool:
        """The rise is clear of zero: the reward is followed into its own mistakes."""
        return self.false_claims.low > 0


def rise(
    candidates: pl.DataFrame, sizes: Sequence[int] | None = None, draws: int = DRAWS, seed: int = 0
) -> Rise | None:
    """The rise at the end of :func:`best_of_n`'s curve; None without candidates or with one N only.

    ``best`` is chosen on the same prompts, which favours finding a rise: an interval that holds 0 is a safe no.
    """
    grid = _grid(candidates, sizes)
    if grid is None or len(grid.sizes) < 2:
        return None
    false = {n: grid.chosen("reward", n)[0] for n in grid.sizes}
    best = min(grid.sizes, key=lambda n: (false[n].mean(), n))
    figure = grid.resampler(draws, seed).mean(false[grid.sizes[-1]] - false[best], share=False)
    return None if figure is None else Rise(best=best, largest=grid.sizes[-1], false_claims=figure)


@dataclass(frozen=True)
class _Grid:
    """Candidates of prompts that have enough of them, [prompts, largest N], in the order they were drawn."""

    sizes: list[int]
    false: Floats
    true: Floats
    reward: Floats
    clusters: Ints

    def resampler(self, draws: int, seed: int) -> Resampler:
        return Resampler(self.clusters, draws, seed)

    def chosen(self, choice: str, n: int) -> tuple[Floats, Floats]:
        """False and true claims [prompts] of the one chosen among the first ``n``."""
        return _chosen(choice, self.false[:, :n], self.true[:, :n], self.reward[:, :n])


def _grid(candidates: pl.DataFrame, sizes: Sequence[int] | None) -> _Grid | None:
    missing = [name for name in COLUMNS if name not in candidates.columns]
    if missing:
        raise UserError(f"best-of-N candidates lack the column {missing[0]!r}: the table needs {', '.join(COLUMNS)}")
    counts = candidates.group_by("prompt_id").len()["len"]
    if not len(counts):
        return None
    sizes = sorted(sizes) if sizes else _powers(int(counts.median() or 1))  # type: ignore[arg-type]
    top = sizes[-1]
    kept = (
        candidates.sort("prompt_id", "sample")
        .with_columns(pl.int_range(pl.len()).over("prompt_id").alias("rank"), pl.len().over("prompt_id").alias("many"))
        .filter((pl.col("many") >= top) & (pl.col("rank") < top))
    )
    if not len(kept):
        raise UserError(f"no prompt has {top} candidates for best-of-{top}: ask for fewer, or sample more")
    false, true, reward = (kept[name].to_numpy().reshape(-1, top).astype(np.float64) for name in COLUMNS[3:])
    clusters = np.unique(kept["image_sha256"].to_numpy().reshape(-1, top)[:, 0], return_inverse=True)[1]
    return _Grid(sizes, false, true, reward, np.asarray(clusters, dtype=np.int64))


def _chosen(choice: str, false: Floats, true: Floats, reward: Floats) -> tuple[Floats, Floats]:
    """False and true claims [prompts] of the chosen candidate among [prompts, n]."""
    if choice == "random":
        return false.mean(axis=1), true.mean(axis=1)
    if choice == "first":
        pick = np.zeros(len(false), dtype=int)
    elif choice == "reward":
        pick = reward.argmax(axis=1)
    else:
        # Fewer false claims first; true claims only break ties (they are far fewer than the factor).
        pick = (false * 1e6 - true).argmin(axis=1)
    rows = np.arange(len(false))
    return false[rows, pick], true[rows, pick]


def _powers(limit: int) -> list[int]:
    return [2**k for k in range(limit.bit_length()) if 2**k <= limit]
