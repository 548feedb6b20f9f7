"""Stage one of the embedded VLM: dense supervision of the vision tower, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vlrm.embedded.data import DENSE, to_pixels

if TYPE_CHECKING:
    from vlrm.embedded.tower import SceneTower

Progress = Callable[[str], None]
TEXT_WEIGHT = 1.5
OBJECT_WEIGHT = 8.0
"""Few cells of an image hold an object, and an object missed is missed by everything that reads the tower."""


class DenseHeads(nn.Module):
    """Linear read-outs of a cell: is there an object's centre, its classes, and its place.

    Gate, shape and place are the tower's own: its tokens are made with them.
    """

    def __init__(self, tower: SceneTower) -> None:
        super().__init__()
        width = tower.config.cell_size
        self.object = tower.gate
        others = {name: nn.Linear(width, number) for name, number in DENSE.items() if name != "shape"}
        self.classes = nn.ModuleDict({"shape": tower.shape, **others})
        self.place = tower.place

    def loss(self, cells_BHWC: Tensor, target: dict[str, Tensor]) -> Tensor:
        present = target["object"] > 0
        total = functional.binary_cross_entropy_with_logits(self.object(cells_BHWC)[..., 0], target["object"])
        features = cells_BHWC[present]
        total = OBJECT_WEIGHT * total + functional.smooth_l1_loss(self.place(features), target["place"][present])
        for name, head in self.classes.items():
            weight = TEXT_WEIGHT if name == "text" else 1.0
            total = total + weight * functional.cross_entropy(head(features), target[name][present])
        return total

    @torch.no_grad()
    def accuracy(self, cells_BHWC: Tensor, target: dict[str, Tensor]) -> dict[str, float]:
        present = target["object"] > 0
        features = cells_BHWC[present]
        said = self.object(cells_BHWC)[..., 0] > 0
        figures = {"object_f1": float(2 * (said & present).sum() / (said.sum() + present.sum()))}
        for name, head in self.classes.items():
            said, true = head(features).argmax(-1), target[name][present]
            # Most objects carry no label: to say so is not reading.
            counted = true > 0 if name == "text" else torch.ones_like(true, dtype=torch.bool)
            figures[name] = float((said == true)[counted].float().mean())
        return figures


def train_tower(
    tower: SceneTower,
    images: np.ndarray,
    targets: dict[str, Tensor],
    validation: tuple[np.ndarray, dict[str, Tensor]],
    *,
    epochs: int,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    progress: Progress = print,
) -> dict[str, float]:
    """Train in place; returns validation accuracies per dense target."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    heads = DenseHeads(tower)
    parameters = list(dict.fromkeys([*tower.parameters(), *heads.parameters()]))
    tower.to(memory_format=torch.channels_last)
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    tower.train()
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        running = 0.0
        for start in range(0, len(images) - batch + 1, batch):
            rows = order[start : start + batch]
            with training_precision():
                cells = tower.cells(to_pixels(images[rows])).float()
            loss = heads.loss(cells, {k: v[rows] for k, v in targets.items()})
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            running += float(loss.detach())
        tower.eval()
        figures = heads.accuracy(cell_features(tower, validation[0]), validation[1])
        tower.train()
        shown = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        mean = running / max(1, len(images) // batch)
        progress(f"tower epoch {epoch + 1}/{epochs} loss {mean:.3f} {shown} {time.monotonic() - started:.0f} s")
    tower.to(memory_format=torch.contiguous_format).eval()
    return figures


def training_precision() -> AbstractContextManager[object]:
    """bfloat16 convolutions where the processor has tiles for them (twice as fast there), else float32."""
    if torch.cpu.get_capabilities().get("amx_bf16", False):
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


@torch.no_grad()
def image_tokens(tower: SceneTower, images: np.ndarray, batch: int = 128) -> Tensor:
    """What the tower hands to the language model, (N, tokens, hidden_size) float32."""
    parts = (to_pixels(images[i : i + batch]) for i in range(0, len(images), batch))
    return torch.cat([tower(pixels).last_hidden_state for pixels in parts])


@torch.no_grad()
def cell_features(tower: SceneTower, images: np.ndarray, batch: int = 128) -> Tensor:
    """Features of every cell, (N, 8, 8, cell_size) float32."""
    return torch.cat([tower.cells(to_pixels(images[i : i + batch])) for i in range(0, len(images), batch)])
