"""Items and judgements that tests make up."""

from __future__ import annotations

import polars as pl

from vlrm.evaluation.benchmarks.item import YES_NO, Item
from vlrm.evaluation.judges.protocol import JUDGED

SCHEMA = pl.Schema(
    {"key": pl.String, "view": pl.String, "order": pl.Int8, "vote": pl.Int16, "preferred": pl.Int8,
     "reward_0": pl.Float64, "reward_1": pl.Float64, "text": pl.String, "problem": pl.String}
)  # fmt: skip
assert list(SCHEMA) == JUDGED.names


def pair(number, better=0, *, category="one", image=None, group=None, responses=("good answer", "bad"), **details):
    key = f"k{number}"
    return Item(key, key, "pair", f"question {number}?", image, responses, better, category, group, details)


def yes_no(number, right="yes", *, category="one", image=None, group=None, **details):
    key, better = f"k{number}", 0 if right == "yes" else 1
    return Item(key, key, "yes_no", f"is {number}?", image, YES_NO, better, category, group, details)


def row(key, preferred=None, *, view="image", order=0, vote=0, rewards=(None, None), text=None, problem=None):
    return dict(zip(SCHEMA, (key, view, order, vote, preferred, *rewards, text, problem), strict=True))


def judged(rows):
    return pl.DataFrame(rows, schema=SCHEMA)


def scored(items, margins, view="image"):
    """Rows of a reward model whose margins towards the better answer are these."""
    rows = []
    for item, margin in zip(items, margins, strict=True):
        rewards = (margin, 0.0) if item.better == 0 else (0.0, margin)
        preferred = -1 if margin == 0 else item.better if margin > 0 else 1 - item.better
        rows.append(row(item.key, preferred, view=view, rewards=rewards))
    return judged(rows)
