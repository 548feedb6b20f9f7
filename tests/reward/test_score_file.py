"""Scoring tables: the same numbers in parts as at once, bad rows named, nothing lost."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from vlrm.errors import UserError
from vlrm.images import RefusedImage
from vlrm.policy.protocol import Sampling
from vlrm.reward import score_file as module
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.score_file import score_file
from vlrm.reward.scoring import Scorer


@pytest.fixture
def scorer(tiny):
    config = ModelConfig(base="tiny", likelihood_scale=1, yes_scale=1, verify_form=0, readout="likelihood")
    model = RewardModel(tiny[0], config).eval()
    torch.nn.init.normal_(model.head.last.weight)
    return Scorer(model, None, Sampling(max_new_tokens=8))


@pytest.fixture
def folder(tmp_path):
    for name in ("red", "blue"):
        Image.new("RGB", (64, 48), name).save(tmp_path / f"{name}.png")
    (tmp_path / "text.jpg").write_text("no image")
    return tmp_path


def write(folder, records):
    path = folder / "responses.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records))
    return path


def test_a_table_is_scored_in_parts_as_at_once(scorer, folder, monkeypatch):
    records = [
        {"image": f"{colour}.png", "question": "What is in the image?", "response": said}
        for colour in ("red", "blue") for said in ("A star.", "Two blue balls and a ring.", "Nothing at all.")
    ]  # fmt: skip
    records.append({"question": "Is grass green?", "response": "Yes."})
    path = write(folder, records)
    whole = score_file(scorer, path, folder, folder / "whole.parquet")
    monkeypatch.setattr(module, "PART", 2)
    score_file(scorer, path, folder, folder / "parts.parquet")
    rewards = [pq.read_table(folder / f"{name}.parquet")["reward"].to_numpy() for name in ("whole", "parts")]
    assert (whole.rows, whole.refused) == (7, 0)
    np.testing.assert_allclose(rewards[0], rewards[1], atol=1e-5)
    alone = [
        scorer.rewards([(folder / r["image"] if "image" in r else None, r["question"], r["response"])])[0]
        for r in records
    ]
    np.testing.assert_allclose(rewards[0], alone, atol=1e-5)
    assert not scorer.model.vlm._held  # a long table does not fill the memory with images


def test_parts_hold_few_pixels_and_a_refused_image_costs_only_its_rows(scorer, folder, monkeypatch):
    Image.new("RGB", (500, 4), "green").save(folder / "banner.png")
    names = ["red.png", "red.png", "banner.png", "blue.png", "banner.png", "red.png"]
    path = write(folder, [{"image": name, "question": "What?", "response": "A star."} for name in names])
    rewards, asked = scorer.rewards, []

    def refusing(rows, **how):
        asked.append(len(rows))
        if any(image.width > 100 for image, _, _ in rows):
            raise RefusedImage("a banner of 500 x 4 pixels is refused")
        return rewards(rows, **how)

    monkeypatch.setattr(scorer, "rewards", refusing)
    monkeypatch.setattr(module, "TOGETHER", 64 * 48 + 500 * 4)
    summary = score_file(scorer, path, folder, folder / "out.parquet")
    found = pq.read_table(folder / "out.parquet")
    assert (summary.rows, summary.refused) == (6, 2)
    assert [problem is not None for problem in found["problem"].to_pylist()] == [name == "banner.png" for name in names]
    assert [reward is None for reward in found["reward"].to_pylist()] == [name == "banner.png" for name in names]
    assert max(asked) == 3  # red twice and the banner; with blue they would be too many pixels


def test_bad_rows_keep_their_place_and_say_why(scorer, folder):
    asked = {"question": "What?", "response": "A star."}
    path = write(folder, [
        {"image": "red.png"} | asked, {"image": "gone.png"} | asked, {"image": "text.jpg"} | asked, "{broken",
        {"image": "../red.png"} | asked, {"question": "What?", "response": 3}, asked | {"critique": "See: red star."},
    ])  # fmt: skip
    summary = score_file(scorer, path, folder, folder / "out.parquet")
    table = pq.read_table(folder / "out.parquet").to_pylist()
    assert (summary.rows, summary.refused) == (7, 5)
    assert [row["row"] for row in table] == list(range(1, 8))
    said = [row["problem"] for row in table]
    assert said[0] is None and said[6] is None
    for problem, word in zip(
        said[1:6], ("does not exist", "not an image", "not JSON", "leave", "no text"), strict=True
    ):
        assert word in problem
    assert all((row["reward"] is None) == (row["problem"] is not None) for row in table)


def test_a_critique_of_ones_own_is_read_without_its_verdict(scorer, folder):
    asked = {"image": "red.png", "question": "What?", "response": "A star."}
    said = "See: red star. Check: star: yes."
    path = write(folder, [asked, asked | {"critique": said}, asked | {"critique": f"{said} Verdict: right."}])
    score_file(scorer, path, folder, folder / "out.parquet")
    plain, own, judged = pq.read_table(folder / "out.parquet")["reward"].to_pylist()
    assert own == pytest.approx(judged, abs=1e-6) and abs(own - plain) > 1e-4


def test_wrong_files_are_one_sentence(scorer, folder):
    with pytest.raises(UserError, match="does not exist"):
        score_file(scorer, folder / "none.jsonl", folder, folder / "out.parquet")
    with pytest.raises(UserError, match="has no rows"):
        score_file(scorer, write(folder, []), folder, folder / "out.parquet")
    asked = write(folder, [{"image": "red.png", "question": "?", "response": "!"}])
    with pytest.raises(UserError, match=r"images folder .* does not exist"):
        score_file(scorer, asked, folder / "no", folder / "out.parquet")
    score_file(scorer, asked, None, folder / "out.parquet")
    assert "no folder of images was given" in pq.read_table(folder / "out.parquet")["problem"][0].as_py()
    with pytest.raises(UserError, match="has no critic"):
        scorer.rewards([(folder / "red.png", "What?", "A star.")], critiques=2)
