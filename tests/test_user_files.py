"""Images and prompts as users bring them: good rows go on, bad ones are set aside with one sentence."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hostile_files import BLUE, hostile, picture
from vlrm import user_files
from vlrm.errors import UserError
from vlrm.images import StoreError
from vlrm.lineage import hashing
from vlrm.lineage.hashing import hash_path
from vlrm.schema import PROMPTS, QUARANTINE
from vlrm.user_files import Row, describe_folder, ingest, read_prompts


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture().save(folder / "good.png")
    return folder


def write_prompts(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.parquet"])
def test_good_rows_go_on_and_bad_rows_are_set_aside(tmp_path, folder, name):
    for kind in ("truncated", "bomb", "text"):
        hostile(kind, folder)
    picture().save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    asked = [
        "good.png",
        "truncated.png",
        "bomb.png",
        "text.jpg",
        "gone.png",
        "../secret.png",
        "link.png",
        None,
        "good.png",
    ]
    rows = [{"image": image, "question": "How many?"} for image in asked]
    rows += [{"image": "good.png", "question": " "}, {"image": "good.png", "question": "Why? " * 1000}]
    table = write_prompts(tmp_path / name, rows)
    good, quarantine = ingest(read_prompts(table), folder, tmp_path / "store", source=name)
    assert good.schema == PROMPTS and quarantine.schema == QUARANTINE
    assert good.num_rows == 1 and good["question"].to_pylist() == ["How many?"]
    assert (tmp_path / "store" / good["image"][0].as_py()).exists()
    reasons = dict(zip(quarantine["row"].to_pylist(), quarantine["reason"].to_pylist(), strict=True))
    assert sorted(reasons) == list(range(2, 12))
    says_by_row = {2: "truncated", 3: "64 mega", 4: "not an image", 5: "does not exist", 6: "leaves", 7: "leaves",
                   8: "column image", 9: "earlier row 1", 10: "column question", 11: "more than 2000"}  # fmt: skip
    for row, says in says_by_row.items():
        assert says in reasons[row] and "\n" not in reasons[row]
    assert set(quarantine["source"].to_pylist()) == {name}


def test_ids_of_the_user_are_kept_and_a_second_one_is_set_aside(tmp_path, folder):
    rows = [
        {"image": "good.png", "question": question, "id": i} for i, question in ((7, "Why?"), (8, "Who?"), (7, "?"))
    ]
    good, bad = ingest(read_prompts(write_prompts(tmp_path / "p.jsonl", rows)), folder, tmp_path / "store")
    assert good["prompt_id"].to_pylist() == ["7", "8"]
    assert bad["row"].to_pylist() == [3] and "id '7' stands in row 1 already" in bad["reason"][0].as_py()


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.parquet"])
def test_a_missing_column_names_file_and_column(tmp_path, name):
    table = write_prompts(tmp_path / name, [{"image": "a.png", "text": "?"}])
    with pytest.raises(UserError, match=rf"{name}.*lacks the column question \(it has image, text\)"):
        read_prompts(table)


def test_a_line_that_cannot_be_read_is_set_aside(tmp_path, folder):
    lines = ['{"image": "good.png", "question": "Why?"}', '{"image": "good.png"', "[1]", '{"image": "good.png"}', ""]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    good, bad = ingest(read_prompts(tmp_path / "p.jsonl"), folder, tmp_path / "store")
    assert good.num_rows == 1 and bad["row"].to_pylist() == [2, 3, 4]
    for reason, says in zip(
        bad["reason"].to_pylist(), ("not JSON", "no JSON object", "lacks the column question"), strict=True
    ):
        assert says in reason


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", b'{"image": "a.png"', "no row that can be used; row 1: .* is not JSON"),
        ("p.jsonl", b"[1, 2]\n", "no JSON object"),
        ("p.jsonl", b"\xff\xfe\x00", "not UTF-8"),
        ("p.jsonl", b"\n\n", "has no rows"),
        ("p.parquet", b"PAR1 nonsense", "no readable Parquet"),
        ("gone.jsonl", None, "does not exist"),
    ],
)
def test_unreadable_prompts_are_refused_as_a_whole(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_prompts(tmp_path / name)


def test_a_folder_without_prompts_is_described(tmp_path, folder):
    hostile("text", folder)
    good, quarantine = ingest(describe_folder(folder), folder, tmp_path / "store")
    assert good["question"].to_pylist() == [user_files.DESCRIBE] and good["kind"].to_pylist() == ["description"]
    assert quarantine["item"].to_pylist() == ["text.jpg"]
    with pytest.raises(UserError, match="None of the 1 rows"):
        ingest([Row(1, "text.jpg", "?")], folder, tmp_path / "store")
    with pytest.raises(UserError, match="does not exist"):
        describe_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is not a folder"):
        describe_folder(folder / "text.jpg")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        describe_folder(tmp_path / "bare")


def test_one_image_named_by_many_rows_is_read_once(tmp_path, folder, monkeypatch):
    read = []
    monkeypatch.setattr(user_files, "store", lambda path, root: read.append(path) or "ab" * 32)
    monkeypatch.setattr(user_files, "relative_path", lambda sha, root: f"{sha}.png")
    ingest([Row(n, "good.png", f"Question {n}?") for n in range(5)], folder, tmp_path / "store")
    assert [path.name for path in read] == ["good.png"]


def test_a_store_that_cannot_be_written_is_no_fault_of_the_row(tmp_path, folder):
    picture(colour=BLUE).save(folder / "second.png")
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        ingest(describe_folder(folder), folder, tmp_path / "store")


def test_an_image_inside_the_table_or_half_a_character_is_a_fault_of_its_row(tmp_path, folder):
    path = tmp_path / "prompts.jsonl"
    rows = [
        {"image": "good.png", "question": "What?"},
        {"image": "data:image/png;base64," + "iVBOR" * 2000, "question": "What?"},
        {"image": "good.png", "question": "What is it? \ud83d"},
        {"image": "good.png", "question": "What is it? \U0001f600"},
    ]
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + '{"image": "good.png", "n": ' + "9" * 5000 + "}\n"
    )
    good, bad = ingest(read_prompts(path), folder, tmp_path / "store")
    assert good["question"].to_pylist() == ["What?", "What is it? \U0001f600"]
    assert bad["row"].to_pylist() == [2, 3, 5]
    long, half, digits = bad["reason"].to_pylist()
    assert "File name too long" in long and len(long) < 300
    assert "half of a character" in half and "not JSON" in digits


def test_names_that_are_not_utf_8_are_hashed_and_set_aside_by_name(tmp_path, folder):
    os.rename(folder / "good.png", os.fsencode(folder) + b"/caf\xe9.png")
    before = hash_path(folder)
    (folder / "note.png").write_text("no image")
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xe9.png")).write_text("no image")
    assert before and hash_path(folder) != before
    good, bad = ingest(describe_folder(folder), folder, tmp_path / "store")
    assert good.num_rows == 1
    assert bad["item"].to_pylist() == ["b?.png", "note.png"]


def test_a_file_that_may_not_be_read_is_one_of_the_folder(folder, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(hashing, "hash_file", refused)
    assert hash_path(folder)
    with pytest.raises(PermissionError):
        hash_path(folder / "good.png")
