"""The learning rate over a training: a tenth of the steps to warm up, then a cosine to zero."""

from __future__ import annotations

import math


def warm_cosine(step: int, steps: int) -> float:
    """The factor of the peak rate at ``step`` (from 0) of ``steps``; any number of steps will do."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
