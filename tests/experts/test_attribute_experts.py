"""Colour, pattern and size on their own: right boxes given, what do they measure, and when are they silent."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vlrm.experts.calibration import reliability_report
from vlrm.experts.colour import Colour
from vlrm.experts.pattern import Pattern
from vlrm.experts.size import Settings as SizeSettings
from vlrm.experts.size import Size
from vlrm.schema import Evidence

RED, BLUE, GREY = (214, 40, 40), (44, 78, 210), (150, 150, 150)


def thing(box, name="d1"):
    return Evidence(name, "object", "ball", box, 0.9, "drawn", "")


@pytest.mark.parametrize(("expert", "least"), [(Colour(), 0.98), (Pattern(), 0.95), (Size(), 0.95)])
def test_right_on_scenes_when_boxes_are_off_by_a_little(drawn, expert, least):
    rng = np.random.default_rng(0)

    def shaken(row):
        width = row.box[2] - row.box[0]
        box = np.clip(np.array(row.box) + rng.normal(0, 0.02 * width, 4), 0, 1)
        return thing(tuple(float(v) for v in box), row.evidence_id)

    found = [[shaken(row) for row in rows] for rows in drawn.objects]
    added = expert.annotate(drawn.images, found)
    report = reliability_report([a + b for a, b in zip(found, added, strict=True)], drawn.truth)
    assert report["attributes"][expert.name]["accuracy"] >= least


def test_colour_of_an_object_half_covered_by_another():
    image = Image.new("RGB", (200, 200), GREY)
    draw = ImageDraw.Draw(image)
    draw.ellipse([40, 40, 120, 120], fill=RED)
    draw.rectangle([90, 40, 170, 120], fill=BLUE)
    behind, front = thing((0.2, 0.2, 0.6, 0.6)), thing((0.45, 0.2, 0.85, 0.6), "d2")
    (rows,) = Colour().annotate([image], [[behind, front]])
    assert [(row.target, row.label) for row in rows] == [("d1", "red"), ("d2", "blue")]
    assert rows[0].score < rows[1].score  # the covered one is less sure


@pytest.mark.parametrize("light", [0.45, 1.0, 1.25])
def test_colour_survives_light_and_noise(light):
    pixels = np.full((100, 100, 3), GREY, float)
    pixels[20:80, 20:80] = RED
    pixels = np.clip(pixels * light + np.random.default_rng(1).normal(0, 12, pixels.shape), 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    (rows,) = Colour().annotate([image], [[thing((0.2, 0.2, 0.8, 0.8))]])
    assert rows[0].label == "red" and rows[0].score > 0.8


def test_a_grey_object_has_no_colour_and_no_pattern():
    image = Image.new("RGB", (100, 100), GREY)
    found = [[thing((0.2, 0.2, 0.8, 0.8))]]
    assert Colour().annotate([image], found) == [[]]
    assert Pattern().annotate([image], found) == [[]]


def test_lines_in_any_direction_are_stripes_and_spots_are_dots():
    ys, xs = np.mgrid[0:120, 0:120]
    for angle in (0, 30, 60, 90, 135):
        place = xs * np.cos(np.deg2rad(angle)) + ys * np.sin(np.deg2rad(angle))
        pixels = np.where((place % 20 < 8)[..., None], np.array(RED) * 0.5, RED).astype(np.uint8)
        (rows,) = Pattern().annotate([Image.fromarray(pixels)], [[thing((0.1, 0.1, 0.9, 0.9))]])
        assert rows[0].label == "striped", angle
    dots = np.hypot(xs % 20 - 10, ys % 20 - 10) < 5
    pixels = np.where(dots[..., None], np.array(RED) * 0.5, RED).astype(np.uint8)
    (rows,) = Pattern().annotate([Image.fromarray(pixels)], [[thing((0.1, 0.1, 0.9, 0.9))]])
    assert rows[0].label == "dotted"
    shaded = np.clip((1.3 - 0.005 * (xs + ys))[..., None] * np.array(RED), 0, 255).astype(np.uint8)
    (rows,) = Pattern().annotate([Image.fromarray(shaded)], [[thing((0.1, 0.1, 0.9, 0.9))]])
    assert rows[0].label == "plain"


def test_size_is_unsure_near_its_limits():
    def score(half):
        (rows,) = Size().annotate(
            [Image.new("RGB", (8, 8))], [[thing((0.5 - half, 0.5 - half, 0.5 + half, 0.5 + half))]]
        )
        return rows[0].label, rows[0].score

    assert score(0.065)[0] == "small" and score(0.10)[0] == "medium" and score(0.145)[0] == "large"
    assert score(0.081)[1] < 0.6 < 0.95 < score(0.10)[1]
    assert Size(SizeSettings(large_from=0.2)).fingerprint != Size().fingerprint


def test_tiny_and_border_boxes_do_not_break_anything():
    image = Image.new("RGB", (64, 48), RED)
    found = [[thing((0.0, 0.0, 0.001, 0.001)), thing((0.99, 0.99, 1.0, 1.0), "d2"), thing((0, 0, 1, 1), "d3")]]
    (rows,) = Colour().annotate([image], found)
    assert {row.label for row in rows} == {"red"}
    (rows,) = Pattern().annotate([image], found)
    assert [(row.target, row.label) for row in rows] == [("d3", "plain")]
