"""Photos are told from the world of the embedded models; its own scenes, saved as files, are not."""

from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import sklearn
from PIL import Image, ImageFilter

from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.familiar import embedded_parts, familiar_bounds, familiarity, look, strangeness
from vlrm.images import open_image
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes

REFERENCE, OTHERS = 9_001, 77
WEIGHTS = Path(__file__).parents[1] / "data/06_models/embedded/detector"


@pytest.fixture(scope="module")
def bounds():
    return familiar_bounds(render(scene) for scene in islice(scenes(REFERENCE), 60))


@pytest.fixture(scope="module")
def photos():
    assets = Path(str(files("ultralytics") / "assets"))
    paths = [*sorted(assets.glob("*.jpg")), *sorted((Path(sklearn.__file__).parent / "datasets/images").glob("*.jpg"))]
    assert len(paths) == 4
    return [open_image(path) for path in paths]


def surest(images: list[Image.Image]) -> list[float]:
    detector = build_experts([ExpertConfig(name="detector", settings={"weights": str(WEIGHTS)})])[0]
    return [max((e.score for e in rows), default=0.0) for rows in detector.annotate(images, [[] for _ in images])]


def test_rendered_scenes_saved_as_files_are_familiar(tmp_path, bounds):
    images = []
    for number, scene in enumerate(islice(scenes(OTHERS), 40)):
        path = tmp_path / f"{number}.{('png', 'jpg', 'webp')[number % 3]}"
        side = (256, 200, 420)[number % 3]
        render(scene).resize((side, side)).save(path)
        images.append(open_image(path))
    reasons = [strangeness(image, score, bounds) for image, score in zip(images, surest(images), strict=True)]
    assert sum(reason is not None for reason in reasons) <= 2
    assert familiarity(reasons, ["detector"])["warning"] is None


def test_photos_are_strange(bounds, photos):
    for scores in (surest(photos), [None] * len(photos)):
        reasons = [strangeness(image, score, bounds) for image, score in zip(photos, scores, strict=True)]
        assert None not in reasons
        told = familiarity(reasons, ["vision-language model", "detector"])
        assert told["strange"] == told["images"] == 4
        assert "policy.base=FOLDER and experts in an environment of your own" in told["warning"]
        assert "\n" not in told["warning"] and told["warning"].startswith("4 of 4 images look nothing like")


def test_a_quarter_of_strange_images_is_told(bounds):
    assert familiarity([None] * 8 + ["detail"] * 2, ["detector"])["warning"] is None
    assert familiarity([None] * 7 + ["detail"] * 3, ["detector"])["warning"].endswith("(docs/own_images.md).")
    assert familiarity([], [])["warning"] is None


def test_what_a_look_measures():
    table = Image.new("RGB", (300, 200), (150, 150, 150))
    assert look(table).background == look(table).detail == look(table).colour == 0
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8))
    assert look(noise.filter(ImageFilter.BoxBlur(3))).detail > 5
    table.paste((250, 20, 20), (100, 60, 200, 140))
    assert look(table).background == 0 and look(table).colour == pytest.approx(230 * 0.133, rel=0.1)


def test_only_the_embedded_models_warn(tmp_path):
    root = Path(__file__).parents[1]
    embedded, own = root / "data/06_models/embedded/vlm", tmp_path
    (own / "config.json").write_text('{"vision_config": {"model_type": "siglip"}}')
    detector, mine = ExpertConfig(name="detector"), {"name": "mine.experts:Photos"}
    assert embedded_parts(str(embedded), [detector, mine]) == ["vision-language model", "detector"]
    assert embedded_parts(str(own), [detector]) == ["detector"]
    assert embedded_parts("Qwen/Qwen2.5-VL-3B-Instruct", [mine]) == []
    assert embedded_parts(str(own), [ExpertConfig(name="detector", settings={"weights": "my/weights"})]) == []
