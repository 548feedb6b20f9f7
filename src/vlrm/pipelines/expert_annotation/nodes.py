"""Nodes of expert annotation: draw a round's prompts, annotate their images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from pathlib import Path

import pyarrow as pa

from vlrm.experts.annotate import annotate_table
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.pipelines.settings import World, image_store
from vlrm.prompts import brought_prompts, draw_prompts


def draw(world: World, seed: int, brought: pa.Table, data: str, *, split: str) -> tuple[pa.Table, pa.Table]:
    """Prompts of one split ("round 1", "gate"...) and their exact truth, which is empty for a user's images."""
    number, parts = _size(world, split)
    if brought.num_rows:
        return brought_prompts(brought, split, number)
    return draw_prompts(seed, split, number, parts, image_store(data))


def draw_split(split: str) -> Callable[..., tuple[pa.Table, pa.Table]]:
    """:func:`draw` for one split, with a name that Kedro can show."""
    return update_wrapper(partial(draw, split=split), draw)


def _size(world: World, split: str) -> tuple[int, dict[str, float]]:
    sizes = {
        "calibration": (world.calibration_prompts, world.training_parts),
        "gate": (world.gate_prompts, world.report_parts),
        "report": (world.report_prompts, world.report_parts),
    }
    return sizes.get(split, (world.prompts_per_round, world.training_parts))


def annotate(prompts: pa.Table, experts: list[ExpertConfig], data: str) -> pa.Table:
    """Evidence about every distinct image of the prompts, from the cache where an expert has seen it before."""
    rows = dict(zip(prompts["image_sha256"].to_pylist(), prompts["image"].to_pylist(), strict=True))
    images = [(sha, image_store(data) / path) for sha, path in rows.items()]
    return annotate_table(images, build_experts(experts), cache=Path(data) / "cache" / "evidence")
