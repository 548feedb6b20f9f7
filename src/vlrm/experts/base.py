"""What an expert is, and the few things every expert needs: a fingerprint, a crop, an evidence id."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from vlrm.schema import TRACE, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from vlrm.schema import Box


@runtime_checkable
class Expert(Protocol):
    """A model or a measurement that turns a batch of images into evidence.

    Experts run in the order of their configuration. ``found`` holds, per image, what the experts before it
    reported: a detector ignores it, an attribute expert describes the objects in it (``target`` names the
    object). To be built from configuration a class also has ``settings_type``, a pydantic model, and takes
    one instance.
    """

    name: str
    fingerprint: str
    """sha256 over source, weights, settings and the versions of the libraries that compute: a cache key."""

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Evidence per image, in the images' order; images are RGB of any size."""
        ...


def installed(*packages: str) -> str:
    """``package==version`` of the first of ``packages`` that is installed: part of a fingerprint."""
    for package in packages:
        try:
            return f"{package}=={version(package)}"
        except PackageNotFoundError:
            continue
    return f"no {' or '.join(packages)}"


@cache
def _file_hash(path: Path, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(source: str | Path, settings: Mapping[str, Any], files: Sequence[str | Path] = ()) -> str:
    """sha256 of an expert: its source and other files, its settings and library versions (JSON values)."""
    digest = hashlib.sha256()
    for path in (source, __file__, *files):
        digest.update(_file_hash(Path(path).resolve(), Path(path).stat().st_mtime_ns).encode())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def attribute(name: str, value: str, score: float, thing: Evidence, expert: Expert) -> Evidence:
    """Evidence that the object ``thing`` has ``value`` for ``name``; the id is ``<object>.<name>``."""
    return Evidence(
        evidence_id=f"{thing.evidence_id}.{name}",
        kind=name,
        label=value,
        box=thing.box,
        score=round(float(score), 4),
        expert=expert.name,
        fingerprint=expert.fingerprint,
        target=thing.evidence_id,
    )


def objects(rows: Sequence[Evidence]) -> list[Evidence]:
    """The rows that report an object, in their order; traces are none to describe."""
    return [row for row in rows if row.kind == "object" and row.score >= TRACE]


def crop(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The part of ``pixels`` (height, width, 3) inside ``box`` (fractions), at least one pixel, clipped."""
    height, width = pixels.shape[:2]
    x0, x1 = (int(np.clip(round(v * width), 0, width)) for v in (box[0], box[2]))
    y0, y1 = (int(np.clip(round(v * height), 0, height)) for v in (box[1], box[3]))
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    return pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
