from __future__ import annotations

from collections import Counter

from vlrm.evaluation.sit import images_under, sit
from vlrm.policy.protocol import Sampling
from vlrm.reward.model import ModelConfig, RewardModel


def test_a_swapped_image_is_never_the_quads_twin_and_blank_keeps_its_image():
    items = [{"image_sha256": f"i{n}", "quad_id": None} for n in range(150)]
    items += [{"image_sha256": name, "quad_id": "q"} for name in ("i0", "twin")]
    swapped = images_under("swapped", items, seed=3)
    assert all(other != item["image_sha256"] for other, item in zip(swapped, items, strict=True))
    assert {"i0", "twin"}.isdisjoint({swapped[0], swapped[-1], swapped[-2]})
    assert images_under("blank", items, 0)[:1] == ["blank:i0"]
    assert images_under("swapped", items, 3) == swapped


def test_critiques_of_the_first_items_are_read_once_more_with_their_checks_turned_round(tiny):
    vlm, images = tiny
    model = RewardModel(
        vlm, ModelConfig(base="x", likelihood_scale=1, yes_scale=0, verify_form=0, readout="likelihood")
    )
    model.eval()
    items = [
        {"item_id": f"i{n}", "image_sha256": image, "quad_id": None, "question": "What is there?",
         "chosen": "A red ball.", "rejected": "A blue ball."}
        for n, image in enumerate(images[:2])
    ]  # fmt: skip
    rows = sit(model, vlm, items, "image", 2, Sampling(max_new_tokens=4), 0, lambda text: None, flipped=1)
    held = Counter((row["view"], row["item_id"], row["sample"]) for row in rows)
    assert set(held.values()) == {1}
    assert {key for key in held if key[0] == "flipped"} == {("flipped", "i0", 0), ("flipped", "i0", 1)}
    assert {key for key in held if key[0] == "image"} == {("image", f"i{n}", m) for n in (0, 1) for m in (-1, 0, 1)}
