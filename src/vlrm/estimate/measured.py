"""What a sample measured: the cost of one item of each kind of work, and how much one prompt gives rise to."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from vlrm import progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Unit(BaseModel):
    """The cost of one item. ``seconds``: a value each time it was measured; tokens and bytes are means."""

    model_config = ConfigDict(extra="forbid")

    seconds: list[float]
    cpu_seconds: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    requests: float = 0.0
    disk: float = 0.0

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds)


class Yields(BaseModel):
    """How much a round's prompt gives rise to, as the sample showed."""

    model_config = ConfigDict(extra="forbid")

    images: float = 1.0
    """Distinct images a prompt."""
    quad_images: float = 0.0
    criticised: float = 0.0
    """Distinct answers that are criticised: candidates and their counterfactuals."""
    offered: float = 0.0
    accepted: float = 0.0
    """Pairs that pass every test but the budget."""
    sides: float = 2.0
    """Distinct answers a kept pair."""
    targets: float = 0.0
    """Critiques learned from, as a share of those sampled."""


class Measured(BaseModel):
    """The sample: ``units`` by kind of work (:mod:`vlrm.estimate.work`); a kind that could not be tried is missing."""

    model_config = ConfigDict(extra="forbid")

    prompts: int
    seconds: float
    units: dict[str, Unit]
    yields: Yields


class Lap:
    """Wall and processor time of a block, and the moments at which it said that another step was done."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0
        self.marks: list[float] = []

    @property
    def steps(self) -> list[float]:
        """Seconds between the marks: the first step, which also prepares, is left out."""
        return [later - before for before, later in zip(self.marks, self.marks[1:], strict=False)]


@contextmanager
def timed(mark: str = "") -> Iterator[Lap]:
    """Time a block; what it says of its progress with ``mark`` in it counts as a step."""
    lap = Lap()

    def hear(text: str) -> None:
        if mark and mark in text:
            lap.marks.append(time.perf_counter())

    wall, cpu = time.perf_counter(), time.process_time()
    with progress.listening(hear):
        yield lap
    lap.seconds, lap.cpu = time.perf_counter() - wall, time.process_time() - cpu


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)
