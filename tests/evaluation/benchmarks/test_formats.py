"""Every format is read as its writers write it; a row that is wrong is named with its file, row and field."""

from __future__ import annotations

import json
from importlib import import_module
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks import suites
from vlrm.evaluation.benchmarks.building import item_key
from vlrm.evaluation.benchmarks.rlaif_v import kind_of
from vlrm.evaluation.benchmarks.suites import image_file, load, missing_images
from vlrm.preferences import ms_swift, trl
from vlrm.preferences.pair import Preference, Side


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path, *rows, schema=None):
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path)
    return path


OWN = {"image": "a.png", "question": "What is it?", "chosen": "A cat.", "rejected": "A dog."}


def test_own_rows_of_all_three_forms(tmp_path):
    path = write_lines(
        tmp_path / "own.jsonl",
        OWN | {"id": 7, "category": "animals", "group": "g"},
        {"question": "Which?", "responses": ["this", "that"], "better": 1},
        {"question": "Is there a cat?", "image": "a.png", "label": "No "},
    )
    pair, chosen, asked = load("own", path)
    assert (pair.id, pair.category, pair.group, pair.responses, pair.better) == (
        "7",
        "animals",
        "g",
        ("A cat.", "A dog."),
        0,
    )
    assert (chosen.id, chosen.image, chosen.better, chosen.category) == ("2", None, 1, "all")
    assert (asked.task, asked.responses, asked.better) == ("yes_no", ("Yes", "No"), 1)


def test_own_parquet_with_images_inside(tmp_path):
    path = write_parquet(tmp_path / "own.parquet", OWN | {"image": {"bytes": b"\x89PNG", "path": None}})
    assert [item.image for item in load("own", path)] == [b"\x89PNG"]
    assert missing_images(load("own", path), None) == ([], 0)


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"question": ""}, "question", "empty"),
        ({"question": 3}, "question", "3 (int)"),
        ({"chosen": None}, "chosen", "chosen and rejected, or responses and better, or label"),
        ({"rejected": ["x"]}, "rejected", "a text is needed"),
        ({"responses": ["one"]}, "responses", "list of two texts"),
        ({"responses": ["one", "two"], "better": 2}, "better", "0 or 1"),
        ({"responses": ["one", "two"], "better": True}, "better", "True (bool)"),
        ({"label": "maybe"}, "label", "'yes' or 'no'"),
        ({"image": ["a.png", "b.png"]}, "image", "2 images"),
        ({"image": 5}, "image", "path or bytes"),
        ({"id": [1]}, "id", "a name or a whole number"),
    ],
)
def test_a_wrong_row_is_named_with_file_row_and_field(tmp_path, row, field, said):
    path = write_lines(tmp_path / "mine.jsonl", OWN, OWN | row)
    items = load("own", path)
    next(items)
    with pytest.raises(UserError) as caught:
        next(items)
    assert f"mine.jsonl, row 2, field {field}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("escape", ["../secret.png", "/etc/passwd"])
