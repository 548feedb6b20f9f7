"""The small head on the last hidden state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD_SEED = 0
"""Of the head's first layer; the last is zero, so it decides no reward before training."""


class Head(nn.Module):
    """Two layers on the last hidden state (B, D) to (B,); the last layer starts at zero, so that it adds nothing."""

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # not the process's random state: round 0 must be the same every time
            torch.manual_seed(HEAD_SEED)
            self.first = nn.Linear(width, hidden)
            self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, hidden_BD: Tensor) -> Tensor:
        hidden_BD = hidden_BD.to(self.first.weight.dtype)
        return self.last(torch.nn.functional.silu(self.first(hidden_BD)))[:, 0]
