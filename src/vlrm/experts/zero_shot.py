"""Zero-shot object detection by a Hugging Face model (OWL-ViT, OWLv2 ...): it looks for the nouns you name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from vlrm.experts import detections, hugging_face
from vlrm.experts.base import fingerprint, installed
from vlrm.experts.detections import Detection, as_evidence, clipped, suppress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence


class Settings(BaseModel):
    """``model``: a folder or a hub name; ``classes``: the nouns to look for, one pass of the network each."""

    model_config = ConfigDict(extra="forbid")
    model: str
    classes: list[str] = Field(min_length=1)
    prompt: str = "a photo of a {}"
    """What the text encoder reads for a noun."""
    confidence: float = Field(default=0.1, gt=0, lt=1)
    overlap: float = Field(default=0.5, gt=0, lt=1)
    most: int = Field(default=100, ge=1)
    device: str = "auto"
    batch: int = Field(default=16, ge=1)


class ZeroShot:
    """Reports objects: ``kind`` object, ``label`` one of the classes."""

    name = "zero_shot"
    settings_type = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.labels = tuple(settings.classes)
        values = settings.model_dump(mode="json", exclude={"model", "device", "batch"})
        self.identity = {**values, "weights": hugging_face.weights_identity(settings.model)}
        versions = [installed("torch"), installed("transformers")]
        files = [detections.__file__, hugging_face.__file__]
        self.fingerprint = fingerprint(__file__, {**self.identity, "libraries": versions}, files)
        self._pipeline: Any = None

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Objects of each image. ``found`` is not used."""
        if not images:
            return []
        if self._pipeline is None:
            self._pipeline = hugging_face.load_pipeline(
                "zero-shot-object-detection", self.settings.model, self.settings.device
            )
        nouns = {self.settings.prompt.format(noun): noun for noun in self.settings.classes}
        asked = [{"image": image, "candidate_labels": list(nouns)} for image in images]
        answers = self._pipeline(asked, threshold=self.settings.confidence, batch_size=self.settings.batch)
        return [
            as_evidence(suppress(_read(answer, image, nouns), self.settings.overlap), self, self.settings.most)
            for answer, image in zip(answers, images, strict=True)
        ]


def _read(answer: list[dict[str, Any]], image: Image.Image, nouns: dict[str, str]) -> list[Detection]:
    read = []
    for one in answer:
        place = one["box"]
        box = clipped((
            place["xmin"] / image.width, place["ymin"] / image.height,
            place["xmax"] / image.width, place["ymax"] / image.height,
        ))  # fmt: skip
        if box is not None:
            read.append(Detection(nouns[one["label"]], box, min(float(one["score"]), 1.0)))
    return read
