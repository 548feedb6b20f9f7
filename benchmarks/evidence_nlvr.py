"""The part of the evidence benchmark about NLVR's drawn scenes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL import Image

from vlrm.experts.base import overlap
from vlrm.experts.config import build_experts
from vlrm.experts.flat_shapes import SIZES
from vlrm.schema import seen_objects

if TYPE_CHECKING:
    from pathlib import Path

    from vlrm.schema import Box, SeenObject

COLOURS = {"Yellow": "yellow", "Black": "black", "#0099ff": "blue"}
FOLDS = 5
"""Images whose identifier is a multiple of this were looked at while the detector was written, and are not scored."""
WIDE, HIGH, STEP = 400, 100, 150
"""Pixels of an image, and from one of its three boxes to the next."""


def object_f1(folder: Path) -> dict[str, Any]:
    """``nlvr_object_f1`` over the images that nobody looked at, each once."""
    (expert,) = build_experts([{"name": "flat_shapes"}])
    right = wrong = missed = images = 0
    seen: set[str] = set()
    for row in json.loads((folder / "dev.json").read_text(encoding="utf-8")):
        looked_at = int(row["identifier"].split("-")[0]) % FOLDS == 0
        if looked_at or row["image"] in seen:
            continue
        seen.add(row["image"])
        images += 1
        with Image.open(folder / row["image"]) as image:
            (rows,) = expert.annotate([image], [[]])
        found = seen_objects(rows)
        truth = [_truth(thing, box) for box, things in enumerate(row["structured_rep"]) for thing in things]
        hits = _hits(truth, found)
        right, wrong, missed = right + hits, wrong + len(found) - hits, missed + len(truth) - hits
    return {
        "nlvr_object_f1": round(2 * right / (2 * right + wrong + missed), 4), "nlvr_objects": right + missed,
        "nlvr_images": images,
    }  # fmt: skip


Known = tuple[str, str, str]


def _truth(thing: dict[str, Any], box: int) -> tuple[Known, Box]:
    x, y, side = thing["x_loc"] + STEP * box, thing["y_loc"], thing["size"]
    where = (x / WIDE, y / HIGH, (x + side) / WIDE, (y + side) / HIGH)
    return (thing["type"], COLOURS[thing["color"]], SIZES[side]), where


def _hits(truth: list[tuple[Known, Box]], found: list[SeenObject]) -> int:
    """Objects matched one to one, the best overlap first come."""
    left = [((s.noun, s.attributes["colour"][0], s.attributes["size"][0]), s.box) for s in found]
    hits = 0
    for known, box in truth:
        fits = [one for one in left if one[0] == known and overlap(one[1], box) >= 0.5]
        if fits:
            left.remove(max(fits, key=lambda one: overlap(one[1], box)))
            hits += 1
    return hits
