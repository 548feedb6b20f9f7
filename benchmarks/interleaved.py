"""Measured figures: ways that take turns, the ratios of their process CPU seconds, and what bounds a figure has."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Figure:
    """One figure: its value in each repeat, or the only one where it does not depend on the clock; None: not measured.

    ``more`` is what it was computed from.
    """

    values: tuple[float, ...] | None
    more: dict[str, Any] = field(default_factory=dict)
    why_not: str = ""

    @property
    def median(self) -> float | None:
        return None if self.values is None else statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float] | None:
        return None if self.values is None else (min(self.values), max(self.values))


def seconds(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Process CPU seconds of each way in each repeat: they take turns, another one first each time, after a warm-up.

    CPU time of the process, since the clock on the wall would measure its neighbours too.
    """
    names = list(ways)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats + 1):
        turn = repeat % len(names)
        for name in [*names[turn:], *names[:turn]]:
            start = time.process_time()
            ways[name]()
            if repeat:
                taken[name].append(time.process_time() - start)
    return taken


def speedup(taken: Mapping[str, list[float]], slow: str, fast: str) -> Figure:
    """How many times faster: the ratio within each repeat, so that the machine's moods cancel."""
    ratios = tuple(a / b for a, b in zip(taken[slow], taken[fast], strict=True))
    return Figure(ratios, {"seconds": {name: statistics.median(taken[name]) for name in (slow, fast)}})
