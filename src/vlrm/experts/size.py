"""The size of each object found, from its box: small, medium or large."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from vlrm.experts.base import attribute, fingerprint, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence

NAMES = ("small", "medium", "large")


class Settings(BaseModel):
    """Where medium and large begin: half the box's side (geometric mean) as a fraction of the image's."""

    model_config = ConfigDict(extra="forbid")
    medium_from: float = Field(default=0.0806, gt=0, lt=1)
    large_from: float = Field(default=0.1204, gt=0, lt=1)
    error: float = Field(default=0.03, gt=0)
    """Spread of the logarithm of a detected box's side; it turns the distance to the limit into a score."""


class Size:
    """Reports ``kind`` size; the score is the chance that no limit lies within the box's error."""

    name = "size"
    settings_type = Settings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.fingerprint = fingerprint(__file__, self.settings.model_dump())

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        return [[self._one(thing) for thing in objects(rows)] for rows in found]

    def _one(self, thing: Evidence) -> Evidence:
        x0, y0, x1, y1 = thing.box
        half = math.sqrt((x1 - x0) * (y1 - y0)) / 2
        limits = (self.settings.medium_from, self.settings.large_from)
        nearest = min(abs(math.log(half / limit)) for limit in limits)
        score = min(0.999, 1 / (1 + math.exp(-1.7 * nearest / self.settings.error)))
        return attribute("size", NAMES[sum(half >= limit for limit in limits)], score, thing, self)
