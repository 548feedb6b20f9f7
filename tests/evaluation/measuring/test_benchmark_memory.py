"""Figures are computed in memory that hardly grows with the items: no text of theirs is kept."""

import tracemalloc

import numpy as np
import polars as pl
from made_up_judgements import SCHEMA

from vlrm.evaluation.benchmarks.item import Item
from vlrm.evaluation.measuring.figures import figures_of

TEXT = 2000


def items(count):
    for number in range(count):
        answers = (f"{number} " + "a" * TEXT, "b" * TEXT + f" {number}")
        yield Item(f"{number:016x}", str(number), "pair", f"{number}?", f"{number}.png", answers, 0, "abc"[number % 3])


def judge(folder, count):
    """Two views in parts, with a text in every row."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for first in range(0, count, 1000):
        keys = [f"{number:016x}" for number in range(first, first + 1000)]
        for view in ("image", "blank"):
            columns = {
                "key": keys, "view": view, "order": 0, "vote": 0, "preferred": 0, "reward_0": rng.normal(1, 1, 1000),
                "reward_1": 0.0, "text": [key * (TEXT // 16) for key in keys], "problem": None,
            }  # fmt: skip
            pl.DataFrame(columns, schema=SCHEMA).write_parquet(folder / f"{view}_{first:06}.parquet")
    return folder


def peak(folder, count):
    tracemalloc.start()
    try:
        result = figures_of(items(count), judge(folder, count), "made_up", model="a judge", draws=20)
        assert (result.judged, len(result.mistakes)) == (count, 10)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_each_item_takes_a_few_hundred_bytes_whatever_its_texts(tmp_path):
    peak(tmp_path / "warm", 1000)  # what is imported and compiled once
    small, large = peak(tmp_path / "small", 1000), peak(tmp_path / "large", 9000)
    assert (large - small) / 8000 < 600 < TEXT
