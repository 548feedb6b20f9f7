"""Evidence on an image: each object's box in its place, numbered as critiques cite it."""

import numpy as np
from PIL import Image

from vlrm.schema import SeenObject
from vlrm.viewing.pictures import legend, with_boxes

STAR = SeenObject("star", (0.5, 0.25, 1.0, 0.75), 0.9, {"colour": ("red", 1.0), "size": ("large", 0.8)})
BALL = SeenObject("ball", (0.0, 0.0, 0.25, 0.25), 0.8)


def test_boxes_lie_where_the_evidence_says():
    white = Image.new("RGB", (100, 50), "white")
    drawn = with_boxes(white, [STAR], side=400)
    assert drawn.size == (400, 200)
    inked = np.argwhere((np.asarray(drawn) != 255).any(axis=2))
    top, left = inked.min(axis=0)
    assert (left, inked[:, 0].max()) == (200, 150)
    assert 50 - 20 <= top <= 50
    assert white.getpixel((50, 25)) == (255, 255, 255)


def test_a_label_at_the_edge_stays_inside():
    drawn = with_boxes(Image.new("RGB", (64, 64), "white"), [BALL], side=128)
    assert drawn.getpixel((2, 2)) != (255, 255, 255)


def test_the_legend_numbers_objects_and_tells_their_attributes():
    assert legend([BALL, STAR]) == ["1 ball (0.80)", "2 star (0.90): colour red (1.00), size large (0.80)"]
