"""Trains the embedded VLM from nothing, in two stages, and writes a model folder that transformers loads."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict

from vlrm.embedded.build import build_model, build_processor
from vlrm.embedded.corpus import list_rows, place_rows, write_rows
from vlrm.embedded.data import data_hash, dense_targets, draw_scenes, label_more, render_all
from vlrm.embedded.train_language import encode_rows, train_language
from vlrm.embedded.train_tower import image_tokens, train_tower

if TYPE_CHECKING:
    from pathlib import Path

    from vlrm.embedded.corpus import Row
    from vlrm.embedded.tower import SceneTower
    from vlrm.scenes.world import Scene

TOKENIZER_ROWS = 60_000
WRITERS = 2
"""Processes that write the lessons."""
Progress = Callable[[str], None]


class VlmTraining(BaseModel):
    """Settings of the embedded VLM's training; ``noise`` is the share of captions that follow habit, not pixels."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 101
    scenes: int = 16_000
    validation_scenes: int = 600
    tower_epochs: int = 8
    lists_per_scene: int = 2
    conversations_per_scene: int = 5
    places_per_scene: int = 2
    judging_per_scene: int = 4
    conversations_again: int = 4
    language_epochs: int = 1
    noise: float = 0.6
    batch_tokens: int = 3000


def train_vlm(folder: Path, settings: VlmTraining, progress: Progress = print) -> dict[str, float | str | int]:
    """Train, save to ``folder`` with its provenance in ``training.json``, and return the validation figures."""
    random.seed(settings.seed)
    torch.manual_seed(settings.seed)
    drawn = label_more(draw_scenes(settings.seed, settings.scenes), settings.seed)
    held_out = draw_scenes(settings.seed + 1, settings.validation_scenes)
    progress(f"rendering {len(drawn) + len(held_out)} scenes")
    images, held_out_images = render_all(drawn), render_all(held_out)
    lessons = _lessons(drawn, settings)
    held_out_rows = write_rows(held_out, 3, settings.seed + 1, settings.noise)
    # The last lesson only repeats.
    written = [row for lesson in lessons[:-1] for row in lesson[: TOKENIZER_ROWS // len(lessons[:-1])]]
    processor = build_processor(f"{row.context} {row.target}" for row in written)
    model = build_model(processor)
    tower: SceneTower = model.model.vision_tower
    dense = train_tower(
        tower, images, dense_targets(drawn), (held_out_images, dense_targets(held_out)),
        epochs=settings.tower_epochs, seed=settings.seed, progress=progress,
    )  # fmt: skip
    seen = image_tokens(tower, images)
    exam = (encode_rows(held_out_rows, processor.tokenizer, tower.config.tokens), image_tokens(tower, held_out_images))
    for order, part in enumerate(lessons):
        language = train_language(
            model, encode_rows(part, processor.tokenizer, tower.config.tokens), seen, exam,
            epochs=settings.language_epochs, tokens=settings.batch_tokens, seed=settings.seed + order,
            progress=progress,
        )  # fmt: skip
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    figures = {
        **settings.model_dump(), "data_sha256": data_hash(drawn), "conversations": sum(map(len, lessons)),
        "parameters": sum(p.numel() for p in model.parameters()), **language,
        **{f"tower_{name}": round(value, 4) for name, value in dense.items()},
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    return figures


def _lessons(drawn: list[Scene], settings: VlmTraining) -> list[list[Row]]:
    """The lessons in their order.

    Dense lists first: a model that cannot look yet learns from free captions only what is usual. Then conversations
    of all kinds. Then nothing but counts and places, as dense: mixed among conversations they are not learned, and
    before them they are not made use of. Last all of it, mostly judging, in two lessons: they bring the conversations
    back that the third drives out, now with counts and places in them.
    """
    seed, noise = settings.seed, settings.noise
    judging, again = settings.judging_per_scene, settings.conversations_again
    lessons = [
        [partial(list_rows, drawn, settings.lists_per_scene, seed, noise)],
        [partial(write_rows, drawn, settings.conversations_per_scene, seed, noise)],
        [partial(place_rows, drawn, settings.places_per_scene, seed)],
        [
            partial(write_rows, drawn, judging, seed + 11, noise, judging=True),
            partial(write_rows, drawn, again, seed + 12, noise),
            partial(place_rows, drawn, 1, seed + 13),
        ],
        [
            partial(write_rows, drawn, judging - 1, seed + 21, noise, judging=True),
            partial(write_rows, drawn, again - 1, seed + 22, noise),
            partial(place_rows, drawn, 1, seed + 23),
            partial(list_rows, drawn, 1, seed + 24, noise),
        ],
    ]
    with ProcessPoolExecutor(WRITERS) as pool:
        written = [[pool.submit(part) for part in parts] for parts in lessons]
        return [[row for part in parts for row in part.result()] for parts in written]
