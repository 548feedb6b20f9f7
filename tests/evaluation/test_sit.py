from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa

from vlrm.critiques.templates import AUTO, choose
from vlrm.evaluation.exam_critiques import ExamCritic, written
from vlrm.evaluation.sit import images_under, sit
from vlrm.policy.protocol import Sampling
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.schema import EXAM_CRITIQUES


def test_a_swapped_image_is_never_the_quads_twin_and_blank_keeps_its_image():
    items = [{"image_sha256": f"i{n}", "quad_id": None} for n in range(150)]
    items += [{"image_sha256": name, "quad_id": "q"} for name in ("i0", "twin")]
    swapped = images_under("swapped", items, seed=3)
    assert all(other != item["image_sha256"] for other, item in zip(swapped, items, strict=True))
    assert {"i0", "twin"}.isdisjoint({swapped[0], swapped[-1], swapped[-2]})
    assert images_under("blank", items, 0)[:1] == ["blank:i0"]
    assert images_under("swapped", items, 3) == swapped


def judge(vlm):
    model = RewardModel(
        vlm, ModelConfig(base="x", likelihood_scale=1, yes_scale=0, verify_form=0, readout="likelihood")
    )
    return model.eval()


def two_items(images):
    return [
        {"item_id": f"i{n}", "image_sha256": image, "quad_id": None, "question": "What is there?",
         "chosen": "A red ball.", "rejected": "A blue ball."}
        for n, image in enumerate(images[:2])
    ]  # fmt: skip


def critic(vlm, **more):
    return ExamCritic(lambda: vlm, choose(AUTO, vlm.model.config), Sampling(max_new_tokens=4), 0, **more)


def test_critiques_of_the_first_items_are_read_once_more_with_their_checks_turned_round(tiny):
    vlm, images = tiny
    rows = sit(judge(vlm), critic(vlm), two_items(images), "image", 2, 0, lambda text: None, flipped=1)
    held = Counter((row["view"], row["item_id"], row["sample"]) for row in rows)
    assert set(held.values()) == {1}
    assert {key for key in held if key[0] == "flipped"} == {("flipped", "i0", 0), ("flipped", "i0", 1)}
    assert {key for key in held if key[0] == "image"} == {("image", f"i{n}", m) for n in (0, 1) for m in (-1, 0, 1)}


def test_of_the_objects_named_the_model_is_asked_once_though_critiques_are_read_too(tiny, monkeypatch):
    vlm, images = tiny
    model = judge(vlm)
    model.config = model.config.model_copy(update={"by_claim": 2.0})
    items = [
        item | {"chosen": "There is a star.", "rejected": "There is a heart and a star."} for item in two_items(images)
    ]
    read, forward = Counter(), RewardModel.forward

    def heard(self, rows):
        read.update(row for row in rows if row.question.startswith("Is there"))
        return forward(self, rows)

    monkeypatch.setattr(RewardModel, "forward", heard)
    rows = sit(model, critic(vlm), items, "image", 1, 0, lambda text: None)
    assert len(rows) == 4 and len(read) == 8, "two answers about two objects of two images"
    assert set(read.values()) == {1}


def test_critiques_written_before_are_read_and_those_of_another_view_are_written(tiny):
    vlm, images = tiny
    items = two_items(images)
    shown = images_under("image", items, 0)
    before = pa.Table.from_pylist(critic(vlm).table(items, shown, 2), EXAM_CRITIQUES)
    loaded = []

    def load():
        loaded.append(1)
        return vlm

    knowing = replace(critic(vlm), load=load, written=written(before))
    assert knowing.write(items, shown, 2) == before["text"].to_pylist() and not loaded
    blank = images_under("blank", items, 0)
    assert knowing.write(items, blank, 2) == critic(vlm).write(items, blank, 2) and loaded == [1]
