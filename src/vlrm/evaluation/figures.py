"""Figures as they are reported: a value with its 95 % interval, and the set of figures of one round."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Figure(BaseModel):
    """A value with its 95 % interval; ``n`` counts what was averaged (pairs, quads, groups...)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float
    n: int


class Metrics(BaseModel):
    """Every figure of one reward model on one exam; a figure is None where there was nothing to measure."""

    model_config = ConfigDict(extra="forbid")

    readout: str
    """plain (the reward without a critique) or critiques (the mean over critique seeds)."""
    temperature: float
    figures: dict[str, Figure | None]
    by_kind: dict[str, Figure] = Field(default_factory=dict)
    by_part: dict[str, Figure] = Field(default_factory=dict)
    by_source: dict[str, Figure] = Field(default_factory=dict)

    def flat(self) -> dict[str, float]:
        """Name -> value of every figure measured, as experiment trackers want it; groups become
        ``kind_count``."""
        flat = {name: figure.value for name, figure in self.figures.items() if figure is not None}
        for group, figures in (("kind", self.by_kind), ("part", self.by_part), ("source", self.by_source)):
            flat |= {f"{group}_{name}": figure.value for name, figure in figures.items()}
        return flat
