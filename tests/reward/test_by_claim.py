"""A response read claim by claim: what is asked, what it counts, and where it is added to the reward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vlrm.reward.by_claim import ASKING, asking_of, by_claim
from vlrm.reward.learning import make_trainable
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scoring import Scorer, pair_margins, score
from vlrm.reward.settings import RewardTraining

QUESTION = "Describe the image."
PHOTOS, EMBEDDED = ASKING["photos"], ASKING["embedded"]


def test_each_object_of_an_image_is_asked_about_once_and_a_denied_one_counts_against():
    odds = {("a", "dog"): 3.0, ("a", "cat"): -1.0, ("b", "dog"): 0.5}
    asked = []

    def rewards_of(rows):
        asked.extend(rows)
        at = {PHOTOS.of(noun)[0]: noun for _, noun in odds}
        return np.array([odds[row.image, at[row.question]] / 2 * (1 if row.response == "Yes" else -1) for row in rows])

    rows = [
        Row("a", QUESTION, "A dog and a cat."),
        Row("a", QUESTION, "A dog. There is no cat.", "a critique"),
        Row("b", QUESTION, "A dog."),
        Row("b", QUESTION, "It is a sunny day."),
        Row(None, QUESTION, "A dog."),
    ]
    assert by_claim(rows, rewards_of, PHOTOS) == pytest.approx([1.0, 2.0, 0.5, 0.0, 0.0])
    assert len(asked) == len(set(asked)) == 2 * len(odds)
    assert {row.critique for row in asked} == {None}


def test_the_article_fits_the_object():
    assert PHOTOS.of("dog") == ("Is there a dog in the image?", "Yes", "No")
    assert PHOTOS.of("umbrella")[0] == "Is there an umbrella in the image?"
    assert EMBEDDED.of("orange star") == (
        "Is there an orange star?", "Yes, there is an orange star.", "No, there is no orange star.",
    )  # fmt: skip


def test_of_scenes_each_thing_is_asked_about_with_every_attribute_that_it_is_given(tiny):
    vlm, (image, _) = tiny
    asked = []

    def rewards_of(rows):
        asked.extend(row.question for row in rows)
        return np.array([2.0 * ("star" in row.question) * row.response.startswith("Yes") for row in rows])

    rows = [
        Row(image, QUESTION, "There is a small blue star and a heart."),
        Row(image, "Is there a red star?", "No, there is none."),
        Row(image, "What colour is the heart?", "Green."),
    ]
    assert by_claim(rows, rewards_of, asking_of(model_of(vlm))) == pytest.approx([1.5, -2.0, 0.0])
    assert sorted(set(asked)) == [
        "Is there a blue star?", "Is there a green heart?", "Is there a heart?", "Is there a red star?",
        "Is there a small star?", "Is there a star?",
    ]  # fmt: skip


def model_of(vlm, **more):
    config = ModelConfig(base="tiny", likelihood_scale=3.0, yes_scale=0.5, verify_form=0, readout="likelihood", **more)
    torch.manual_seed(0)
    model = RewardModel(vlm, config)
    torch.nn.init.normal_(model.head.last.weight)
    return model.eval()


def test_the_scale_says_how_much_is_added(tiny):
    vlm, (image, _) = tiny
    rows = [Row(image, QUESTION, text) for text in ("There is a star and a heart.", "There is a star.", "It is fine.")]
    model = model_of(vlm)
    plain, added = score(model, rows), by_claim(rows, lambda asked: score(model, asked), EMBEDDED)
    assert (added[:2] != 0).all() and added[2] == 0
    model.config = model.config.model_copy(update={"by_claim": 2.0})
    assert score(model, rows) == pytest.approx(plain + 2 * added, abs=1e-4)


def test_a_saved_model_is_served_as_it_is_read_and_its_pairs_as_it_learns(tiny, tiny_folder, tmp_path):
    vlm, (image, _) = tiny
    model = model_of(vlm, by_claim=2.0)
    model.save(tmp_path / "saved")
    rows = [Row(image, QUESTION, "There is a star and a heart."), Row(image, QUESTION, "There is a blue ring.")]
    served = Scorer.load(tmp_path / "saved", base=tiny_folder)
    assert served.model.config.by_claim == 2.0
    shown = [(vlm.open(image), row.question, row.response) for row in rows]
    assert served.rewards(shown) == pytest.approx(score(model, rows), abs=1e-3)
    whole, alone = served.claims(shown), served.rewards(shown)
    served.model.config = served.model.config.model_copy(update={"by_claim": 0.0})
    means = [np.mean(list(odds.values())) for odds in whole]
    assert [set(odds) for odds in whole] == [{"star", "heart"}, {"ring", "blue ring"}]
    assert served.rewards(shown) + 2 * np.array(means) == pytest.approx(alone, abs=1e-3)
    pair = {"pair_id": "p", "image_sha256": image, "question": QUESTION} | dict(
        zip(("chosen", "rejected"), (row.response for row in rows), strict=True)
    )
    with torch.no_grad():
        expected = model(rows)
    assert pair_margins(model, [pair])["p"] == pytest.approx(float(expected[0] - expected[1]), abs=1e-4)


def test_the_setting_is_the_trained_models(tiny):
    vlm, _ = tiny
    model = model_of(vlm, by_claim=1.0)
    make_trainable(model, RewardTraining(by_claim=4.0, lora_rank=2), seed=0)
    assert model.config.by_claim == 4.0
    config = ModelConfig(base="x", likelihood_scale=1, yes_scale=1, verify_form=0, readout="likelihood")
    for without in (RewardTraining(), config):
        assert "by_claim" not in without.model_dump(), "rounds and models from before it stay what they are"