def test_an_image_path_that_leaves_the_folder_is_refused(tmp_path, escape):
    (tmp_path / "images").mkdir()
    path = write_lines(tmp_path / "own.jsonl", OWN | {"image": escape})
    with pytest.raises(UserError, match=r"row 1, field image: .*leaves the images folder"):
        list(load("own", path, tmp_path / "images"))
    with pytest.raises(UserError, match="leaves the images folder"):
        image_file(escape, tmp_path / "images")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b"{\n", "row 1: the line is not JSON"),
        ("x.jsonl", b"[1]\n", "row 1: there is [1] (list) where an object"),
        ("x.json", b"[1]", "row 1: there is 1 (int) where an object"),
        ("x.json", b"[{", "is not JSON in UTF-8"),
        ("x.jsonl", "{}\n".encode("utf-16"), "is not UTF-8 text"),
        ("x.parquet", b"PAR1 no", "no readable Parquet file"),
        ("x.csv", b"a,b", "none of .json, .jsonl and .parquet"),
        ("x.jsonl", b"\n", "holds no item: it is empty"),
        ("x.json", b"[]", "holds no item: it is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(load("own", tmp_path / name))
    assert name in str(caught.value) and said in str(caught.value)


def test_a_place_where_nothing_is(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.json does not exist"):
        load("pope", tmp_path / "nowhere.json")
    with pytest.raises(UserError, match=r"holds no file of multimodal_rewardbench \(all_data.json\)"):
        load("multimodal_rewardbench", tmp_path)


def test_same_rows_again_keep_keys_apart(tmp_path):
    path = write_lines(tmp_path / "own.jsonl", *[OWN | {"id": "x"}] * 3)
    first, second, third = (item.key for item in load("own", path))
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_jsonl_and_parquet_are_streamed(tmp_path):
    lines = write_lines(tmp_path / "own.jsonl", OWN, {"broken": True})
    assert next(load("own", lines)).better == 0  # the broken second row has not been read yet
    write_parquet(tmp_path / "own.parquet", *[OWN | {"id": str(i)} for i in range(500)])
    assert [item.id for item in islice(load("own", tmp_path / "own.parquet"), 3)] == ["0", "1", "2"]


def test_a_folder_is_read_file_by_file(tmp_path):
    for split, noun in (("adversarial", "cat"), ("random", "dog"), ("popular", "cow")):
        row = {"question_id": 1, "image": "a.jpg", "text": f"Is there a {noun} in the image?", "label": "yes"}
        write_lines(tmp_path / f"coco_pope_{split}.json", row)
    items = list(load("pope", tmp_path))
    assert [item.category for item in items] == ["random", "popular", "adversarial"]
    assert len({item.key for item in items}) == 3


def test_pope_of_the_hub_is_one_table(tmp_path):
    row = {
        "question_id": "1",
        "question": "Is there a dog?",
        "answer": "no",
        "image": {"bytes": b"x"},
        "category": "popular",
    }
    (item,) = load("pope", write_parquet(tmp_path / "test-0.parquet", row))
    assert (item.category, item.better, item.image) == ("popular", 1, b"x")


def test_multimodal_rewardbench(tmp_path):
    row = {"Text": "Q?", "Image": "images/pairs/1.jpg", "Output1": "a", "Output2": "b", "Better": "Output2"}
    rows = [
        row | {"ID": "PAIRS_1", "Category": "safety"},
        row | {"ID": "hateful_1", "Category": "safety"},
        row | {"ID": "mathvista_1", "Category": "reasoning", "Better": "Output1"},
        row | {"ID": "image2struct_1", "Category": "reasoning"},
        row | {"ID": "x", "Category": "vqa"},
    ]
    (tmp_path / "all_data.json").write_text(json.dumps(rows))
    items = list(load("multimodal_rewardbench", tmp_path))
    assert [i.category for i in items] == [
        "safety/bias",
        "safety/toxicity",
        "reasoning/math",
        "reasoning/coding",
        "vqa",
    ]
    assert [i.better for i in items] == [1, 1, 0, 1, 1]
    (tmp_path / "all_data.json").write_text(json.dumps([rows[0] | {"Better": "Output3"}]))
    with pytest.raises(UserError, match=r"row 1, field Better: .*'output1' or 'output2'"):
        list(load("multimodal_rewardbench", tmp_path))


def test_vl_rewardbench_of_the_hub(tmp_path):
    row = {
        "id": "wildvision_1",
        "query": "Q?",
        "response": ["a", "b"],
        "human_ranking": [1, 0],
        "image": {"bytes": b"x"},
    }
    (item,) = load("vl_rewardbench", write_parquet(tmp_path / "test-0.parquet", row))
    assert (item.better, item.image, item.category) == (1, b"x", "general")
    bad = write_lines(tmp_path / "bad.jsonl", row | {"image": "a.png", "human_ranking": [1, 1]})
    with pytest.raises(UserError, match=r"row 1, field human_ranking: there is \[1, 1\]"):
        list(load("vl_rewardbench", bad))


def test_rlaif_v(tmp_path):
    row = {
        "idx": "9", "question": "Q?", "chosen": "a", "rejected": "b", "image": {"bytes": b"x", "path": "a.jpg"},
        "origin_split": '{"model": "m", "type": "detailed_description"}',
    }  # fmt: skip
    (item,) = load("rlaif_v", write_parquet(tmp_path / "RLAIF-V-Dataset_000.parquet", row))
    assert (item.id, item.category, item.better, item.image) == ("9", "detailed_description", 0, b"x")


def test_rlaif_v_kinds():
    assert kind_of("{'type': 'question answering'}") == "question_answering"
    assert kind_of({"type": "A"}) == "a"
    assert kind_of("{") == kind_of(None) == kind_of("[1]") == kind_of('{"type": 1}') == "other"


TASK = "<image>\nJudge.\nQuestion: [What [sic] is it?]\n{0}: [A cat.\nReally.]\n{1}: [A dog.]\nASSISTANT:\n"


@pytest.mark.parametrize(
    ("names", "verdict", "better"),
    [
        (("The first response", "The second response"), "Because. The better response: [second]", 1),
        (("Response 1", "Response 2"), "The better response: [1]", 0),
        (("Response A", "Response B"), "The better response: [B]", 1),
    ],
)
def test_llava_critic_pairs(tmp_path, names, verdict, better):
    row = {
        "id": "vlfeedback_1", "source": "vlfeedback", "image": {"bytes": b"x"},
        "conversations": [{"from": "human", "value": TASK.format(*names)}, {"from": "gpt", "value": verdict}],
    }  # fmt: skip
    (item,) = load("llava_critic", write_parquet(tmp_path / "train-0.parquet", row))
    assert (item.question, item.responses) == ("What [sic] is it?", ("A cat.\nReally.", "A dog."))
    assert (item.better, item.category) == (better, "vlfeedback")


def test_llava_critic_rows_that_compare_nothing_are_counted(tmp_path, caplog):
    def row(task, verdict):
        turns = [{"from": "human", "value": task}, {"from": "gpt", "value": verdict}]
        return {"id": "1", "source": "s", "image": "a.jpg", "conversations": turns}

    task = TASK.format("Response 1", "Response 2")
    rows = [
        row("Score it.", "80"),
        row(task, "They are equally good."),
        row(task, "Hm."),
        row(task, "The better response: [1]"),
    ]
    assert len(list(load("llava_critic", write_lines(tmp_path / "x.jsonl", *rows)))) == 1
    assert "it compares no two answers: 1" in caplog.text and "equally good: 1" in caplog.text
    assert "its verdict cannot be read: 1" in caplog.text
    with pytest.raises(UserError, match=r"holds no item \(it compares no two answers: 1\)"):
        list(load("llava_critic", write_lines(tmp_path / "y.jsonl", rows[0])))


def preference():
    columns = {"margin": 0.25}
    return Preference(1, "ab/cd.png", "cd", "Is it <image> red?", Side("Yes."), Side("No."), columns)


def test_what_we_export_for_ms_swift_is_read_back(tmp_path):
    path = write_lines(tmp_path / ms_swift.FILE, ms_swift.row(preference()))
    (item,) = load("ms_swift", path)
    assert (item.image, item.responses, item.better) == ("ab/cd.png", ("Yes.", "No."), 0)
    assert item.question == "Is it < image> red?"  # as the export wrote it


def test_what_we_export_for_trl_is_read_back(tmp_path):
    path = write_parquet(tmp_path / trl.FILE, trl.row(preference()), schema=trl.SCHEMA)
    (item,) = load("trl", path)
    assert (item.image, item.question, item.responses) == ("ab/cd.png", "Is it <image> red?", ("Yes.", "No."))


def test_trl_with_an_implicit_prompt_and_parts(tmp_path):
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Q?"}]}
    row = {
        "chosen": [asked, {"role": "assistant", "content": "a"}],
        "rejected": [asked, {"role": "assistant", "content": "b"}],
    }
    plain = {"prompt": "Q?", "chosen": "a", "rejected": "b"}
    for item in load("trl", write_lines(tmp_path / "x.jsonl", row, plain)):
        assert (item.question, item.responses, item.image) == ("Q?", ("a", "b"), None)
    with pytest.raises(UserError, match=r"row 1, field prompt: .*no common turn"):
        list(load("trl", write_lines(tmp_path / "y.jsonl", {"chosen": "a", "rejected": "b"})))


def test_ms_swift_conversations_and_rejected_messages(tmp_path):
    turns = [
        {"role": "user", "content": "<image>Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "Q2"},
    ]
    answer = {"role": "assistant", "content": "good"}
    row = {
        "messages": [*turns, answer],
        "rejected_messages": [*turns, answer | {"content": "bad"}],
        "images": ["a.png"],
    }
    (item,) = load("ms_swift", write_lines(tmp_path / "x.jsonl", row))
    assert item.question == "user: Q1\nassistant: A1\nuser: Q2" and item.responses == ("good", "bad")
    with pytest.raises(UserError, match=r"row 1, field messages: .*assistant's answer"):
        list(load("ms_swift", write_lines(tmp_path / "y.jsonl", {"messages": turns, "rejected_response": "x"})))
    with pytest.raises(UserError, match=r"row 1, field messages\[0\]: a role and a content"):
        list(load("ms_swift", write_lines(tmp_path / "z.jsonl", {"messages": [{"role": "user"}]})))


def test_amber_without_its_annotation(tmp_path):
    query = {"id": 1, "image": "AMBER_1.jpg", "query": "Describe this image."}
    (tmp_path / "query_all.json").write_text(json.dumps([query]))
    with pytest.raises(UserError, match=r"annotations.json is not beside"):
        list(load("amber", tmp_path))
    (tmp_path / "annotations.json").write_text(json.dumps([{"id": 2, "type": "generative", "truth": [], "hallu": []}]))
    with pytest.raises(UserError, match=r"row 1, field id: annotations.json has no annotation of 1"):
        list(load("amber", tmp_path))
    (tmp_path / "annotations.json").write_text(json.dumps([{"id": 1, "type": "new", "truth": "yes"}]))
    with pytest.raises(UserError, match=r"annotations.json, row 1, field type: there is 'new'"):
        list(load("amber", tmp_path))


def test_a_hub_name_without_the_hub_is_refused_in_one_sentence():
    with pytest.raises(UserError) as caught:
        list(load("pope", "lmms-lab/POPE@test"))
    said = str(caught.value)
    assert said.startswith("lmms-lab/POPE@test is no file here")
    assert "pip install datasets" in said or "HF_HUB_OFFLINE" in said


def test_a_hub_data_set_is_read_by_column(monkeypatch):
    """The reading of columns is ours; the download is the library's, which is stood in for."""
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    row = {"question_id": "1", "question": "Is there a dog?", "answer": "yes", "category": "random"}
    features = datasets.Features({name: datasets.Value("string") for name in row} | {"image": datasets.Image()})
    examples = [("0", row | {"image": {"bytes": b"x", "path": None}})]
    found = {"test": datasets.IterableDataset(datasets.iterable_dataset.ExamplesIterable(lambda: iter(examples), {}))}
    found["test"] = found["test"].cast(features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: found)
    (item,) = load("pope", "lmms-lab/POPE")
    assert (item.better, item.image) == (0, b"x")  # bytes as they are, not decoded
    found["other"] = found["test"]
    with pytest.raises(UserError, match="has the splits test, other: add @"):
        list(load("pope", "lmms-lab/POPE"))


@given(st.text(), st.text(), st.lists(st.text(), max_size=2), st.text())
def test_keys_are_of_content(name, question, responses, other):
    key = item_key(name, question, responses)
    assert key == item_key(name, question, tuple(responses)) and len(key) == 16
    assert (item_key(other, question, responses) == key) == (other == name)


def test_suites_and_loaders_go_by_one_name():
    for one in suites.SUITES:
        assert callable(import_module(f"vlrm.evaluation.benchmarks.{one.name}").items)
