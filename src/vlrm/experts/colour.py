"""The colour of each object found: its pixels vote by hue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlrm.experts import paint
from vlrm.experts.base import attribute, fingerprint, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence


class Settings(BaseModel):
    """``painted`` is the least share of a box that must be coloured before a colour is named."""

    model_config = ConfigDict(extra="forbid")
    painted: float = Field(default=0.05, ge=0, le=1)


class Colour:
    """Reports ``kind`` colour; the score is the share of votes by which the first hue leads the second."""

    name = "colour"
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
            painted = paint.paint_in(pixels, thing, others)
            votes = painted.votes()
            if votes.sum() < self.settings.painted * painted.weight.size:
                continue
            second, first = np.sort(votes)[-2:]
            value = paint.NAMES[int(votes.argmax())]
            reported.append(attribute("colour", value, (first - second) / votes.sum(), thing, self))
        return reported
