"""The critiques that a reward model read, as a judge of their own: the majority of their verdicts.

A reward model's judgement keeps them as text, a line each. Where that majority prefers the worse answer, the critique
is wrong, and how often the whole is right there says whether it listens to the image or to its critic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.evaluation.judges.protocol import JUDGED, TIE
from vlrm.lineage.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

NAME = "critiques"
"""Of the majority among the judges beside a reward model."""
_LINE = re.compile(r"^Answer (?P<side>[12]), called (?P<verdict>right|wrong): ", re.MULTILINE)


def line(side: int, verdict: str | None, critique: str) -> str:
    """One critique of the answer ``side`` (0 or 1) as it stands in a judgement's text."""
    return f"Answer {side + 1}, called {verdict or 'neither'}: {' '.join(critique.split())}"


def majority(text: str) -> int | None:
    """The answer that more of the verdicts speak for, net of those against it; None where none could be read.

    An answer's vote is (right - wrong) / read, 0 where none was read.
    """
    votes: dict[int, list[int]] = {0: [], 1: []}
    for found in _LINE.finditer(text):
        votes[int(found["side"]) - 1].append(1 if found["verdict"] == "right" else -1)
    if not any(votes.values()):
        return None
    first, second = (sum(votes[side]) / max(1, len(votes[side])) for side in (0, 1))
    return TIE if first == second else int(second > first)


def write_majority(judged: Path, out: Path) -> Path | None:
    """The majority's judgements as a file of JUDGED; None where the reward model read no critiques."""
    rows = pl.scan_parquet(judged).filter(pl.col("text").is_not_null() & (pl.col("vote") == 0))
    found = rows.select("key", "view", "text").collect()
    said = [majority(text) for text in found["text"]]
    if all(one is None for one in said):
        return None
    empty = {name: None for name in ("reward_0", "reward_1", "text", "problem")}
    table = pa.Table.from_pylist(
        [
            {"key": key, "view": view, "order": 0, "vote": 0, "preferred": one, **empty}
            for key, view, one in zip(found["key"], found["view"], said, strict=True)
        ],
        JUDGED,
    )
    with replacing(out) as new:
        pq.write_table(table, new, compression="zstd", version="2.6")
    return out
