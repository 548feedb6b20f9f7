"""Stops a training whose loss on validation pairs no longer falls, and goes back to the best weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class EarlyStop:
    """Counts validations without a lower loss; ``best`` holds the weights of the lowest, whole, on the CPU."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.lowest: float | None = None
        self.step = 0
        self.waited = 0
        self.best: dict[str, Tensor] | None = None

    def better(self, step: int, loss: float) -> bool:
        """Note a validation; True when it is the best so far, so that its weights are to be kept."""
        if self.lowest is None or loss < self.lowest:
            self.lowest, self.step, self.waited = loss, step, 0
            return True
        self.waited += 1
        return False

    @property
    def over(self) -> bool:
        return self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "step": self.step, "waited": self.waited}

    def put_state(self, state: dict[str, Any]) -> None:
        self.lowest, self.step, self.waited = state["lowest"], state["step"], state["waited"]
