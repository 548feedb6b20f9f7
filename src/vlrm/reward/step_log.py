"""What a training step saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelerate import Accelerator


@dataclass(frozen=True)
class StepLog:
    """What one optimiser step saw, over all its micro-batches and processes."""

    step: int
    total: int
    loss: float
    accuracy: float
    margin: float = math.nan
    """Mean of r(chosen) - r(rejected)."""
    reward_min: float = math.nan
    reward_mean: float = math.nan
    reward_max: float = math.nan
    rate: float = math.nan
    gradient_norm: float = math.nan


def gathered(seen: Sequence[Mapping[str, Tensor]], accelerator: Accelerator) -> dict[str, float]:
    """The figures of a :class:`StepLog` over the micro-batches of all processes; ``seen``: what the objective gave."""
    chosen, rejected = (torch.cat([one[side] for one in seen]).double() for side in ("chosen", "rejected"))
    both, loss = torch.cat([chosen, rejected]), sum(one["loss"].double() for one in seen)
    sums = [loss, chosen.numel(), (chosen > rejected).sum(), (chosen - rejected).sum(), both.sum()]
    mine = torch.stack([torch.as_tensor(x, dtype=torch.float64, device=both.device) for x in sums])
    ends = torch.stack([both.min(), -both.max()])
    if accelerator.num_processes > 1:
        mine = accelerator.reduce(mine, "sum")
        ends = accelerator.gather(ends[None]).min(0).values
    total, pairs, right, margin, reward = mine.tolist()
    return {
        "loss": total, "accuracy": right / pairs, "margin": margin / pairs, "reward_min": ends[0].item(),
        "reward_mean": reward / pairs / 2, "reward_max": -ends[1].item(),
    }  # fmt: skip
