"""The COCO vocabulary of 80 objects, and COCO annotation files as exact truth about photos."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vlrm.errors import UserError
from vlrm.experts.detections import clipped
from vlrm.schema import SeenObject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep",
    "cow", "elephant", "bear", "zebra", "giraffe", "", "backpack", "umbrella", "", "",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat",
    "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "", "wine glass", "cup", "fork", "knife",
    "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza",
    "donut", "cake", "chair", "couch", "potted plant", "bed", "", "dining table", "", "",
    "toilet", "", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "", "book", "clock", "vase", "scissors", "teddy bear", "hair drier",
    "toothbrush",
)  # fmt: skip
"""By COCO category id, counted from 1; the ids of categories that COCO never annotated are empty."""
LABELS = tuple(name for name in NAMES if name)


def read_truth(path: Path) -> dict[str, list[SeenObject]]:
    """File name -> objects of each image of a COCO ``instances`` file; images without objects are in it too.

    Crowd regions (``iscrowd``) are left out: their box counts no object.

    Raises:
        UserError: the file is missing or has not the form.
    """
    if not path.is_file():
        raise UserError(f"The truth {path} does not exist: give a COCO instances file (JSON).")
    try:
        raw: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        nouns = {one["id"]: str(one["name"]) for one in raw["categories"]}
        images = {one["id"]: one for one in raw["images"]}
        truth: dict[str, list[SeenObject]] = {one["file_name"]: [] for one in images.values()}
        for thing in raw["annotations"]:
            image = images[thing["image_id"]]
            x, y, width, height = thing["bbox"]
            across, down = image["width"], image["height"]
            box = clipped((x / across, y / down, (x + width) / across, (y + height) / down))
            if box is not None and not thing.get("iscrowd", 0):
                truth[image["file_name"]].append(SeenObject(nouns[thing["category_id"]], box))
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise UserError(
            f"The truth {path} is no COCO instances file ({type(error).__name__}: {error}): it needs the lists images, "
            "annotations and categories as COCO writes them."
        ) from error
    return truth
