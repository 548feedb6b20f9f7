"""Flat shapes are found where they were drawn, touching ones too, and nothing where nothing is."""

from __future__ import annotations

from PIL import Image, ImageDraw

from vlrm.experts.config import build_experts
from vlrm.experts.flat_shapes import PALETTE, FlatShape, flat_shapes
from vlrm.schema import seen_objects

GROUND = (211, 211, 211)


def drawn(*shapes: FlatShape) -> Image.Image:
    image = Image.new("RGB", (100, 100), GROUND)
    draw = ImageDraw.Draw(image)
    for s in shapes:
        x, y, side, colour = s.left, s.top, s.side, PALETTE[s.colour]
        if s.shape == "square":
            draw.rectangle((x, y, x + side - 1, y + side - 1), colour)
        elif s.shape == "circle":
            draw.ellipse((x, y, x + side - 1, y + side - 1), colour)
        else:
            draw.polygon([(x + side / 2, y), (x, y + side - 1), (x + side - 1, y + side - 1)], colour)
    return image


def test_shapes_apart_and_of_every_size() -> None:
    shapes = [
        FlatShape("square", "yellow", 5, 5, 30), FlatShape("circle", "black", 50, 10, 20), FlatShape("triangle", "blue", 80, 60, 10),
    ]  # fmt: skip
    assert set(flat_shapes(drawn(*shapes))) == set(shapes)


def test_touching_shapes_are_taken_apart() -> None:
    tower = [FlatShape("square", "blue", 20, 80 - 20 * i, 20) for i in range(3)]
    assert {(s.shape, s.side) for s in flat_shapes(drawn(*tower))} == {("square", 20)}
    assert len(flat_shapes(drawn(*tower))) == 3


def test_nothing_on_an_empty_ground_and_fractions_elsewhere() -> None:
    assert flat_shapes(drawn()) == []
    (expert,) = build_experts([{"name": "flat_shapes"}])
    ((*rows,),) = expert.annotate([drawn(FlatShape("square", "black", 10, 20, 30))], [[]])
    (seen,) = seen_objects(rows)
    assert seen.noun in expert.labels
    assert seen.box == (0.1, 0.2, 0.4, 0.5)
    assert seen.attributes == {"colour": ("black", 1.0), "size": ("large", 1.0)}
