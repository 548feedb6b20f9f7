"""How far rewards and gradients of batches lie from those of one sequence at a time, over all families of models."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from interleaved import Figure
from training_models import family_models
from vlrm.families import Layout, best_layout
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

QUESTION = "What is in the image?"
RESPONSES = ("There is a red star.", "I can see two blue balls and a small green ring on the table.", "Yes")


def exactness(kinds: Sequence[str]) -> dict[str, Figure]:
    """The largest errors of any family, each over the larger of 1 and the largest value it is an error of."""
    errors: dict[str, dict[str, float]] = {}
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            model, rows = _model(kind, Path(folder))
            errors[kind] = {"reward": _rewards(model, rows), "gradient": _gradients(model, rows)}
    return {
        f"max_{what}_error": Figure(
            (max(found[what] for found in errors.values()),), {kind: found[what] for kind, found in errors.items()}
        )
        for what in ("reward", "gradient")
    }


def _model(kind: str, folder: Path) -> tuple[RewardModel, list[Row]]:
    """A tiny checkpoint of ``kind``, and rows about two images of different shapes and about none."""
    vlm = Vlm.load(family_models.write(kind, folder), folder)
    config = ModelConfig(base=kind, likelihood_scale=1.0, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(vlm, config).eval()
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.last.weight)
    draw = random.Random(4)  # noqa: S311
    sizes = ((64, 48), (120, 60))
    images = [vlm.hold(Image.frombytes("RGB", size, draw.randbytes(3 * size[0] * size[1]))) for size in sizes]
    prompts = ((images[0], QUESTION), (None, "Yes or No?"), (images[1], QUESTION))
    return model, [
        Row(image, question, response, critique)
        for image, question in prompts
        for response in RESPONSES
        for critique in (None, "See: red star.")
    ]


def _batches(rows: Sequence[Row]) -> Iterator[list[int]]:
    """All rows at once, in either order; and parts that cut prompts in two."""
    whole = list(range(len(rows)))
    yield whole
    yield whole[::-1]
    yield whole[3:8]
    yield whole[1::3]


def _layouts(model: RewardModel) -> list[Layout]:
    return sorted({Layout.PADDED, Layout.MASKED, best_layout(model.vlm.model.config)[0]})


@torch.no_grad()
def _rewards(model: RewardModel, rows: Sequence[Row]) -> float:
    model.layout = Layout.PADDED
    alone = torch.cat([model([row]) for row in rows])
    found = 0.0
    for layout in _layouts(model):
        model.layout = layout
        for numbers in _batches(rows):
            found = max(found, _error(model([rows[i] for i in numbers]), alone[numbers]))
    return found


def _gradients(model: RewardModel, rows: Sequence[Row]) -> float:
    """Of a weighted sum of rewards, with respect to LoRA weights and the head, under gradient checkpointing."""
    family_models.learning(model)
    weights = torch.linspace(-1, 1, len(rows))

    def gradients(batches: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        model.zero_grad()
        for part in batches:
            (model([rows[i] for i in part]) * weights[list(part)]).sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    model.layout = Layout.PADDED
    alone = gradients([[i] for i in range(len(rows))])
    found = 0.0
    for layout in _layouts(model):
        model.layout = layout
        together = gradients([range(len(rows))])
        if together.keys() != alone.keys():
            raise RuntimeError(f"{layout} batches give other weights a gradient than single sequences do")
        found = max(found, *(_error(together[name], value) for name, value in alone.items()))
    return found


def _error(found: Tensor, right: Tensor) -> float:
    return float((found - right).abs().max() / right.abs().max().clamp_min(1))
