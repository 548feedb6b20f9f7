"""The part of the evidence benchmark about cost: what annotation adds to the expert, and memory over many images."""

from __future__ import annotations

import hashlib
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from PIL import Image

from annotation import measure
from vlrm.experts.annotate import annotate_parts
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FEW, MANY = 10_000, 100_000


class Brightness:
    """The cheapest expert that looks at all: one row an image, so that what is measured is annotation itself."""

    name = "brightness"
    fingerprint = "1"

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        return [
            [Evidence("b1", "object", "image", (0, 0, 1, 1), float(np.asarray(image).mean() / 255), self.name, "1")]
            for image in images
        ]


def cost(folder: Path) -> dict[str, Any]:
    """Throughput beside the expert's own batched call, and growth of resident memory from 10,000 to 100,000 images."""
    figures = measure(folder, ["coco_ssd"], number=8, batch=8, rounds=3)
    return {
        "annotation_throughput_ratio": figures["annotation_throughput_ratio"],
        "annotation_batch_speedup": figures["batch_speedup"],
        "annotation_growth_mb": growth(),
    }


def growth() -> float:
    """Megabytes by which resident memory is larger at 100,000 images, all different to the cache, than at 10,000."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        paths = []
        for number in range(50):
            paths.append(root / f"{number}.png")
            Image.fromarray(np.full((32, 32, 3), number, np.uint8)).save(paths[-1])
        process = psutil.Process()
        resident: dict[int, float] = {}
        images = _watched(((_sha(i), path) for i, path in enumerate(islice(cycle(paths), MANY))), process, resident)
        for _ in annotate_parts(images, [Brightness()], 64, root / "cache"):
            pass
    return round(resident[MANY] - resident[FEW], 1)


def _watched(
    images: Iterator[tuple[str, Path]], process: psutil.Process, resident: dict[int, float]
) -> Iterator[tuple[str, Path]]:
    for number, image in enumerate(images, start=1):
        yield image
        if number in (FEW, MANY):
            resident[number] = process.memory_info().rss / 2**20


def _sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()
