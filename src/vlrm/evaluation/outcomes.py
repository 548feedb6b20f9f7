"""What a reward model said about an exam, aligned row by row: margins and critique verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from vlrm.errors import UserError
from vlrm.evaluation.bootstrap import Floats, Ints, image_clusters

if TYPE_CHECKING:
    import pyarrow as pa

Readout = Literal["plain", "critiques"]
View = Literal["image", "blank", "swapped", "flipped"]
"""``flipped``: the image as it is, with every critique's claim verdicts turned round (verdict-flip
sensitivity)."""
PLAIN = -1


def credit(margin: Floats) -> Floats:
    """1 for a right order, 0 for a wrong one, one half for a tie (a coin's expectation), NaN for no score."""
    return np.where(np.isnan(margin), np.nan, np.where(margin > 0, 1.0, np.where(margin == 0, 0.5, 0.0)))


@dataclass(frozen=True)
class Outcomes:
    """One exam and one reward model's scores of it; arrays are aligned with the exam's rows, NaN where not
    scored."""

    exam: pl.DataFrame
    scores: pl.DataFrame
    clusters: Ints

    @classmethod
    def read(cls, exam: pa.Table, scores: pa.Table) -> Outcomes:
        """Align SCORES with EXAM; UserError for a reward that is no number or an item the exam does not
        hold."""
        rows, said = frame_of(exam), frame_of(scores)
        strange = said.join(rows, on="item_id", how="anti")
        if len(strange):
            raise UserError(
                f"scores name item {strange['item_id'][0]!r}, which the exam does not hold: "
                "score the exam of the same run, or delete the stale scores table and run again"
            )
        rewards = said.select(pl.col("chosen_reward", "rejected_reward").is_finite().fill_null(True)).to_numpy()
        if not rewards.all():
            item = said["item_id"][int(np.flatnonzero(~rewards.all(axis=1))[0])]
            raise UserError(
                f"the reward of exam item {item!r} is not a finite number: the reward model diverged; "
                "train this round again with a lower learning rate"
            )
        return cls(rows, said, image_clusters(rows))

    @property
    def original(self) -> np.ndarray:
        """True for pairs that count in accuracies; the paraphrases of a group count in its consistency
        only."""
        group = self.exam["group_id"]
        return ((group.is_null()) | (group == self.exam["item_id"])).fill_null(True).to_numpy()

    def seeds(self, view: str = "image") -> list[int]:
        """Critique seeds the scores hold for ``view``, ascending."""
        held = self.scores.filter((pl.col("view") == view) & (pl.col("sample") >= 0))["sample"]
        return sorted(held.unique().to_list())

    def sides(self, view: str, sample: int) -> Floats:
        """Rewards [items, 2] of chosen and rejected for one critique seed (-1: the plain reward)."""
        held = self.scores.filter((pl.col("view") == view) & (pl.col("sample") == sample))
        joined = self._aligned(held.select("item_id", "chosen_reward", "rejected_reward"))
        return joined.select("chosen_reward", "rejected_reward").fill_null(np.nan).to_numpy().astype(np.float64)

    def margin(self, view: str = "image", sample: int = PLAIN) -> Floats:
        """Reward of chosen minus rejected for one critique seed (-1: the plain reward)."""
        rewards = self.sides(view, sample)
        return np.asarray(rewards[:, 0] - rewards[:, 1])

    def margins(self, readout: Readout, view: str = "image") -> Floats:
        """The margin a user gets: plain, or the mean over all critique seeds of an item."""
        if readout == "plain":
            return self.margin(view)
        held = self.scores.filter((pl.col("view") == view) & (pl.col("sample") >= 0))
        means = held.group_by("item_id").agg(
            (pl.col("chosen_reward") - pl.col("rejected_reward")).mean().alias("margin")
        )
        return self._aligned(means)["margin"].fill_null(np.nan).to_numpy().astype(np.float64)

    def verdict_margin(self, view: str = "image") -> Floats:
        """Net votes for the chosen minus for the rejected response over its critiques that parsed.

        A side's net vote is (#right - #wrong) / #parsed, 0 when none parsed; NaN when the item has no
        critiques.
        """
        held = self.scores.filter((pl.col("view") == view) & (pl.col("sample") >= 0))

        def vote(column: str) -> pl.Expr:
            said = pl.col(column)
            return ((said == "right").sum().cast(pl.Int64) - (said == "wrong").sum().cast(pl.Int64)) / (
                said.is_not_null().sum().clip(lower_bound=1)
            )

        votes = held.group_by("item_id").agg((vote("chosen_verdict") - vote("rejected_verdict")).alias("margin"))
        return self._aligned(votes)["margin"].fill_null(np.nan).to_numpy().astype(np.float64)

    def _aligned(self, values: pl.DataFrame) -> pl.DataFrame:
        if values["item_id"].is_duplicated().any():
            raise ValueError("two scores for one item, view and sample")
        return self.exam.select("item_id").join(values, on="item_id", how="left", maintain_order="left")


def frame_of(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a polars frame."""
    return pl.DataFrame(pl.from_arrow(table))
