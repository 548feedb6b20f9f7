"""The embedded vision tower: a small convolutional network registered as a Hugging Face vision model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class SceneTowerConfig(PretrainedConfig):
    """``cell_size`` is a cell's width in features; 2 x 2 cells are folded into one image token."""

    model_type = "vlrm_scene_tower"

    def __init__(
        self,
        image_size: int = 128,
        widths: tuple[int, ...] = (24, 48, 80, 96),
        cell_size: int = 96,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        self.image_size = image_size
        self.widths = list(widths)
        self.cell_size = cell_size
        self.initializer_range = initializer_range
        self.hidden_size = 4 * cell_size
        self.patch_size = image_size // 4
        self.num_hidden_layers = 1
        super().__init__(**kwargs)


class Residual(nn.Module):
    """Two 3 x 3 convolutions round which the input passes unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.norm_first = nn.GroupNorm(8, width)
        self.norm_second = nn.GroupNorm(8, width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = self.first(torch.nn.functional.silu(self.norm_first(x_BCHW)))
        return x_BCHW + self.second(torch.nn.functional.silu(self.norm_second(y)))


class SceneTower(PreTrainedModel):
    """Image (B, 3, S, S) to 16 image tokens (B, 16, 4 * cell_size): a 4 x 4 grid of folded 2 x 2 cells."""

    config_class = SceneTowerConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)

    def __init__(self, config: SceneTowerConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        width_in = 3
        for depth, width in enumerate(config.widths):
            layers.append(nn.Conv2d(width_in, width, 5 if depth == 0 else 3, stride=2, padding=2 if depth == 0 else 1))
            layers.extend(Residual(width) for _ in range(0 if depth == 0 else 1))
            width_in = width
        layers.append(Residual(width_in))
        self.body = nn.Sequential(*layers)
        self.out = nn.Conv2d(width_in, config.cell_size, 1)
        self.norm = nn.LayerNorm(config.cell_size)
        self.gate = nn.Linear(config.cell_size, 1)
        self.position = nn.Parameter(torch.zeros(16, config.hidden_size))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def cells(self, pixel_values: Tensor) -> Tensor:
        """Features of the 8 x 8 cells, (B, 8, 8, cell_size)."""
        return self.norm(self.out(self.body(pixel_values)).permute(0, 2, 3, 1))

    def objects(self, cells_BHWC: Tensor) -> Tensor:
        """Cells that hold no object's centre faded out: what an empty cell says of shapes is noise to a reader."""
        return cells_BHWC * self.gate(cells_BHWC).sigmoid()

    def fold(self, cells_BHWC: Tensor) -> Tensor:
        """2 x 2 cells side by side in the feature axis: (B, 8, 8, C) to (B, 16, 4C)."""
        batch, height, width, depth = cells_BHWC.shape
        x = cells_BHWC.reshape(batch, height // 2, 2, width // 2, 2, depth).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(batch, height * width // 4, 4 * depth)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        tokens = self.fold(self.objects(self.cells(pixel_values))) + self.position
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens, tokens))


def register() -> None:
    """Make ``AutoModelForImageTextToText`` able to rebuild a saved embedded model."""
    AutoConfig.register("vlrm_scene_tower", SceneTowerConfig, exist_ok=True)
    AutoModel.register(SceneTowerConfig, SceneTower, exist_ok=True)


register()
