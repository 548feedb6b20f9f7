"""How right the selected pairs are, against exact truth: by source, and as precision over yield for several rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from vlrm.ablation.labels import label_rows
from vlrm.rejection_sampling.select import TESTS
from vlrm.schema import QUESTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.scenes.world import Scene

OWN_TESTS = tuple(test for test in TESTS if test not in ("undecided", "quad_incomplete", "budget"))
"""What the full rule asks of a pair beside being sure."""
POINTS = 21


class Point(BaseModel):
    """One threshold: the share of all offered pairs that it takes, and the share of those that are labelled rightly.

    A pair whose sides say equally many false things has no right label; ``precision`` counts it as wrong.
    """

    model_config = ConfigDict(extra="forbid")

    threshold: float
    taken: float
    precision: float


def judged_by_truth(judged: pa.Table, scenes: Mapping[str, Scene], number: int = 0) -> pl.DataFrame:
    """A round's PAIRS, refused ones too, with ``right``: 1 or 0, null where neither side says more false things.

    Pairs on images of unknown truth are left out.
    """
    labels = (
        pl.DataFrame(label_rows(judged, scenes, "full", number)).filter("known").select("pair_id", "right", "mined")
    )
    return pl.DataFrame(judged).join(labels, on="pair_id", how="inner")


def strictly(right: pl.Series) -> Floats:
    """``right`` with pairs that have no right label counted as wrong."""
    return np.asarray(right.fill_null(0.0).to_numpy(), dtype=np.float64)


def curves(pairs: pl.DataFrame, seed: int = 0) -> dict[str, list[Point]]:
    """Precision over yield on all offered pairs of answers, for three ways to choose.

    Claim questions are left out: they are offered only where the evidence is sure, which is a rule of its own.
    ``no_rule``: pairs whose evidence leans to one side, in random order. ``groundedness``: by the difference of the
    expected numbers of false claims. ``full_rule``: by q+, among pairs that no other test of the rule refused; those
    under the rule's own threshold were not asked the other tests, so beyond it the curve is of q+ alone.
    """
    pairs = pairs.filter(pl.col("source") != QUESTION)
    random = np.random.default_rng(seed).random(len(pairs))
    leaning = (pairs["q_plus"] > pairs["q_minus"]).to_numpy()
    passing = leaning & ~pairs["refused"].is_in(OWN_TESTS).fill_null(False).to_numpy()
    return {
        "no_rule": curve(random, pairs["right"], leaning),
        "groundedness": curve(pairs["severity"].to_numpy(), pairs["right"], leaning),
        "full_rule": curve(pairs["q_plus"].to_numpy(), pairs["right"], passing),
    }


def curve(score: Floats, right: pl.Series, eligible: np.ndarray) -> list[Point]:
    """Up to :data:`POINTS` thresholds at even steps of yield, the highest first; pairs of equal score go together."""
    rows = np.flatnonzero(eligible)
    if not len(rows):
        return []
    order = rows[np.argsort(-score[rows], kind="stable")]
    strict = strictly(right)
    wanted = np.unique(np.ceil(np.linspace(1, len(order), POINTS)).astype(int))
    thresholds = sorted({float(score[order[n - 1]]) for n in wanted}, reverse=True)
    points = []
    for threshold in thresholds:
        taken = order[score[order] >= threshold]
        points.append(Point(threshold=threshold, taken=len(taken) / len(right), precision=float(strict[taken].mean())))
    return points


def by_source(pairs: pl.DataFrame) -> dict[str, dict[str, float | int | None]]:
    """For each source and for all: pairs offered, kept, the share kept, the accuracy of what is kept, and how much of
    it the model before had wrong."""
    found = {}
    for source in (*sorted(set(pairs["source"])), "all"):
        here = pairs if source == "all" else pairs.filter(pl.col("source") == source)
        kept = here.filter(pl.col("refused").is_null())
        accuracy = float(strictly(kept["right"]).mean()) if len(kept) else None
        wrong = (kept["reward_margin"] < 0).fill_null(False).to_numpy()
        found[source] = {
            "offered": len(here), "kept": len(kept), "share": len(kept) / len(here), "accuracy": accuracy,
            "wrong_before": float(wrong.mean()) if len(kept) else None,
        }  # fmt: skip
    return found


def mean_curves(rounds: Sequence[dict[str, list[Point]]], at: Sequence[float]) -> dict[str, list[dict[str, float]]]:
    """Each rule's mean precision at the yields ``at`` that every round reaches, between points as straight lines."""
    found: dict[str, list[dict[str, float]]] = {}
    for rule in rounds[0]:
        reached = min(one[rule][-1].taken for one in rounds if one[rule])
        found[rule] = [
            {"taken": taken, "precision": float(np.mean([_at(one[rule], taken) for one in rounds if one[rule]]))}
            for taken in at
            if taken <= reached
        ]
    return found


def _at(points: Sequence[Point], taken: float) -> float:
    return float(np.interp(taken, [p.taken for p in points], [p.precision for p in points]))
