"""Zero-shot detection and depth on tiny networks with random weights, of the real classes, made here."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPTokenizer,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
    OwlViTProcessor,
    pipeline,
)

from vlrm.errors import UserError
from vlrm.experts.depth import Depth
from vlrm.experts.depth import Settings as DepthSettings
from vlrm.experts.zero_shot import Settings, ZeroShot
from vlrm.schema import Evidence

CLASSES = ["cat", "red kite"]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in ((64, 64), (96, 48), (40, 80))]


@pytest.fixture(scope="module")
def owl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("owl")
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=40)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = OwlViTConfig(
        text_config={**size, "vocab_size": len(tokens), "max_position_embeddings": 40, "pad_token_id": len(tokens) - 1,
                     "bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1},
        vision_config={**size, "image_size": 32, "patch_size": 8}, projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    OwlViTForObjectDetection(config).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    OwlViTProcessor(OwlViTImageProcessor(size=square, crop_size=square), tokenizer).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def dpt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dpt")
    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
        reassemble_factors=[4, 2, 1, 0.5], is_hybrid=False,
    )  # fmt: skip
    model = DPTForDepthEstimation(config)
    with torch.no_grad():  # fresh weights see hardly any difference between one place and another
        for value in model.parameters():
            value.mul_(4) if value.ndim > 1 else value
    model.save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


def found(box=(0.0, 0.0, 0.5, 1.0), name="d1"):
    return Evidence(name, "object", "cat", box, 0.9, "drawn", "")


def test_zero_shot_says_what_the_pipeline_says(owl, images):
    expert = ZeroShot(Settings(model=owl, classes=CLASSES, confidence=0.01, overlap=0.99, device="cpu", batch=2))
    together = expert.annotate(images, [[]] * 3)
    assert expert.labels == tuple(CLASSES) and {row.label for rows in together for row in rows} <= set(CLASSES)
    alone = [expert.annotate([image], [[]])[0] for image in images]
    assert [[r.label for r in rows] for rows in together] == [[r.label for r in rows] for rows in alone]
    bare = pipeline("zero-shot-object-detection", model=owl)(
        images[1], candidate_labels=[f"a photo of a {c}" for c in CLASSES], threshold=0.01
    )
    theirs = [
        (one["label"].removeprefix("a photo of a "), round(one["score"], 4), one["box"]["xmin"], one["box"]["xmax"])
        for one in bare
    ]
    assert together[1]
    for row in together[1]:  # the network's boxes may lie half outside the image, the expert's may not
        assert any(
            (label, score) == (row.label, row.score)
            and (max(left, 0) / 96, min(right, 96) / 96) == pytest.approx((row.box[0], row.box[2]), abs=1e-3)
            for label, score, left, right in theirs
        )


def test_fingerprints_follow_weights_and_classes(owl, dpt):
    one = ZeroShot(Settings(model=owl, classes=CLASSES))
    assert one.fingerprint == ZeroShot(Settings(model=owl, classes=CLASSES, batch=3)).fingerprint
    assert one.fingerprint != ZeroShot(Settings(model=owl, classes=["cat"])).fingerprint
    assert Depth(DepthSettings(model=dpt)).fingerprint != Depth(DepthSettings(model=owl)).fingerprint


def test_depth_orders_objects_as_the_network_does(dpt, images):
    left, right = found(), found((0.5, 0.0, 1.0, 1.0), "d2")
    expert = Depth(DepthSettings(model=dpt, device="cpu"))
    halves = Image.new("RGB", (64, 64))
    halves.paste((255, 255, 255), (32, 0, 64, 64))
    rows = expert.annotate([halves, *images[1:]], [[left, right], [], [left]])
    assert [[row.target for row in one] for one in rows] == [["d1", "d2"], [], ["d1"]]
    depth = np.asarray(pipeline("depth-estimation", model=dpt)(halves)["predicted_depth"]).squeeze()
    half = depth.shape[1] // 2
    nearer = np.median(depth[:, :half]) > np.median(depth[:, half:])
    assert (float(rows[0][0].label) > float(rows[0][1].label)) == nearer
    other = Depth(DepthSettings(model=dpt, device="cpu", larger="farther")).annotate([halves], [[left, right]])[0]
    assert (float(other[0].label) > float(other[1].label)) != nearer
    assert all(row.kind == "depth" and 0 <= float(row.label) <= 1 for row in rows[0])


def test_a_model_that_is_not_there_is_one_sentence(tmp_path, images):
    expert = ZeroShot(Settings(model=str(tmp_path / "gone"), classes=["cat"]))
    with pytest.raises(UserError, match="cannot be loaded for zero-shot-object-detection") as refused:
        expert.annotate(images[:1], [[]])
    assert "\n" not in str(refused.value)
