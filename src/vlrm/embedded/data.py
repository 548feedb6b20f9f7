"""Rendered scenes for training the embedded VLM: pixels as the model sees them, and dense targets for its tower."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vlrm.embedded.tower import CELLS
from vlrm.scenes.render import render
from vlrm.scenes.world import COLOURS, LABELS, PATTERNS, SHAPES, SIZES, Scene, SceneObject, scenes

DENSE = {
    "shape": len(SHAPES),
    "colour": len(COLOURS),
    "size": len(SIZES),
    "pattern": len(PATTERNS),
    "text": len(LABELS) + 1,
}
"""Classes per dense target; text has one more for "no label"."""
NAMES = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "pattern": PATTERNS,
    "text": ("", *LABELS),
}


def draw_scenes(seed: int, number: int) -> list[Scene]:
    return list(islice(scenes(seed), number))


def label_more(drawn: list[Scene], seed: int, share: float = 0.5) -> list[Scene]:
    """The scenes with a printed label on about ``share`` of the objects large enough for one.

    Sixteen labels on a sixth of all objects are too few for a tower to learn to read within minutes.
    """
    rng = np.random.default_rng(seed)
    return [Scene(tuple(_labelled(o, rng, share) for o in scene.objects), scene.seed) for scene in drawn]


def _labelled(thing: SceneObject, rng: np.random.Generator, share: float) -> SceneObject:
    more = thing.size != "small" and thing.text is None and rng.random() < share
    return replace(thing, text=str(rng.choice(LABELS))) if more else thing


def render_small(scene: Scene, side: int = 128) -> np.ndarray:
    """The scene's image scaled as the processor scales it: (side, side, 3) uint8."""
    return np.asarray(render(scene).resize((side, side), Image.Resampling.BILINEAR))


def render_all(drawn: list[Scene], workers: int = 2) -> np.ndarray:
    """All images, (N, side, side, 3) uint8, rendered by ``workers`` processes."""
    with ProcessPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(render_small, drawn, chunksize=32)))


def data_hash(drawn: list[Scene]) -> str:
    digest = hashlib.sha256()
    for scene in drawn:
        digest.update(scene.to_json().encode())
    return digest.hexdigest()


def to_pixels(images: np.ndarray) -> Tensor:
    """uint8 (B, S, S, 3) to normalised float (B, 3, S, S), the same arithmetic as the processor's."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0
    return (x - 0.5) / 0.25


def dense_targets(drawn: list[Scene]) -> dict[str, Tensor]:
    """Per cell: ``object`` (N, 8, 8) 0/1, class index per attribute (-100 where empty), ``place`` (N, 8, 8, 3).

    ``place`` is the centre's offset in its cell and the radius, all in units of a cell.
    """
    number = len(drawn)
    found = {name: torch.full((number, CELLS, CELLS), -100, dtype=torch.long) for name in DENSE}
    present = torch.zeros(number, CELLS, CELLS)
    place = torch.zeros(number, CELLS, CELLS, 3)
    for n, scene in enumerate(drawn):
        for thing in scene.objects:
            column, row = int(thing.x * CELLS), int(thing.y * CELLS)
            present[n, row, column] = 1.0
            place[n, row, column] = torch.tensor(
                [thing.x * CELLS - column, thing.y * CELLS - row, thing.radius * CELLS]
            )
            for name, names in NAMES.items():
                found[name][n, row, column] = names.index(getattr(thing, name) or "")
    return {"object": present, "place": place, **found}
