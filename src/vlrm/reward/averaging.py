"""The mean of reward models that were trained apart from the same round 0: as fast to read as one, and steadier.

Weights of models that share their start can be averaged where rewards could be (Model soups, 2203.05482; WARM,
2401.12187, for reward models). The mean of low-rank adapters is again one: theirs side by side, of the sum of ranks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from vlrm.errors import UserError
from vlrm.reward.model import LANGUAGE, ModelConfig, RewardModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

HEAD = "head.safetensors"
ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter/adapter_model.safetensors", "adapter/adapter_config.json"


@dataclass(frozen=True)
class AveragedReward:
    """The weighted mean of saved reward models on its way to a folder; ``weights`` are scaled to sum to one."""

    folders: Sequence[Path]
    weights: Sequence[float]

    def save(self, path: Path) -> None:
        """Write a folder that :meth:`RewardModel.load` reads.

        Raises:
            UserError: the models were not trained alike.
        """
        configs = [RewardModel.read_config(folder) for folder in self.folders]
        shares = [weight / sum(self.weights) for weight in self.weights]
        config = _config(configs, shares, self.folders)
        path.mkdir(parents=True, exist_ok=True)
        (path / "reward.json").write_text(config.model_dump_json(indent=2) + "\n")
        self._mean(HEAD, shares, path)
        if config.mode == "full":
            self._mean(LANGUAGE, shares, path)
        if config.adapter:
            (path / ADAPTER_WEIGHTS).parent.mkdir(exist_ok=True)
            self._side_by_side(shares, path)

    def _mean(self, name: str, shares: Sequence[float], path: Path) -> None:
        parts = [load_file(folder / name) for folder in self.folders]

        def mean(key: str) -> Tensor:
            terms = [part[key].float() * share for part, share in zip(parts, shares, strict=True)]
            return torch.stack(terms).sum(0).to(parts[-1][key].dtype)

        save_file({key: mean(key) for key in parts[-1]}, path / name)

    def _side_by_side(self, shares: Sequence[float], path: Path) -> None:
        """``sum_i w_i s_i B_i A_i`` as one product: the A stacked, the B, times weight and scale, side by side."""
        abouts = [json.loads((folder / ADAPTER_CONFIG).read_text()) for folder in self.folders]
        scales = [share * about["lora_alpha"] / about["r"] for share, about in zip(shares, abouts, strict=True)]
        parts = [load_file(folder / ADAPTER_WEIGHTS) for folder in self.folders]
        made = {}
        for key in parts[-1]:
            if ".lora_A." in key:
                made[key] = torch.cat([part[key] for part in parts], 0)
            else:
                made[key] = torch.cat([part[key] * scale for part, scale in zip(parts, scales, strict=True)], 1)
        save_file(made, path / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        rank = sum(about["r"] for about in abouts)
        about = abouts[-1] | {"r": rank, "lora_alpha": rank}
        (path / ADAPTER_CONFIG).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")


def _config(configs: Sequence[ModelConfig], shares: Sequence[float], folders: Sequence[Path]) -> ModelConfig:
    """The configuration of the last, with the mean of the scales."""
    own = ("likelihood_scale", "yes_scale")
    last, same = configs[-1], sorted(ModelConfig.model_fields.keys() - own)
    for folder, config in zip(folders, configs, strict=True):
        other = [name for name in same if getattr(config, name) != getattr(last, name)]
        if other:
            raise UserError(
                f"the reward model in {folder} cannot be averaged with {folders[-1]}, which was trained with "
                f"another {', '.join(other)}: set reward.averaged: 1, or train the rounds again (overwrite=true)"
            )
    means = {
        name: sum(getattr(config, name) * share for config, share in zip(configs, shares, strict=True)) for name in own
    }
    return last.model_copy(update=means)
