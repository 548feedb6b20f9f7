"""A run's own exam as a benchmark: the report split, better answers on either side, quads as groups."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.examine import bench_of
from vlrm.schema import EXAM


def row(number, **changed):
    return {
        "item_id": f"report-{number:05d}", "split": "report", "part": "iid", "source": "organic", "kind": "attribute",
        "image": f"{number}.png", "image_sha256": str(number), "question": "What is there?", "chosen": "A red star.",
        "rejected": "A blue star.", "quad_id": None, "group_id": None, "differing_kinds": [], "experts_right": True,
    } | changed  # fmt: skip


@pytest.fixture
def data(tmp_path):
    rows = [row(number) for number in range(40)]
    rows[0] |= {"quad_id": "q", "part": "prior_breaking"}
    rows[1] |= {"quad_id": "q"}
    rows[2] |= {"group_id": rows[2]["item_id"]}
    rows += [row(50, split="gate"), row(51, group_id=rows[2]["item_id"])]
    folder = tmp_path / "rounds" / "mine" / "00"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, EXAM), folder / "exam.parquet")
    (tmp_path / "01_raw" / "images").mkdir(parents=True)
    return tmp_path


def test_the_report_split_is_read_without_paraphrases_and_with_answers_on_either_side(data):
    bench = bench_of("embedded", None, None, data, 0, "mine")
    items = list(bench.items())
    assert bench.label == "embedded-mine", "the exams of two experiments are two benchmarks"
    assert len(items) == 40 and bench.images == str(data / "01_raw" / "images")
    for item in items:
        assert item.responses[item.better] == "A red star."
    assert 8 < sum(item.better for item in items) < 32
    assert [item.group for item in items[:3]] == ["q", "q", None]
    assert items[0].category == "prior_breaking" and items[0].details["kind"] == "attribute"
    assert [item.better for item in items] == [item.better for item in bench.items()]


def test_without_a_run_the_command_says_what_makes_one(data):
    with pytest.raises(UserError, match=r"experiment 'other' has no exam .*iterate first"):
        bench_of("embedded", None, None, data, 0, "other")
