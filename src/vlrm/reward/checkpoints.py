"""What a training must keep to go on as if it had never stopped: weights that learn, optimiser, schedule, random state.

A checkpoint is the same whether one process wrote it or many: tensors are whole in it, and cut up again when read.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WEIGHTS, OPTIMIZER, SCHEDULE, TOLD = "weights.safetensors", "optimizer.pt", "schedule.pt", "training.json"
PREFIX = "checkpoint-"
KEPT = 2


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def whole(value: Tensor) -> Tensor:
    """A tensor on the CPU, gathered from all processes if it is cut up; every process must ask."""
    gathered = value.full_tensor() if isinstance(value, DTensor) else value
    return gathered.detach().cpu()


def local(value: Tensor) -> Tensor:
    """This process's part of a tensor, sharing its memory."""
    value = value.detach()
    return value.to_local() if isinstance(value, DTensor) else value


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """The weights that learn, whole, on the CPU."""
    return {name: whole(p).contiguous().clone() for name, p in trainable(module).items()}


@torch.no_grad()
def put_weights(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Fill the weights that learn; :class:`ValueError` when they are not the ones that are kept."""
    there = trainable(module)
    if there.keys() != weights.keys():
        raise ValueError(f"the checkpoint's weights are not this model's: {sorted(there.keys() ^ weights.keys())[:3]}")
    for name, parameter in there.items():
        parameter.copy_(_like(weights[name].reshape(parameter.shape), parameter))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Its state with every tensor whole."""
    state = optimizer.state_dict()
    return state | {
        "state": {
            number: {k: whole(v) if isinstance(v, Tensor) else v for k, v in one.items()}
            for number, one in state["state"].items()
        }
    }


def put_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, one in state["state"].items():
        for key, value in one.items():
            if isinstance(value, Tensor) and key != "step":  # a scale has one element where it is sharded, else no axis
                one[key] = _like(value.reshape(parameters[number].shape), parameters[number])
    optimizer.load_state_dict(state)


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """``value`` on the parameter's device, cut up as the parameter is."""
    if isinstance(parameter, DTensor):
        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
    return value.to(parameter.device)


def write_model_and_optimizer(
    folder: Path, weights: dict[str, Tensor], optimizer: dict[str, Any], schedule: dict[str, Any], told: dict[str, Any]
) -> None:
    """Write the parts of a checkpoint that are the same for all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    torch.save(optimizer, folder / OPTIMIZER)
    torch.save(schedule, folder / SCHEDULE)
    (folder / TOLD).write_text(json.dumps(told) + "\n")


def read_weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / WEIGHTS)


def read_state(folder: Path, name: str) -> dict[str, Any]:
    """A file of :data:`OPTIMIZER` or :data:`SCHEDULE`; tensors and plain values only."""
    found: dict[str, Any] = torch.load(folder / name, map_location="cpu", weights_only=True)
    return found


def told(folder: Path) -> dict[str, Any]:
    """What the training said of itself when it wrote this checkpoint."""
    found: dict[str, Any] = json.loads((folder / TOLD).read_text())
    return found


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints in a folder, the oldest first."""
    found = [one for one in folder.glob(f"{PREFIX}*") if one.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda one: int(one.name.removeprefix(PREFIX)))


def settle(written: Path, folder: Path) -> None:
    """Give a written checkpoint its name, which only whole ones have, and drop all but the last two."""
    target = folder / written.name
    if target.exists():
        shutil.rmtree(target)
    for file in written.iterdir():
        _flush(file)
    os.replace(written, target)
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)


def _flush(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every element is a number."""
    return all(bool(torch.isfinite(local(one)).all()) for one in tensors)
