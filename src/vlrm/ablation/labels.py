"""What exact truth says of labels: claims judged by the scene, and whether a pair's label is right."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from vlrm.ablation.arms import ARMS
from vlrm.ablation.selection import turned
from vlrm.claims.truth import holds
from vlrm.evaluation.bootstrap import DRAWS, Floats, SeedResampler, image_clusters
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.judged import judge
from vlrm.rejection_sampling.offer import OFFERED, PAIRED
from vlrm.schema import QUESTION, B, F, I, S, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.scenes.world import Scene

LABELS = pa.schema(
    [("arm", S), ("round", I), ("pair_id", S), ("image_sha256", S), ("quad_id", S), ("source", S), ("mined", B),
     ("known", B), ("right", F)]
)  # fmt: skip
"""One row a kept pair. ``mined``: the reward model before had it the other way round. ``known``: the truth about its
image is. ``right``: 1 or 0, null where both sides say equally many false things (there is no right label then) or the
truth is not known."""


def claims_by_truth(claims: pa.Table, scenes: Mapping[str, Scene]) -> pa.Table:
    """CLAIMS as experts that are always right would verify them; claims about unknown images are left out."""
    seen = {sha: scene.seen() for sha, scene in scenes.items()}
    rows = []
    for row in claims.to_pylist():
        if row["image_sha256"] not in seen:
            continue
        true = holds(claim_from_json(row["claim"]), seen[row["image_sha256"]])
        rows.append(row | {"probability": float(true), "verdict": "supported" if true else "contradicted"})
    return pa.Table.from_pylist(rows, claims.schema)


def questions_by_truth(offered: pa.Table, scenes: Mapping[str, Scene]) -> pa.Table:
    """The claim questions among OFFERED as experts that are always right would answer them."""
    rows = []
    for row in offered.filter(pc.equal(offered["source"], QUESTION)).to_pylist():
        wrong = judge(row["chosen"], row["question"], scenes[row["image_sha256"]].seen()).false_count
        rows.append(
            (turned(row) if wrong else row)
            | {"q_plus": 1.0, "q_minus": 0.0, "chosen_lowest": 1.0, "rejected_lowest": 0.0}
        )
    return pa.Table.from_pylist(rows, OFFERED)


def label_rows(pairs: pa.Table, scenes: Mapping[str, Scene], arm: str, number: int) -> pa.Table:
    """LABELS of the kept pairs of one arm and round."""

    @cache
    def false_claims(image: str, question: str, text: str) -> int:
        return judge(text, question, scenes[image].seen()).false_count

    def right(row: dict[str, Any]) -> float | None:
        chosen, rejected = (
            false_claims(row["image_sha256"], row["question"], row[side]) for side in ("chosen", "rejected")
        )
        return None if chosen == rejected else float(chosen < rejected)

    rows: list[dict[str, Any]] = []
    for row in pairs.to_pylist():
        known = row["image_sha256"] in scenes
        rows.append({
            "arm": arm, "round": number, "mined": row["reward_margin"] is not None and row["reward_margin"] < 0,
            "known": known, "right": right(row) if known else None,
        } | {name: row[name] for name in ("pair_id", "image_sha256", "quad_id", "source")})  # fmt: skip
    return pa.Table.from_pylist(rows, LABELS)


def errors_of(labels: pl.DataFrame) -> dict[str, Floats]:
    """Figure name -> its value on each row of LABELS (NaN: not part of it), for means and bootstraps.

    ``label_error`` is over pairs that have a right label; ``tied`` is the share that has none; ``mined`` the share
    that the model before had wrong, and ``mined_error`` the label error among those.
    """
    right = labels["right"].fill_null(np.nan).to_numpy().astype(np.float64)
    mined = labels["mined"].to_numpy()
    candidates = labels["source"].is_in(PAIRED).to_numpy()
    return {
        "label_error": 1 - right,
        "label_error_candidates": np.where(candidates, 1 - right, np.nan),
        "tied": np.where(labels["known"].to_numpy(), np.isnan(right).astype(np.float64), np.nan),
        "mined": mined.astype(np.float64),
        "mined_error": np.where(mined, 1 - right, np.nan),
    }


class LabelRound(BaseModel):
    """How often exact truth contradicts the labels that one arm (``full``: the loop) kept in one round."""

    model_config = ConfigDict(extra="forbid")

    arm: str
    round: int
    pairs: int
    """Kept pairs, the mean over seeds."""
    figures: dict[str, Figure | None]


def label_rounds(seeds: Sequence[pl.DataFrame], draws: int = DRAWS, seed: int = 0) -> list[LabelRound]:
    """Every arm and round of LABELS, one table a seed, with intervals over seeds and images."""
    rounds = []
    # Over all arms: what one keeps may lack the pair that shows which image another was rendered from.
    seeds = [table.with_columns(pl.Series("cluster", image_clusters(table))) for table in seeds]
    for arm, number in pl.concat(seeds).select("arm", "round").unique(maintain_order=True).rows():
        here = [table.filter((pl.col("arm") == arm) & (pl.col("round") == number)) for table in seeds]
        here = [table for table in here if len(table)]
        resampler = SeedResampler([table["cluster"].to_numpy() for table in here], draws, seed)
        values = [errors_of(table) for table in here]
        figures = {name: resampler.mean([one[name] for one in values]) for name in values[0]}
        pairs = round(sum(map(len, here)) / len(here))
        rounds.append(LabelRound(arm=arm, round=number, pairs=pairs, figures=figures))
    return rounds


def pairs_of_arms(rounds: Sequence[LabelRound]) -> dict[str, int]:
    """How many pairs each arm that learns was trained on; one without pairs of its own has the loop's."""
    counts: Counter[str] = Counter()
    for one in rounds:
        counts[one.arm] += one.pairs
    learners = [name for name, arm in ARMS.items() if arm.recipe is not None or name == "linear_probe"]
    return dict(counts) | {name: counts["full"] for name in learners if name not in counts}
