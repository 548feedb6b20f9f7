"""Critiques read back from a judgement's text, and their majority as judgements of their own."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlrm.evaluation.judges.critics import line, majority, write_majority
from vlrm.evaluation.judges.protocol import JUDGED, TIE


@pytest.mark.parametrize(
    ("first", "second", "preferred"),
    [
        (["right", "right"], ["wrong", "right"], 0),
        (["wrong"], ["right", "right", "wrong"], 1),
        (["right"], ["right"], TIE),
        ([None], ["wrong"], 0),  # no verdict could be read of the first
        ([None], [None], None),
    ],
)
def test_the_majority_is_of_what_could_be_read(first, second, preferred):
    lines = [line(0, one, "See: a\nstar.") for one in first] + [
        line(1, one, "Answer 1, called right: x") for one in second
    ]
    assert majority("\n".join(lines)) == preferred


def row(key, text, view="image", vote=0):
    return {"key": key, "view": view, "order": 0, "vote": vote, "preferred": 0, "reward_0": 1.0, "reward_1": 0.0,
            "text": text, "problem": None}  # fmt: skip


def test_the_majority_is_written_as_judgements_where_there_are_critiques(tmp_path):
    good = "\n".join([line(0, "wrong", "See."), line(1, "right", "See.")])
    pq.write_table(
        pa.Table.from_pylist([row("a", good), row("a", good, "blank"), row("b", None)], JUDGED), tmp_path / "j"
    )
    written = pq.read_table(write_majority(tmp_path / "j", tmp_path / "out")).to_pylist()
    assert [(one["key"], one["view"], one["preferred"]) for one in written] == [("a", "image", 1), ("a", "blank", 1)]
    pq.write_table(pa.Table.from_pylist([row("b", None)], JUDGED), tmp_path / "none")
    assert write_majority(tmp_path / "none", tmp_path / "nothing") is None
    assert not (tmp_path / "nothing").exists()
