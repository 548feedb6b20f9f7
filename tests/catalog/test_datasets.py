"""Our datasets: whole or not at all, schema kept, equal bytes, previews Kedro-Viz can show."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from vlrm.catalog import Folder, JsonDocument, ParquetTable, TextFile
from vlrm.catalog.parquet_table import _ROW_GROUP
from vlrm.schema import CLAIMS, WATERFALL

ROWS = {
    "source": ["candidates", "counterfactual"],
    "test": ["length", "margin"],
    "refused": [3, 0],
    "left": [7, 9],
}


def waterfall(path: Path) -> ParquetTable:
    return ParquetTable(str(path), schema="vlrm.schema:WATERFALL")


def test_a_table_comes_back_in_its_schema(tmp_path):
    table = waterfall(tmp_path / "deep/w.parquet")
    reordered = pa.table(
        {name: ROWS[name] for name in ("left", "test", "source")} | {"refused": pa.array([3, 0], pa.int8())}
    )
    table.save(reordered)
    assert table.load().schema == WATERFALL
    assert table.load().to_pydict() == ROWS
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["w.parquet"]


def test_equal_tables_give_equal_bytes(tmp_path):
    for name in "ab":
        waterfall(tmp_path / name).save(pa.table(ROWS))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_stream_of_tables_is_written_in_row_groups(tmp_path):
    part = pa.table({"source": ["x"] * 40_000, "test": ["t"] * 40_000, "refused": [0] * 40_000, "left": [1] * 40_000})
    waterfall(tmp_path / "w").save(part for _ in range(2))
    file = pq.ParquetFile(tmp_path / "w")
    assert file.metadata.num_rows == 80_000
    assert max(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)) <= _ROW_GROUP
    waterfall(tmp_path / "w").save(iter(()))
    assert waterfall(tmp_path / "w").load().num_rows == 0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({k: v for k, v in ROWS.items() if k != "left"}, "lacks left"),
        (ROWS | {"extra": [1, 2]}, "has the unknown extra"),
        (ROWS | {"left": ["many", "few"]}, "Failed to parse string"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_the_old_one_stays(tmp_path, rows, told):
    table = waterfall(tmp_path / "w")
    table.save(pa.table(ROWS))
    with pytest.raises(DatasetError, match=told):
        table.save(pa.table(rows))
    assert table.load().to_pydict() == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_the_preview_has_no_lists(tmp_path):
    table = ParquetTable(str(tmp_path / "c"), schema="vlrm.schema:CLAIMS")
    row = {name: None for name in CLAIMS.names} | {"evidence_ids": ["e1", "e2"]}
    table.save(pa.Table.from_pylist([row] * 3, schema=CLAIMS))
    shown = table.preview(nrows=2)
    assert len(shown["data"]) == 2
    assert shown["data"][0][shown["columns"].index("evidence_ids")] == '["e1", "e2"]'


def test_a_failed_stream_leaves_the_old_table(tmp_path):
    table = waterfall(tmp_path / "w")
    table.save(pa.table(ROWS))

    def broken():
        yield pa.table(ROWS)
        raise RuntimeError("the endpoint is dead")

    with pytest.raises(DatasetError, match="endpoint"):
        table.save(broken())
    assert table.load().num_rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_a_document_is_sorted_and_comes_back(tmp_path):
    document = JsonDocument(str(tmp_path / "m.json"))
    document.save({"b": 1, "a": {"z": None, "y": [1.5]}})
    assert document.load() == {"a": {"y": [1.5], "z": None}, "b": 1}
    assert (tmp_path / "m.json").read_text().index('"a"') < (tmp_path / "m.json").read_text().index('"b"')
    assert json.loads(document.preview()) == document.load()


def test_a_broken_document_is_named(tmp_path):
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(DatasetError, match=r"m\.json is not valid JSON"):
        JsonDocument(str(tmp_path / "m.json")).load()


class Weights:
    def __init__(self, parts: dict[str, str], fail: bool = False):
        self.parts, self.fail = parts, fail

    def save(self, path: Path) -> None:
        for name, text in self.parts.items():
            (path / name).write_text(text)
        if self.fail:
            raise RuntimeError("no space")


def test_a_folder_is_replaced_whole(tmp_path):
    folder = Folder(str(tmp_path / "model"))
    folder.save(Weights({"a": "1", "b": "2"}))
    folder.save(Weights({"a": "3"}))
    assert {p.name: p.read_text() for p in folder.load().iterdir()} == {"a": "3"}
    with pytest.raises(DatasetError, match="no space"):
        folder.save(Weights({"a": "4"}, fail=True))
    assert (folder.load() / "a").read_text() == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_saved_hears_when_it_is_in_place(tmp_path):
    place = tmp_path / "model"

    class Told(Weights):
        def settled(self) -> None:
            self.parts["heard"] = (place / "a").read_text()

    weights = Told({"a": "1"})
    Folder(str(place)).save(weights)
    assert weights.parts["heard"] == "1"
    failing = Told({"a": "2"}, fail=True)
    with pytest.raises(DatasetError, match="no space"):
        Folder(str(place)).save(failing)
    assert "heard" not in failing.parts


def test_a_folder_takes_over_another(tmp_path):
    Folder(str(tmp_path / "one")).save(Weights({"a": "1"}))
    Folder(str(tmp_path / "two")).save(tmp_path / "one")
    assert (tmp_path / "two/a").read_text() == "1"


def test_text_keeps_its_line_ends(tmp_path):
    text = TextFile(str(tmp_path / "r.html"))
    text.save("<p>é\r\n</p>\n")
    assert text.load() == "<p>é\r\n</p>\n"


@pytest.mark.parametrize("dataset", [ParquetTable, JsonDocument, Folder, TextFile])
def test_what_is_not_there_says_what_to_run(tmp_path, dataset):
    with pytest.raises(DatasetError, match=r"nothing does not exist yet: run the stage"):
        dataset(str(tmp_path / "nothing")).load()
