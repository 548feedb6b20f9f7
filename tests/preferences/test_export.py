"""What the export writes: the columns other trainers expect, paths that work, and errors of one sentence."""

import json
import shutil

import pyarrow.parquet as pq
import pydantic
import pytest
from made_up_round import BLUE, QUESTION, RED, make_round
from PIL import Image

from vlrm.errors import UserError
from vlrm.preferences import ms_swift, trl
from vlrm.preferences.export import Export, Exported
from vlrm.preferences.reading import preferences
from vlrm.schema import PAIRS


@pytest.fixture
def made(tmp_path):
    images = tmp_path / "images"
    return [make_round(tmp_path / f"{number:02d}", images, number) for number in (1, 2)], images


def export(made, folder, **settings):
    folder.mkdir()
    Exported(*made, Export(**settings)).save(folder)
    return folder


def lines(folder):
    return [json.loads(line) for line in (folder / "ms_swift.jsonl").read_text("utf-8").splitlines()]


def test_trl_gets_images_and_three_conversations(made, tmp_path):
    table = pq.read_table(export(made, tmp_path / "out") / "trl.parquet")
    assert table.column_names == ["images", "prompt", "chosen", "rejected"]
    row = table.to_pylist()[0]
    assert row["prompt"] == [{"role": "user", "content": QUESTION}]
    assert row["chosen"] == [{"role": "assistant", "content": RED}]
    assert row["rejected"] == [{"role": "assistant", "content": BLUE}]
    assert Image.open(row["images"][0]["path"]).getpixel((0, 0)) == (255, 0, 0)


def test_the_trl_file_says_that_its_images_are_images(made, tmp_path):
    schema = pq.read_schema(export(made, tmp_path / "out") / "trl.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["images"] == {"feature": {"_type": "Image"}, "_type": "List"}
    assert list(features) == schema.names


def test_ms_swift_gets_the_chosen_answer_in_messages_and_the_rejected_beside(made, tmp_path):
    row = lines(export(made, tmp_path / "out"))[0]
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert row["messages"][0]["content"] == f"<image>{QUESTION}" and row["messages"][1]["content"] == RED
    assert row["rejected_response"] == BLUE and row["margin"] == 0.25
    assert len(row["images"]) == row["messages"][0]["content"].count("<image>") == 1


def test_a_tag_in_a_question_places_no_second_image(made):
    pair = next(iter(preferences(made[0], str)))[0]
    asked = type(pair)(**{**vars(pair), "question": "What does <image> mean, and <video>?"})
    content = ms_swift.row(asked)["messages"][0]["content"]
    assert content == "<image>What does < image> mean, and < video>?"
    assert trl.row(asked)["prompt"][0]["content"] == asked.question


def test_plain_parquet_has_every_column_of_the_pair_and_the_evidence_of_both_sides(made, tmp_path):
    table = pq.read_table(export(made, tmp_path / "out") / "pairs.parquet")
    assert set(PAIRS.names) - {"refused"} < set(table.column_names)
    row = table.to_pylist()[0]
    assert (row["round"], row["weight"], row["chosen"]) == (1, 1.5, RED)
    assert row["chosen_groundedness"] > row["rejected_groundedness"]
    detected = row["rejected_claims"][0]["evidence"][0]
    assert (detected["expert"], detected["label"], detected["score"]) == ("detector", "star", 0.9)
    assert detected["box"] == [0.1, 0.1, 0.5, 0.5]
    assert row["chosen_critiques"][0]["verdict"] == "right" and row["rejected_critiques"] == []


def test_with_copied_images_the_folder_can_be_moved(made, tmp_path):
    folder = export(made, tmp_path / "out", copy_images=True)
    shutil.rmtree(made[1])
    moved = folder.rename(tmp_path / "moved")
    for row in lines(moved):
        (path,) = row["images"]
        assert path.startswith("images/") and Image.open(moved / path).size == (8, 8)
    assert len(list((moved / "images").rglob("*.png"))) == 2


def test_the_rows_of_all_files_stand_in_the_same_order(made, tmp_path):
    folder = export(made, tmp_path / "out")
    plain, theirs = (pq.read_table(folder / name).to_pylist() for name in ("pairs.parquet", "trl.parquet"))
    answers = [row["chosen"] for row in plain]
    assert answers == [row["chosen"][0]["content"] for row in theirs]
    assert answers == [row["messages"][1]["content"] for row in lines(folder)]


def test_only_what_was_asked_for_is_written_and_counted(made, tmp_path):
    folder = export(made, tmp_path / "out", formats=["ms_swift"], rounds=[2], min_weight=1)
    assert sorted(path.name for path in folder.iterdir()) == ["export.json", "ms_swift.jsonl"]
    told = json.loads((folder / "export.json").read_text())
    assert (told["pairs"], told["by_round"], told["files"]) == (1, {"2": 1}, ["ms_swift.jsonl"])


def test_an_unknown_format_is_told_with_those_there_are():
    with pytest.raises(pydantic.ValidationError, match="no format 'csv'; there are trl, ms_swift, plain"):
        Export(formats=["csv"])


def test_a_round_that_is_not_finished_or_a_weight_nobody_has_is_refused(made, tmp_path):
    with pytest.raises(UserError, match=r"round 7, which is not finished: there are 1, 2\."):
        export(made, tmp_path / "a", rounds=[1, 7])
    with pytest.raises(UserError, match=r"min_weight=9\.0: lower it"):
        export(made, tmp_path / "b", min_weight=9)


def test_one_format_needs_no_list():
    assert Export(formats="trl").formats == ("trl",)
