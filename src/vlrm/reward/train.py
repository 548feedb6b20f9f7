"""Trains a round's reward model: LoRA, head and scales from where round 0 stands, on all pairs kept so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import softplus

from vlrm.reward.critic import CriticExample, language_loss
from vlrm.reward.rows import CritiqueTexts, TrainingPair, rows_of, units
from vlrm.reward.schedule import warm_cosine
from vlrm_kernels.pair_margin import pair_margin_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vlrm.reward.model import RewardModel

LANGUAGE_EVERY = 4
"""Steps from one language-model loss to the next: in every step it would cost a fifth of the time."""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class RewardTraining(BaseModel):
    """Settings of reward-model training; the loss's constants are METHOD.md's (docs/method.md, Training)."""

    model_config = ConfigDict(extra="forbid")

    epochs: float = Field(3, gt=0)
    pairs_per_step: int = Field(16, ge=2)
    rate: float = Field(2e-3, gt=0)
    scale_rate: float = Field(2e-2, gt=0)
    """Relative rate of the two scales: they change by factors, in log space they would be steps of this size."""
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_targets: tuple[str, ...] = LINEAR
    centring: float = 0.01
    image_contrast: float = 0.5
    language_model: float = 0.1
    with_critique: float = Field(0.5, ge=0, le=1)
    perturbed: float = Field(0.15, ge=0, le=1)
    clip: float = 1.0


@dataclass(frozen=True)
class StepLog:
    """What one optimiser step saw."""

    step: int
    total: int
    loss: float
    accuracy: float


def train_reward_model(
    model: RewardModel,
    pairs: Sequence[TrainingPair],
    critiques: CritiqueTexts,
    targets: Sequence[CriticExample],
    settings: RewardTraining,
    seed: int,
    progress: Callable[[StepLog], None],
) -> None:
    """Train ``model`` in place.

    Loss = pair margin loss + centring * mean(r^2) + image contrast over quads + language-model loss on accepted
    critiques. Raises :class:`FloatingPointError` when the loss stops being a number.
    """
    model.add_adapter(settings.lora_rank, settings.lora_alpha, settings.lora_targets, seed)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    scales = [model.likelihood_scale, model.yes_scale]
    adapter = [p for n, p in model.backbone.named_parameters() if p.requires_grad and "lora_" in n]
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_("lora_" in name)
    others = [*adapter, *model.head.parameters()]
    steps = max(1, math.ceil(settings.epochs * len(pairs) / settings.pairs_per_step))
    optimizer = torch.optim.AdamW(
        [{"params": others, "lr": settings.rate}, {"params": scales, "lr": settings.scale_rate}],
        weight_decay=0.0,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: warm_cosine(s, steps))
    model.train()
    batches = _batches(pairs, settings.pairs_per_step, rng)
    for step in range(steps):
        chosen = [pairs[i] for i in next(batches)]
        loss, accuracy = _pair_loss(model, chosen, critiques, settings, rng)
        if targets and settings.language_model > 0 and step % LANGUAGE_EVERY == 0:
            some = [targets[i] for i in rng.integers(len(targets), size=settings.pairs_per_step // 2)]
            loss = loss + settings.language_model * language_loss(model.vlm, some)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"reward training: the loss at step {step} of {steps} is not a number")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, settings.clip)
        optimizer.step()
        schedule.step()
        progress(StepLog(step + 1, steps, float(loss.detach()), accuracy))
    model.eval()


def _pair_loss(
    model: RewardModel, batch: Sequence[TrainingPair], critiques: CritiqueTexts, settings: RewardTraining,
    rng: np.random.Generator,
) -> tuple[Tensor, float]:  # fmt: skip
    sides = [rows_of(pair, critiques, rng, settings.with_critique, settings.perturbed) for pair in batch]
    rewards = model([row for pair in sides for row in pair]).reshape(len(batch), 2)
    chosen, rejected = rewards[:, 0], rewards[:, 1]
    weight = torch.tensor([pair.weight for pair in batch])
    margin = torch.tensor([pair.margin for pair in batch])
    loss = pair_margin_loss(chosen, rejected, weight, margin) + settings.centring * rewards.square().mean()
    if settings.image_contrast > 0:
        contrast = image_contrast(batch, chosen, rejected)
        if contrast is not None:
            loss = loss + settings.image_contrast * contrast
    return loss, float((chosen > rejected).float().mean())


def image_contrast(batch: Sequence[TrainingPair], chosen_B: Tensor, rejected_B: Tensor) -> Tensor | None:
    """Mean softplus(r(other image, y) - r(image, y)) over both answers of every whole quad in the batch."""
    seen: dict[str, int] = {}
    terms = []
    for j, pair in enumerate(batch):
        if pair.quad is None:
            continue
        i = seen.setdefault(pair.quad, j)
        if i != j:
            terms += [rejected_B[j] - chosen_B[i], rejected_B[i] - chosen_B[j]]
    return softplus(torch.stack(terms)).mean() if terms else None


def _batches(pairs: Sequence[TrainingPair], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    grouped = units(pairs)
    batch: list[int] = []
    while True:
        for unit in rng.permutation(len(grouped)):
            batch.extend(grouped[unit])
            if len(batch) >= size:
                yield batch
                batch = []
