"""What a judge said of every item, read in parts into arrays of a few bytes an item."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.evaluation.judges.protocol import TIE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pyarrow as pa

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.judges.protocol import View

Judged = pl.DataFrame | Path
"""Rows of :data:`vlrm.evaluation.judges.protocol.JUDGED`: in memory, a Parquet file, or a folder of them."""
Hashes = npt.NDArray[np.uint64]
VIEWS: tuple[View, ...] = ("image", "blank", "swapped")
FIRST, SECOND, TIED, UNREAD, PROBLEM = range(5)
"""What one vote can be: for the item's first answer, for its second, for neither; unreadable; never given."""
_VOTE = np.dtype(
    [("key", "u8"), ("view", "i1"), ("order", "i1"), ("kind", "i1"), ("vote", "i2"), ("rewards", "f8", (2,))]
)
_COLUMNS = ["key", "view", "order", "vote", "preferred", "reward_0", "reward_1", "problem"]
BATCH = 16_384


def hash_of(content: str | bytes) -> int:
    """64 bits that stand for a key, an image or a group."""
    raw = content.encode() if isinstance(content, str) else content
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Verdicts:
    """Votes and rewards of each judged item, by the hash of its key.

    Attributes:
        keys: [items], ascending.
        votes: [views, orders, kinds, items]: how many votes were of each kind.
        rewards: [views, 2, items]: mean reward of each answer, NaN where the judge gave none.
    """

    keys: Hashes
    votes: npt.NDArray[np.int16]
    rewards: Floats

    @property
    def scalar(self) -> bool:
        """Whether the judge gives rewards."""
        return bool(np.isfinite(self.rewards).any())

    def lean(self, view: View = "image", order: int | None = None) -> Floats:
        """How far the judge leans to the first answer of each item: the difference of the mean rewards, or the
        balance of votes in [-1, 1]; 0 for a tie, NaN where nothing could be read. ``order``: votes of this order only.
        """
        number = VIEWS.index(view)
        votes = self.votes[number].sum(axis=0) if order is None else self.votes[number, order]
        read = votes[FIRST] + votes[SECOND] + votes[TIED]
        balance = (votes[FIRST] - votes[SECOND]) / np.maximum(read, 1)
        lean = np.where(read > 0, balance, np.nan)
        if order is not None:
            return lean
        difference = self.rewards[number, 0] - self.rewards[number, 1]
        return np.where(np.isfinite(difference), difference, lean)

    def asked(self, view: View = "image") -> npt.NDArray[np.bool_]:
        """Items that were judged, were it unreadably; an item whose every vote met a problem was not."""
        return np.asarray(self.votes[VIEWS.index(view), :, :PROBLEM].any(axis=(0, 1)))

    def places(self, keys: Hashes) -> npt.NDArray[np.int64]:
        """Where each of ``keys`` stands in ``self.keys``; -1 for one that was never judged."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)


def read_verdicts(judged: Judged) -> Verdicts:
    """All of ``judged``.

    Raises:
        UserError: there is no row, two rows say the same vote, or a view, order, preference or reward is none.
    """
    rows = np.concatenate([_votes(batch) for batch in batches(judged, _COLUMNS)] or [np.empty(0, _VOTE)])
    if not len(rows):
        raise UserError(f"{_place(judged)} hold no judgement: run the benchmark again, it starts where it stopped.")
    _no_vote_twice(rows, judged)
    keys, code = np.unique(rows["key"], return_inverse=True)
    size = len(keys)
    votes = np.zeros((len(VIEWS), 2, 5, size), dtype=np.int16)
    rewards = np.full((len(VIEWS), 2, size), np.nan)
    for view in range(len(VIEWS)):
        seen = rows["view"] == view
        if not seen.any():
            continue
        here, at = rows[seen], code[seen]
        cell = (here["order"].astype(np.int64) * 5 + here["kind"]) * size + at
        votes[view] = np.bincount(cell, minlength=10 * size).reshape(2, 5, size)
        for side in range(2):
            given = np.isfinite(here["rewards"][:, side])
            totals = np.bincount(at[given], weights=here["rewards"][given, side], minlength=size)
            counts = np.bincount(at[given], minlength=size)
            rewards[view, side, counts > 0] = totals[counts > 0] / counts[counts > 0]
    return Verdicts(keys, votes, rewards)


def batches(judged: Judged, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows part by part, so that no more than a part is in memory."""
    if isinstance(judged, pl.DataFrame):
        for part in judged.select(columns).iter_slices(BATCH):
            yield from part.to_arrow().to_batches()
        return
    for file in [judged] if judged.is_file() else sorted(judged.glob("[!._]*.parquet")):
        with pq.ParquetFile(file) as parts:
            yield from parts.iter_batches(BATCH, columns=list(columns))


def said_about(judged: Judged, keys: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """(view, text) of every vote with a text, of the items with these keys."""
    found: dict[str, list[tuple[str, str]]] = {}
    for batch in batches(judged, ["key", "view", "text"]):
        here = pl.DataFrame(batch).filter(pl.col("key").is_in(list(keys)) & pl.col("text").is_not_null())
        for key, view, text in here.iter_rows():
            found.setdefault(key, []).append((view, text))
    return found


def _place(judged: Judged) -> str:
    return "These results" if isinstance(judged, pl.DataFrame) else f"The results at {judged}"


def _votes(batch: pa.RecordBatch) -> np.ndarray:
    frame = pl.DataFrame(batch)
    strange = frame.filter(
        ~pl.col("view").is_in(VIEWS) | ~pl.col("order").is_in([0, 1])
        | ~pl.col("preferred").is_in([0, 1, TIE]).fill_null(True)
        | ~(pl.col("reward_0").is_finite() & pl.col("reward_1").is_finite()).fill_null(True)
    )  # fmt: skip
    if len(strange):
        row = strange.row(0, named=True)
        told = ", ".join(f"{name} {row[name]}" for name in ("view", "order", "preferred", "reward_0", "reward_1"))
        raise UserError(
            f"The judgement of item {row['key']!r} is none ({told}): delete the results of this judge and run again; "
            "where a reward is no finite number the reward model diverged in training."
        )
    rows = np.empty(len(frame), _VOTE)
    rows["key"] = [hash_of(key) for key in frame["key"]]
    rows["view"] = frame["view"].replace_strict(VIEWS, range(len(VIEWS))).to_numpy()
    rows["order"], rows["vote"] = frame["order"].to_numpy(), frame["vote"].to_numpy()
    kinds = pl.when(pl.col("problem").is_not_null()).then(PROBLEM).when(pl.col("preferred").is_null()).then(UNREAD)
    said = kinds.when(pl.col("preferred") == TIE).then(TIED).otherwise(pl.col("preferred").cast(pl.Int32))
    rows["kind"] = frame.select(said).to_series().to_numpy()
    rows["rewards"] = frame.select("reward_0", "reward_1").fill_null(np.nan).to_numpy()
    return rows


def _no_vote_twice(rows: np.ndarray, judged: Judged) -> None:
    where = np.stack([rows["view"], rows["order"], rows["vote"].view(np.int16)]).astype(np.uint64)
    mixed = rows["key"] * np.uint64(0x9E3779B97F4A7C15) + (where[0] << 32 | where[1] << 24 | where[2] & 0xFFFF)
    if len(np.unique(mixed)) < len(mixed):
        raise UserError(f"{_place(judged)} hold the same vote twice: delete them and run the benchmark again.")
