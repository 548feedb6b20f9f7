"""Where a round's prompts come from: fresh scenes of the embedded world, or a share of the user's own images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.errors import UserError
from vlrm.images import relative_path, store
from vlrm.progress import track
from vlrm.scenes.questions import ask
from vlrm.scenes.render import render
from vlrm.scenes.world import Scene, sample_scene
from vlrm.schema import PROMPTS, SCENES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SHARES = {"gate": 0.15, "report": 0.25}
"""Shares of a user's images; the rest trains. None calibrates: that takes truth, which is not known of them."""
LEAST = 4
"""Images a split must have: with fewer there is hardly another one for a quad, and no figure worth its name."""


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


def deal(images: Iterable[str], rounds: int) -> dict[str, str]:
    """Image hash -> gate, report or "round N": by the hash alone where there are many images.

    In a small folder a split that would get too few takes the next images, by hash, of the one that can spare most.

    Raises:
        UserError: there are too few images for so many rounds.
    """
    names = [*SHARES, *(f"round {number}" for number in range(1, rounds + 1))]
    dealt = {sha: _by_hash(sha, rounds) for sha in sorted(set(images))}
    needed = LEAST * len(names)
    if len(dealt) < needed:
        fewer = len(dealt) // LEAST - len(SHARES)
        way = f"bring more images, or fewer rounds (rounds={fewer})" if fewer > 0 else "bring more images"
        raise UserError(
            f"there are {len(dealt)} usable images, but rounds={rounds} needs at least {needed} ({LEAST} for each "
            f"round, the gate and the report): {way}."
        )
    held = {name: [sha for sha, split in dealt.items() if split == name] for name in names}
    while min(map(len, held.values())) < LEAST:
        poorest, richest = (pick(names, key=lambda name: len(held[name])) for pick in (min, max))
        held[poorest].append(held[richest].pop(0))
    return {sha: name for name, shas in held.items() for sha in shas}


def _by_hash(sha: str, rounds: int) -> str:
    place = int(sha[:8], 16) / 2**32
    for name, share in SHARES.items():
        if place < share:
            return name
        place -= share
    return f"round {1 + int(sha[8:16], 16) % rounds}"


def brought_prompts(brought: pa.Table, split: str, most: int) -> tuple[pa.Table, pa.Table]:
    """At most ``most`` of the user's prompts in ``split``, drawn by image hash: PROMPTS and an empty SCENES."""
    mine = brought.filter(pc.equal(brought["split"], split)).select(PROMPTS.names).to_pylist()
    mine.sort(key=lambda row: (row["image_sha256"][16:], row["prompt_id"]))
    return pa.Table.from_pylist(mine[:most], PROMPTS), pa.Table.from_pylist([], SCENES)


def scenes_by_image(*tables: pa.Table) -> dict[str, Scene]:
    """Exact truth by image hash."""
    return {row["image_sha256"]: Scene.from_json(row["scene"]) for table in tables for row in table.to_pylist()}
