"""The learning rate over a training: a tenth of the steps to warm up, then a cosine to zero."""

from __future__ import annotations

import math


def warm_cosine(step: int, steps: int) -> float:
    """The factor of the peak rate at ``step`` (from 0) of ``steps``; any number of steps will do."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class WarmCosine:
    """:func:`warm_cosine` as a scheduler's function; ``lowered`` is what a guard made of the whole of it.

    An object, not a function, because schedulers keep the attributes of objects in checkpoints.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.lowered = 1.0

    def __call__(self, step: int) -> float:
        return self.lowered * warm_cosine(step, self.steps)
