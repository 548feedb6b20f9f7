"""Judges that are no trained reward model, written as SCORES so that every figure is computed alike."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vlrm.evaluation.baselines import length_margin, text_only_margin
from vlrm.evaluation.outcomes import PLAIN, Outcomes, credit
from vlrm.schema import SCORES, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.bootstrap import Floats

SIDES = ("chosen", "rejected")


def scores_of(items: Sequence[str], chosen: Floats, rejected: Floats, view: str = "image") -> pa.Table:
    """SCORES of plain rewards; a NaN is an item that was not judged."""
    rows = [
        {
            "item_id": item, "view": view, "sample": PLAIN, "chosen_reward": None if np.isnan(c + r) else float(c),
            "rejected_reward": None if np.isnan(c + r) else float(r), "chosen_verdict": None, "rejected_verdict": None,
        }
        for item, c, r in zip(items, chosen, rejected, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SCORES)


def margin_scores(outcomes: Outcomes, margin: Floats) -> pa.Table:
    """SCORES with this margin on each item."""
    return scores_of(outcomes.exam["item_id"].to_list(), margin, np.zeros(len(margin)))


def expert_scores(exam: pa.Table, claims: pa.Table) -> pa.Table:
    """Groundedness as the reward: minus the expected number of false claims of each response.

    ``claims``: verified CLAIMS of :func:`vlrm.evaluation.labeller.exam_responses`.
    """
    false: defaultdict[str, dict[Any, float]] = defaultdict(dict)
    for row in claims.select(["response_id", "claim", "probability"]).to_pylist():
        false[row["response_id"]][claim_from_json(row["claim"]).key()] = 1 - row["probability"]
    items = exam["item_id"].to_pylist()
    chosen, rejected = (np.array([-math.fsum(false[f"{item}/{side}"].values()) for item in items]) for side in SIDES)
    return scores_of(items, chosen, rejected)


def length_scores(report: Outcomes, gate: Outcomes) -> pa.Table:
    """The shorter or the longer side, whichever the gate split prefers."""
    shorter = credit(length_margin(gate.exam))[gate.original].mean() >= 0.5
    margin = length_margin(report.exam)
    return margin_scores(report, margin if shorter else -margin)


def text_scores(report: Outcomes, seed: int) -> pa.Table:
    """Out-of-fold margins of the text-only classifier. Paraphrases share their pair's words, so they get none."""
    margin = np.full(len(report.exam), np.nan)
    kept = np.flatnonzero(report.original)
    margin[kept] = text_only_margin(report.exam[kept], report.clusters[kept], seed)
    return margin_scores(report, margin)


def verdict_scores(report: Outcomes) -> pa.Table:
    """Net votes of the critiques that these outcomes hold."""
    return margin_scores(report, report.verdict_margin())
