"""An expert of COCO's objects that finds in a photo what its file's first pixel says: evidence without a detector."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vlrm.experts import coco
from vlrm.schema import Evidence

THINGS = {
    0: ("dog", "dog", "person"), 40: ("cat", "couch"), 80: ("person", "horse"), 120: ("dog", "frisbee", "person"),
    160: ("oven", "bowl", "bowl", "sink"), 200: ("car", "bus", "person"), 240: ("bird",),
}  # fmt: skip
"""Red value -> what such a photo shows."""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PhotoExpert:
    name = "photo_expert:PhotoExpert"
    settings_type = Settings
    labels = coco.LABELS
    fingerprint = "by the first pixel"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def annotate(self, images, found):
        return [
            [
                Evidence(f"d{n}", "object", noun, (0.1 * n, 0.1, 0.1 * n + 0.1, 0.6), 0.95, self.name, self.fingerprint)
                for n, noun in enumerate(THINGS[image.getpixel((0, 0))[0]], start=1)
            ]
            for image in images
        ]
