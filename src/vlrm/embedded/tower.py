"""The embedded vision tower: a small convolutional network registered as a Hugging Face vision model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from vlrm.scenes.world import MAX_OBJECTS, SHAPES

CELLS = 8
"""Cells a side of the image."""
OBJECT = 0.5
"""A cell that holds an object's centre with more than this probability counts as an object."""
CLEAR = 0.1
"""Fraction of the image side at which one object lies clearly to a side of another."""
AMONG = 2 * MAX_OBJECTS + 2 * len(SHAPES)
"""Width of what a token says of the other objects."""


class SceneTowerConfig(PretrainedConfig):
    """``cell_size`` is a cell's width in features; the ``tokens`` surest cells become image tokens."""

    model_type = "vlrm_scene_tower"

    def __init__(
        self,
        image_size: int = 128,
        widths: tuple[int, ...] = (24, 48, 80, 96),
        cell_size: int = 96,
        tokens: int = 8,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        self.image_size = image_size
        self.widths = list(widths)
        self.cell_size = cell_size
        self.initializer_range = initializer_range
        self.tokens = tokens
        self.hidden_size = cell_size + 2 * CELLS + AMONG
        self.patch_size = image_size // CELLS
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
    """Image (B, 3, S, S) to image tokens (B, tokens, hidden_size): the cells that hold objects, in reading order.

    A token is a cell's features, its row and column (one-hot) and how it stands to the other objects
    (:meth:`among`), faded by how sure the tower is of an object there. A language model of a few layers cannot find
    the objects among 64 cells within minutes; among eight it can. Nor can it count or compare places.
    """

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
        self.shape = nn.Linear(config.cell_size, len(SHAPES))
        self.place = nn.Linear(config.cell_size, 3)
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

    def select(self, cells_BHWC: Tensor) -> Tensor:
        """The surest cells as tokens, (B, tokens, hidden_size): objects in reading order, then what is surely empty."""
        batch, height, width, depth = cells_BHWC.shape
        presence_BN = self.gate(cells_BHWC).sigmoid().reshape(batch, -1)
        chosen = presence_BN.topk(self.config.tokens, dim=1).indices
        empty = presence_BN.gather(1, chosen) <= OBJECT
        chosen = chosen.gather(1, (chosen + height * width * empty).argsort(1))
        features = cells_BHWC.reshape(batch, -1, depth).gather(1, chosen[..., None].expand(-1, -1, depth))
        presence_BT = presence_BN.gather(1, chosen)
        row, column = chosen // width, chosen % width
        among = self.among(features, torch.stack([column, row], dim=-1), presence_BT)
        places = [one_hot(part, CELLS).to(features.dtype) for part in (row, column)]
        return torch.cat([features, *places, among], dim=-1) * presence_BT[..., None]

    def among(self, features_BTC: Tensor, cell_BT2: Tensor, presence_BT: Tensor) -> Tensor:
        """What each object is among the others, (B, T, AMONG): a relation module in the sense of Hu et al. (2018).

        The number of objects of its shape and of all objects (one place per number up to ``MAX_OBJECTS``), then for
        each shape how far to the right and below its objects lie, in [-1, 1], 0 where there is none.
        """
        shape_BTK = self.shape(features_BTC).softmax(-1) * presence_BT[..., None]
        centre_BT2 = (cell_BT2 + self.place(features_BTC)[..., :2]) / CELLS
        alike_BT = torch.einsum("bik,bjk->bi", shape_BTK, shape_BTK)
        every_BT = presence_BT.sum(1, keepdim=True).expand_as(presence_BT)
        away_BTT2 = torch.tanh((centre_BT2[:, None] - centre_BT2[:, :, None]) / CLEAR)
        sides_BTK2 = torch.einsum("bjk,bijd->bikd", shape_BTK, away_BTT2).clamp(-1, 1)
        return torch.cat([_numeral(alike_BT), _numeral(every_BT), sides_BTK2.flatten(2)], dim=-1)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        tokens = self.select(self.cells(pixel_values))
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens, tokens))


def _numeral(count: Tensor) -> Tensor:
    """A count as one place per number, shared between the two nearest: (...,) to (..., MAX_OBJECTS)."""
    numbers = torch.arange(1, MAX_OBJECTS + 1, device=count.device, dtype=count.dtype)
    return (1 - (count[..., None] - numbers).abs()).clamp(min=0)


def register() -> None:
    """Make ``AutoModelForImageTextToText`` able to rebuild a saved embedded model."""
    AutoConfig.register("vlrm_scene_tower", SceneTowerConfig, exist_ok=True)
    AutoModel.register(SceneTowerConfig, SceneTower, exist_ok=True)


register()
