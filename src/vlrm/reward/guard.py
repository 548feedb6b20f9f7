"""Watches the loss of a training and takes back the step that broke it."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vlrm.errors import UserError
from vlrm.reward.checkpoints import local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from vlrm.reward.schedule import WarmCosine

log = logging.getLogger(__name__)
SMOOTH = 0.9
LOWER = 0.5
"""What the rate is multiplied by when a step is taken back."""


class Snapshot:
    """Weights and the optimiser's state of one moment, this process's part of them, in the host's memory."""

    def __init__(self, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        self._weights = [_copy(p) for p in parameters]
        state = optimizer.state
        self._state = [{k: _copy(v) for k, v in state[p].items()} if p in state else None for p in parameters]

    @torch.no_grad()
    def restore(self, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        for parameter, weight, kept in zip(parameters, self._weights, self._state, strict=True):
            local(parameter).copy_(weight)
            if kept is None:
                optimizer.state.pop(parameter, None)
                continue
            for key, value in kept.items():
                if isinstance(value, Tensor):
                    local(optimizer.state[parameter][key]).copy_(value)
                else:
                    optimizer.state[parameter][key] = value


class Guard:
    """Judges each step before it is taken: :meth:`check` says whether to take it.

    A loss is sound if it is a number, its gradient's norm is one, and it is at most ``explosion`` times the running
    mean of sound losses (or one, if the mean is smaller). At an unsound one, weights and optimiser go back to where
    the last sound loss was measured, the rate is halved for the rest of the training, and the batch is left out.

    Raises:
        UserError: after ``restores`` restored steps another one is unsound.
    """

    def __init__(
        self, explosion: float, restores: int, every: int, rate: WarmCosine, told: Callable[[str], None] | None = None
    ) -> None:
        self.explosion = explosion
        self.restores = restores
        self.every = every
        self.rate = rate
        self.done = 0
        self.mean: float | None = None
        self._said = told or log.warning
        self._last: Snapshot | None = None
        self._at = 0

    def check(
        self, step: int, loss: float, norm: float, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> bool:
        """``step`` (from 0) of ``loss`` and gradient ``norm``, before the optimiser has used the gradient."""
        why = self._wrong(loss, norm)
        if why is None:
            self.mean = loss if self.mean is None else SMOOTH * self.mean + (1 - SMOOTH) * loss
            if self._last is None or step - self._at >= self.every:
                self.keep(step, parameters, optimizer)
            return True
        if self.done >= self.restores:
            raise UserError(
                f"reward training went wrong at step {step + 1} after {self.done} restored steps ({why}): lower "
                f"reward.rate (it had fallen to {self.rate.lowered:g} of it), or look for broken rows among the pairs"
            )
        self.done += 1
        self.rate.lowered *= LOWER
        back = "nothing was learned before it"
        if self._last is not None:
            self._last.restore(parameters, optimizer)
            back = f"weights and optimiser are those of step {self._at + 1} again"
        self._said(f"reward training: {why} at step {step + 1}; its batch is left out, {back}, the rate is halved")
        return False

    def keep(self, step: int, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        """Take the present state as the one to go back to."""
        self._last, self._at = Snapshot(parameters, optimizer), step

    def state(self) -> dict[str, Any]:
        return {"done": self.done, "mean": self.mean}

    def put_state(self, state: dict[str, Any]) -> None:
        self.done, self.mean = state["done"], state["mean"]

    def _wrong(self, loss: float, norm: float) -> str | None:
        if not math.isfinite(loss):
            return "the loss is not a number"
        if not math.isfinite(norm):
            return "the gradient is not a number"
        if self.mean is not None and loss > self.explosion * max(self.mean, 1.0):
            return f"the loss is {loss:.3g} after a mean of {self.mean:.3g}"
        return None


def _copy(value: Any) -> Any:
    return local(value).to("cpu", copy=True) if isinstance(value, Tensor) else value
