"""Best-of-N on a user's candidates: rewarded, judged by human boxes, with what could not be used told."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from vlrm.errors import UserError
from vlrm.pipelines.best_of_n.nodes import choose_among_given, names_of
from vlrm.pipelines.best_of_n.pipeline import create_pipeline
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.vlm import Vlm

TRUTH = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
    "annotations": [{"image_id": 1, "category_id": 18, "bbox": [4, 4, 20, 20], "iscrowd": 0}],
}
SAID = ["There is a dog.", "There is a car.", "There are two dogs and a car.", "A dog."]


@pytest.fixture
def mine(tiny_folder, tmp_path):
    """A reward model that prefers likely answers, and a folder with an image, candidates and boxes."""
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    RewardModel(Vlm.load(tiny_folder, tmp_path), config).save(tmp_path / "model")
    for name in ("a", "b"):
        Image.new("RGB", (64, 48), "red" if name == "a" else "blue").save(tmp_path / f"{name}.png")
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    rows = [("a.png", text) for text in SAID] + [("b.png", SAID[0]), ("gone.png", SAID[0])]
    lines = [json.dumps({"image": i, "question": "What is there?", "response": r}) for i, r in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_a_users_candidates_are_chosen_by_reward_and_judged_by_boxes(mine):
    found, page = choose_among_given(
        str(mine / "model"),
        str(mine / "mine.jsonl"),
        str(mine),
        str(mine / "truth.json"),
        "default",
        str(mine / "data"),
    )
    counts = {(p["choice"], p["n"]): (p["false_claims"]["value"], p["true_claims"]["value"]) for p in found["points"]}
    assert found["prompts"] == 1
    assert counts["first", 4] == (0, 1)
    assert counts["oracle", 2] == (0, 1)
    # One car that is not there, twice; two dogs where there is one.
    assert counts["random", 4] == (pytest.approx(3 / 4), pytest.approx(3 / 4))
    assert found["notes"][0] == "1 of 6 candidates could not be scored, 1 are about images without boxes."
    assert page.startswith("<!doctype html>") and "human boxes" in page


def test_what_is_missing_is_named(mine):
    model, rows = str(mine / "model"), str(mine / "mine.jsonl")
    with pytest.raises(UserError, match=r"truth=INSTANCES\.json"):
        choose_among_given(model, rows, str(mine), None, "default", str(mine / "data"))
    (mine / "truth.json").write_text(json.dumps(TRUTH | {"images": [TRUTH["images"][0] | {"file_name": "c.png"}]}))
    with pytest.raises(UserError, match="none of the 6 candidates is about an image of"):
        choose_among_given(model, rows, str(mine), str(mine / "truth.json"), "default", str(mine / "data"))


def test_a_file_of_which_no_row_can_be_used_says_why(mine):
    (mine / "mine.jsonl").write_text(json.dumps({"image": "a.png", "question": "What?", "answer": "A dog."}))
    with pytest.raises(UserError, match=r"no candidate of .*mine\.jsonl can be used; row 1: .*response"):
        choose_among_given(
            str(mine / "model"), str(mine / "mine.jsonl"), str(mine), str(mine / "truth.json"), "default", str(mine)
        )


def test_the_pipeline_reads_no_round_where_the_candidates_are_given():
    assert "round_00.report_prompts" in create_pipeline(given=False).inputs()
    assert not [name for name in create_pipeline(given=True).inputs() if not name.startswith("params:")]


def test_an_image_is_known_by_its_path_or_by_a_name_that_no_other_has():
    boxes = {"a.png", "train/b.png", "c.png"}
    images = ["x/a.png", "train/b.png", "c.png", "x/c.png", "y/d.png"]
    assert names_of(images, boxes) == {
        "x/a.png": "a.png",
        "train/b.png": "train/b.png",
        "c.png": "c.png",
        "y/d.png": "d.png",
    }
