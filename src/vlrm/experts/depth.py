"""How near each object found is, by a Hugging Face depth estimation model (DPT, Depth Anything ...)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlrm.experts import hugging_face
from vlrm.experts.base import attribute, crop, fingerprint, installed, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence


class Settings(BaseModel):
    """``model``: a folder or a hub name. ``larger``: what a larger value means; metric models say farther."""

    model_config = ConfigDict(extra="forbid")
    model: str
    larger: Literal["nearer", "farther"] = "nearer"
    device: str = "auto"
    batch: int = Field(default=16, ge=1)


class Depth:
    """Reports ``kind`` depth: ``label`` is the share of the image that lies behind the object, "0.00" to "1.00".

    A share, because relative models have neither unit nor zero; of two objects in one image the one with the larger
    share is nearer. The score is the share of the object's box on the same side of the image's median depth.
    """

    name = "depth"
    settings_type = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        values = {"larger": settings.larger, "weights": hugging_face.weights_identity(settings.model)}
        versions = [installed("torch"), installed("transformers")]
        self.fingerprint = fingerprint(__file__, {**values, "libraries": versions}, [hugging_face.__file__])
        self._pipeline: Any = None

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Depth of the objects found; images without objects never reach the network."""
        some = [place for place, rows in enumerate(found) if objects(rows)]
        reported: list[list[Evidence]] = [[] for _ in images]
        if not some:
            return reported
        if self._pipeline is None:
            self._pipeline = hugging_face.load_pipeline("depth-estimation", self.settings.model, self.settings.device)
        answers = self._pipeline([images[place] for place in some], batch_size=self.settings.batch)
        for place, answer in zip(some, answers, strict=True):
            nearness = np.asarray(answer["predicted_depth"], np.float32).squeeze()
            nearness = nearness if self.settings.larger == "nearer" else -nearness
            reported[place] = [self._one(thing, nearness) for thing in objects(found[place])]
        return reported

    def _one(self, thing: Evidence, nearness_HW: np.ndarray) -> Evidence:
        inside = crop(nearness_HW[..., None], thing.box)[..., 0]
        behind = float((nearness_HW < np.median(inside)).mean())
        front = float((inside > np.median(nearness_HW)).mean())
        return attribute("depth", f"{behind:.2f}", max(front, 1 - front), thing, self)
