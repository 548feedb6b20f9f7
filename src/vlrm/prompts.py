"""Where a round's prompts come from: fresh scenes of the embedded world, or a share of the user's own files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from vlrm.images import describe_folder, ingest, read_prompts, relative_path, store
from vlrm.progress import track
from vlrm.scenes.questions import ask
from vlrm.scenes.render import render
from vlrm.scenes.world import Scene, sample_scene
from vlrm.schema import PROMPTS, QUARANTINE, SCENES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPLITS = {"calibration": 0.1, "gate": 0.1, "report": 0.2}
"""Shares of a user's images, by image hash; the rest trains."""


def store_scene(scene: Scene, root: Path) -> tuple[str, str]:
    """Render and store a scene: its path under the store, and its hash."""
    sha = store(render(scene), root)
    return relative_path(sha, root), sha


def draw_prompts(
    seed: int, split: str, number: int, parts: Mapping[str, float], root: Path
) -> tuple[pa.Table, pa.Table]:
    """``number`` prompts about fresh scenes: PROMPTS and their exact truth, SCENES.

    ``split`` names the stream ("round 1", "report"): streams share no scene. ``parts``: share of each part.
    """
    stream = int.from_bytes(hashlib.sha256(f"{seed}/{split}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(stream)
    names, shares = list(parts), np.array(list(parts.values()))
    prompts, scenes = [], []
    for index in track(range(number), "scene", number):
        part = str(rng.choice(names, p=shares / shares.sum()))
        scene = sample_scene(rng, part)  # type: ignore[arg-type]
        question = ask(scene, rng)
        path, sha = store_scene(scene, root)
        prompts.append({
            "prompt_id": f"{split.replace(' ', '-')}-{index:05d}", "image": path, "image_sha256": sha,
            "question": question.text, "kind": question.kind, "part": part,
        })  # fmt: skip
        scenes.append({"image_sha256": sha, "scene": scene.to_json()})
    return pa.Table.from_pylist(prompts, PROMPTS), pa.Table.from_pylist(scenes, SCENES)


def user_prompts(
    images: str, prompts: str | None, split: str, rounds: int, root: Path
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The user's prompts that belong to ``split``: PROMPTS, an empty SCENES (nothing is known), QUARANTINE.

    An image belongs to one split, and within training to one round, by its hash alone.
    """
    rows = read_prompts(prompts) if prompts else describe_folder(images)
    good, quarantine = ingest(rows, images, root, source=prompts or images)
    mine = [row for row in good.to_pylist() if split_of(row["image_sha256"], rounds) == split]
    return pa.Table.from_pylist(mine, PROMPTS), pa.Table.from_pylist([], SCENES), quarantine


def split_of(sha: str, rounds: int) -> str:
    """calibration, gate, report or ``round N``, from the image's hash."""
    place = int(sha[:8], 16) / 2**32
    for name, share in SPLITS.items():
        if place < share:
            return name
        place -= share
    return f"round {1 + int(sha[8:16], 16) % rounds}"


def no_quarantine() -> pa.Table:
    return pa.Table.from_pylist([], QUARANTINE)


def scenes_by_image(*tables: pa.Table) -> dict[str, Scene]:
    """Exact truth by image hash."""
    return {row["image_sha256"]: Scene.from_json(row["scene"]) for table in tables for row in table.to_pylist()}
