"""Finds flat shapes on a plain ground, with colour and size: a detector for drawn scenes such as NLVR's, untrained.

Colours are named by the nearest of a palette, shapes found as connected regions and told apart by how much of their box
they fill; regions that touch are taken apart by trying which drawn shapes cover them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from vlrm.experts.base import attribute, fingerprint
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

PALETTE = {"yellow": (255, 255, 0), "black": (0, 0, 0), "blue": (0, 153, 255)}
"""The colours of NLVR's shapes, as its authors publish them."""
SIZES = {10: "small", 20: "medium", 30: "large"}
"""Sides in pixels of NLVR's shapes."""
NEAR = 90.0
"""Pixels further (Euclidean, 0-255 a channel) from every colour of the palette are ground, or a shape's soft edge."""
FILLS = {"square": 1.0, "circle": np.pi / 4, "triangle": 0.5}
SLACK = 2
"""Pixels by which soft edges shrink a region."""
COVERED = 0.93
"""Share of a drawn shape's pixels that a region must have for the shape to be in it."""


@dataclass(frozen=True)
class FlatShape:
    """A shape with its box in pixels (left, top, side)."""

    shape: str
    colour: str
    left: int
    top: int
    side: int


def flat_shapes(image: Image.Image) -> list[FlatShape]:
    """The shapes of an image, colour by colour from top to bottom."""
    from scipy import ndimage

    pixels_HWC = np.asarray(image.convert("RGB"), dtype=np.float32)
    names = list(PALETTE)
    far = np.stack([np.linalg.norm(pixels_HWC - np.array(PALETTE[name]), axis=-1) for name in names])
    nearest, distance = far.argmin(axis=0), far.min(axis=0)
    found: list[FlatShape] = []
    for number, name in enumerate(names):
        mask = (nearest == number) & (distance < NEAR)
        regions, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        for place, window in enumerate(ndimage.find_objects(regions), 1):
            region = regions[window] == place
            if region.sum() < 0.3 * min(SIZES) ** 2:
                continue
            top, left = window[0].start, window[1].start
            found += [FlatShape(s, name, left + x, top + y, side) for s, x, y, side in _shapes_of(region)]
    return found


class Settings(BaseModel):
    """There is nothing to set: palette and sizes are those of NLVR's pictures."""

    model_config = ConfigDict(extra="forbid")


class FlatShapes:
    """Reports ``kind`` object (``label`` circle, square or triangle), and of each its colour and size."""

    name = "flat_shapes"
    settings_type = Settings
    labels = tuple(sorted(FILLS))

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.fingerprint = fingerprint(__file__, self.settings.model_dump())

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Boxes are fractions of the image; ``found`` is not used."""
        return [self._one(image) for image in images]

    def _one(self, image: Image.Image) -> list[Evidence]:
        width, height = image.size
        rows = []
        for number, s in enumerate(flat_shapes(image), start=1):
            box = (s.left / width, s.top / height, (s.left + s.side) / width, (s.top + s.side) / height)
            thing = Evidence(f"d{number}", "object", s.shape, box, 1.0, self.name, self.fingerprint)
            rows += [thing, attribute("colour", s.colour, 1.0, thing, self)]
            rows.append(attribute("size", SIZES[s.side], 1.0, thing, self))
        return rows


def _shapes_of(region: np.ndarray) -> list[tuple[str, int, int, int]]:
    """(shape, x, y, side) of the one shape of a region, or of the several that touch in it."""
    height, width = region.shape
    side = min(SIZES, key=lambda s: abs(s - max(height, width)))
    if abs(height - side) <= SLACK and abs(width - side) <= SLACK:
        fill = region.sum() / (height * width)
        shape = min(FILLS, key=lambda name: abs(FILLS[name] - fill))
        return [(shape, (width - side) // 2, height - side if shape == "triangle" else (height - side) // 2, side)]
    return list(_taken_apart(region))


def _taken_apart(region: np.ndarray) -> Iterator[tuple[str, int, int, int]]:
    """Greedily the drawn shape that explains most of what is left, until no shape explains half of itself."""
    from scipy.signal import fftconvolve

    padded = np.pad(region, SLACK)
    left = padded.astype(np.float32)
    whole = left.copy()
    while left.sum() > 0.3 * min(SIZES) ** 2:
        best: tuple[float, str, int, int, int] | None = None
        for side in sorted(SIZES, reverse=True):
            for shape in FILLS:
                drawn = _drawn(shape, side)
                if drawn.shape[0] > whole.shape[0] or drawn.shape[1] > whole.shape[1]:
                    continue
                inside = fftconvolve(whole, drawn[::-1, ::-1], mode="valid") / drawn.sum()
                new = fftconvolve(left, drawn[::-1, ::-1], mode="valid")
                rim = fftconvolve(left, (1 - drawn)[::-1, ::-1], mode="valid")
                # What is covered counts, and what of this shape's own box would be left over counts against it.
                worth = np.where(inside >= COVERED, new - 0.5 * rim, -np.inf)
                y, x = (int(i) for i in np.unravel_index(int(worth.argmax()), worth.shape))
                if worth[y, x] > (best[0] if best else 0.5 * min(SIZES) ** 2 * FILLS["triangle"]):
                    best = (float(worth[y, x]), shape, x, y, side)
        if best is None:
            return
        _, shape, x, y, side = best
        left[y : y + side, x : x + side] *= 1 - _drawn(shape, side)
        yield shape, x - SLACK, y - SLACK, side


@cache
def _drawn(shape: str, side: int) -> np.ndarray:
    """A shape's pixels (side x side, 0 or 1), drawn a little small as soft edges leave it."""
    y, x = np.mgrid[0:side, 0:side] + 0.5
    if shape == "square":
        mask = np.ones((side, side), bool)
    elif shape == "circle":
        mask = (x - side / 2) ** 2 + (y - side / 2) ** 2 <= (side / 2 - 0.3) ** 2
    else:
        mask = np.abs(x - side / 2) <= y / 2 - 0.3
    return mask.astype(np.float32)
