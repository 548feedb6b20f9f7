"""Ultralytics models on nano networks with random weights: trust, batches, classes, and detections that really are its own."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from vlrm.errors import UserError
from vlrm.experts.ultralytics_model import Settings, UltralyticsModel
from vlrm.experts.ultralytics_offline import load_ultralytics

SEEN = {"confidence": 0.001, "side": 64, "device": "cpu", "most": 20}


def saved(folder, shape):
    """A network of this shape with seeded weights, its class scores raised: fresh ones say nothing of anything."""
    torch.manual_seed(0)
    model = load_ultralytics().YOLO(shape)
    with torch.no_grad():
        for scale in model.model.model[-1].cv3:
            scale[-1].bias.copy_(torch.randn_like(scale[-1].bias) - 2)
    file = folder / f"{shape.split('.')[0]}.pt"
    model.save(file)
    return file


@pytest.fixture(scope="module")
def detect(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("detect"), "yolo11n.yaml")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in ((64, 64), (90, 40), (50, 80))]


def test_a_pickle_is_refused_until_its_maker_or_its_hash_is_trusted(detect):
    with pytest.raises(UserError, match=r"yolo11n\.pt is a pickle.*trust_pickle") as refused:
        UltralyticsModel(Settings(model=str(detect)))
    assert "\n" not in str(refused.value)
    sha = hashlib.sha256(detect.read_bytes()).hexdigest()
    trusted = UltralyticsModel(Settings(model=str(detect), sha256=sha))
    assert trusted.fingerprint == UltralyticsModel(Settings(model=str(detect), trust_pickle=True)).fingerprint
    with pytest.raises(UserError, match="not the file you trust"):
        UltralyticsModel(Settings(model=str(detect), sha256="0" * 64, trust_pickle=True))


def test_a_batch_gives_what_single_images_give(detect, images):
    expert = UltralyticsModel(Settings(model=str(detect), trust_pickle=True, batch=2, **SEEN))
    together = expert.annotate(images, [[]] * 3)
    alone = [expert.annotate([image], [[]])[0] for image in images]
    assert sum(map(len, together)) > 0
    for a, b in zip(together, alone, strict=True):
        assert [row.label for row in a] == [row.label for row in b]
        assert np.allclose([row.box for row in a], [row.box for row in b], atol=1e-3)
    rows = together[0]
    assert len(expert.labels) == 80 and {row.label for row in rows} <= set(expert.labels)
    assert [row.evidence_id for row in rows] == [f"d{n}" for n in range(1, len(rows) + 1)]
    assert all(0 <= v <= 1 for row in rows for v in row.box) and expert.annotate([], []) == []


def test_boxes_are_those_that_ultralytics_gives(detect, images):
    expert = UltralyticsModel(Settings(model=str(detect), trust_pickle=True, **SEEN))
    theirs = (
        load_ultralytics()
        .YOLO(detect)
        .predict(images[1], conf=0.001, iou=0.6, max_det=20, imgsz=64, rect=False, verbose=False)[0]
    )
    (ours,) = expert.annotate([images[1]], [[]])
    assert [row.score for row in ours] == pytest.approx(
        sorted(theirs.boxes.conf.tolist(), reverse=True)[: len(ours)], abs=1e-3
    )


def test_segmentation_models_report_objects_too(tmp_path, images):
    expert = UltralyticsModel(Settings(model=str(saved(tmp_path, "yolo11n-seg.yaml")), trust_pickle=True, **SEEN))
    assert sum(map(len, expert.annotate(images, [[]] * 3))) > 0


def test_a_closed_vocabulary_cannot_be_told_what_to_look_for(detect, images):
    expert = UltralyticsModel(Settings(model=str(detect), trust_pickle=True, classes=["zebra"], **SEEN))
    with pytest.raises(UserError, match="leave classes out"):
        expert.annotate(images[:1], [[]])


def test_an_open_vocabulary_model_keeps_the_classes_it_was_saved_with(tmp_path, images):
    """Setting classes takes a text encoder of its own; a model saved with its classes needs none."""
    torch.manual_seed(0)
    model = load_ultralytics().YOLOWorld("yolov8s-worldv2.yaml")
    names = ["red kite", "stop sign"]
    model.model.txt_feats = torch.nn.functional.normalize(torch.randn(1, 2, 512), dim=-1)
    model.model.names = dict(enumerate(names))
    model.model.model[-1].nc = 2
    file = tmp_path / "own-worldv2.pt"
    model.save(file)
    expert = UltralyticsModel(Settings(model=str(file), trust_pickle=True, **{**SEEN, "confidence": 1e-6}))
    rows = expert.annotate(images[:1], [[]])[0]
    assert set(expert.labels) == set(names) and rows and {row.label for row in rows} <= set(names)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.pt", None, r"is no file here nor in data/06_models"),
        ("model.bin", b"x", r"is of no form that is read"),
        ("broken.pt", b"this is no pickle", r"is no Ultralytics model"),
    ],
)
def test_trouble_is_one_sentence(tmp_path, images, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says) as refused:
        UltralyticsModel(Settings(model=str(tmp_path / name), trust_pickle=True)).annotate(images[:1], [[]])
    assert "\n" not in str(refused.value)


def test_a_device_that_is_not_there_is_named(detect, images):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    expert = UltralyticsModel(Settings(model=str(detect), trust_pickle=True, device="cuda:0"))
    with pytest.raises(UserError, match="device 'cuda:0' cannot be used"):
        expert.annotate(images[:1], [[]])
