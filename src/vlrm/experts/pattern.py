"""The pattern of each object found: plain, striped or dotted, from where its paint is dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from vlrm.experts import paint
from vlrm.experts.base import attribute, fingerprint, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence

DARK = 0.74
"""A pixel is dark below this share of the brightness its place would have without a pattern."""
_ANGLES = np.deg2rad(np.arange(0, 180, 15))


class Settings(BaseModel):
    """Limits of the two measurements, the share of dark paint and how much of it lines explain."""

    model_config = ConfigDict(extra="forbid")
    plain_below: float = Field(default=0.10, gt=0, lt=1)
    striped_from: float = Field(default=0.55, gt=0, lt=1)
    least_pixels: int = Field(default=40, ge=1)


class Pattern:
    """Reports ``kind`` pattern; the score grows with the distance from the nearest limit, in [.5, .99]."""

    name = "pattern"
    settings_type = Settings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.fingerprint = fingerprint(__file__, self.settings.model_dump(), [paint.__file__])

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        return [self._one(np.asarray(image), objects(rows)) for image, rows in zip(images, found, strict=True)]

    def _one(self, pixels: np.ndarray, things: list[Evidence]) -> list[Evidence]:
        reported = []
        for thing in things:
            others = [other for other in things if other is not thing]
            measured = measure(paint.paint_in(pixels, thing, others), self.settings.least_pixels)
            if measured is not None:
                reported.append(attribute("pattern", *self._judge(*measured), thing, self))
        return reported

    def _judge(self, dark: float, lines: float) -> tuple[str, float]:
        limit, stripes = self.settings.plain_below, self.settings.striped_from
        if dark < limit:
            return "plain", _score((limit - dark) / limit)
        sure = min((dark - limit) / limit, abs(lines - stripes) / 0.2)
        return ("striped" if lines >= stripes else "dotted"), _score(sure)


def _score(sure: float) -> float:
    return min(0.99, 0.5 + 0.5 * sure)


def measure(painted: paint.Paint, least: int) -> tuple[float, float] | None:
    """(share of dark paint, share of its variance that parallel lines of the best direction explain).

    None when fewer than ``least`` pixels can be judged. The first is about 0 for plain, .23 for dots and .4
    for stripes; the second about .3 for dots and .8 for stripes.
    """
    votes = painted.votes()
    mask = (painted.weight >= 0.2) & (painted.hue == votes.argmax())
    inner = ndimage.binary_erosion(mask)
    if inner.sum() >= least:
        mask = inner
    ys, xs = np.nonzero(mask)
    if len(ys) < least:
        return None
    value = painted.value[ys, xs]
    dark = value < DARK * _unpatterned(xs, ys, value)
    share = float(dark.mean())
    return share, _lines(xs, ys, dark) if 0 < share < 1 else 0.0


def _unpatterned(xs: np.ndarray, ys: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Brightness of the bright part as a plane over the object: shading and light change slowly across it."""
    design = np.stack([np.ones(len(xs)), xs - xs.mean(), ys - ys.mean()], axis=1)
    keep = value >= np.median(value)
    plane = value
    for _ in range(3):
        plane = design @ np.linalg.lstsq(design[keep], value[keep], rcond=None)[0]
        bright = value > 0.85 * plane
        if bright.sum() < 10:
            break
        keep = bright
    return plane


def _lines(xs: np.ndarray, ys: np.ndarray, dark: np.ndarray) -> float:
    total = dark.var()
    best = 0.0
    for angle in _ANGLES:
        place = xs * np.cos(angle) + ys * np.sin(angle)
        line = np.floor(place - place.min()).astype(int)
        count = np.maximum(np.bincount(line), 1)
        mean = np.bincount(line, dark) / count
        between = float((count * (mean - dark.mean()) ** 2).sum() / len(dark))
        # Short lines explain variance by chance: subtract what a random pattern would reach.
        chance = (len(count) - 1) / len(dark)
        best = max(best, (between / total - chance) / (1 - chance))
    return best
