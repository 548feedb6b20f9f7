"""The detector: batches, images of any shape, and what it says when its weights are missing."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from shipped_detector import SHIPPED, needs_weights

from vlrm.errors import UserError
from vlrm.experts.base import overlap
from vlrm.experts.detector import Detector, Settings, letterbox
from vlrm.experts.ultralytics_offline import load_ultralytics


@pytest.fixture(scope="module")
def detector():
    return Detector(Settings(weights=SHIPPED))


@needs_weights
def test_a_batch_gives_what_single_images_give(detector, drawn):
    together = detector.annotate(drawn.images[:4], [[]] * 4)
    alone = [detector.annotate([image], [[]])[0] for image in drawn.images[:4]]
    for batch_rows, rows in zip(together, alone, strict=True):
        assert [row.label for row in batch_rows] == [row.label for row in rows]
        for a, b in zip(batch_rows, rows, strict=True):
            assert a.box == pytest.approx(b.box, abs=1e-3) and a.score == pytest.approx(b.score, abs=1e-3)
    assert detector.annotate([], []) == []


@needs_weights
def test_boxes_are_fractions_of_images_that_are_not_square(detector, drawn):
    looked_for = 0
    for scene, image in zip(drawn.scenes[:8], drawn.images[:8], strict=True):
        wide = Image.new("RGB", (320, 256), (150, 150, 150))
        wide.paste(image, (64, 0))
        (rows,) = detector.annotate([wide], [[]])
        # A wide image is scaled down further; the small objects then are smaller than any it was trained on.
        for thing in (o for o in scene.objects if o.size != "small"):
            x0, y0, x1, y1 = thing.box
            there = (0.2 + 0.8 * x0, y0, 0.2 + 0.8 * x1, y1)
            assert any(row.label == thing.shape and overlap(row.box, there) > 0.6 for row in rows)
            looked_for += 1
    assert looked_for >= 10


@needs_weights
def test_an_empty_table_holds_nothing(detector):
    assert detector.annotate([Image.new("RGB", (256, 256), (150, 150, 150))], [[]]) == [[]]


@needs_weights
def test_fingerprint_follows_settings_and_weights_but_not_the_folder(detector, tmp_path):
    copied = tmp_path / "elsewhere"
    shutil.copytree(SHIPPED, copied)
    assert Detector(Settings(weights=copied)).fingerprint == detector.fingerprint
    assert Detector(Settings(weights=copied, confidence=0.5)).fingerprint != detector.fingerprint
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "names": config["names"][::-1]}))
    assert Detector(Settings(weights=copied)).fingerprint != detector.fingerprint


def test_missing_weights_name_the_file_and_the_way_out(tmp_path):
    with pytest.raises(UserError, match=r"model\.safetensors.*embedded_training"):
        Detector(Settings(weights=tmp_path))


def test_letterbox_centres_and_pads():
    pixels, (left, top, width, height) = letterbox(Image.new("RGB", (100, 50), (255, 0, 0)), 64)
    assert pixels.shape == (64, 64, 3) and (left, top, width, height) == (0, 16, 64, 32)
    assert tuple(pixels[0, 0]) == (114, 114, 114) and tuple(pixels[32, 32]) == (255, 0, 0)


def test_loading_ultralytics_changes_nothing_for_others(tmp_path):
    load_ultralytics()
    (tmp_path / "text.jpg").write_text("I am not a picture.")
    with pytest.raises(UnidentifiedImageError):  # its own Image.open would try to install a package here
        Image.open(tmp_path / "text.jpg")
    assert str(np.array([0.5])) == "[0.5]"
    assert os.environ["YOLO_OFFLINE"] == "true" and load_ultralytics().settings["mlflow"] is False
