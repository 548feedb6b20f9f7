"""The loop over several seeds: figures round by round, paired gains, and what was aimed at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from vlrm.evaluation.bootstrap import DRAWS, Floats, Ints, SeedResampler
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.metrics import UNPAIRED, item_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.outcomes import Outcomes, Readout

BY_KIND = tuple(f"kind_{kind}" for kind in ("attribute", "existence", "count", "relation", "text", "mixed"))
"""Pair accuracy by the kind of claim that the two sides differ in."""
FIGURES = (
    "hallucination_accuracy",
    "reasoning_consistency",
    "quad_accuracy",
    "organic_accuracy",
    "edited_accuracy",
    "prior_breaking_accuracy",
    "prior_conforming_accuracy",
    "unseen_combination_accuracy",
    "blank_image_accuracy",
    "swapped_image_accuracy",
    "critique_wrong_accuracy",
    "majority_verdict_accuracy",
    "experts_wrong_or_silent_accuracy",
    "plain_accuracy",
    "critiques_accuracy",
    "plain_consistency",
    *BY_KIND,
)
OVER_VERDICT = "above_majority_verdict"
"""The whole reading minus the majority verdict of its own critiques, pair by pair."""


@dataclass(frozen=True)
class SeedRun:
    """One seed: row values of every figure in rounds 0..R, aligned with ``clusters``."""

    clusters: Ints
    rounds: list[dict[str, Floats]]


class SeedFigures(BaseModel):
    """What several seeds say together; ``gains``: the last round minus round 0, item by item."""

    model_config = ConfigDict(extra="forbid")

    seeds: int
    rounds: list[dict[str, Figure | None]]
    gains: dict[str, Figure | None]


def seed_run(rounds: Sequence[tuple[Outcomes, Readout]], balanced: np.ndarray) -> SeedRun:
    """The outcomes of rounds 0..R on one report split, each in the reading its gate split chose."""
    found = []
    for outcomes, readout in rounds:
        values = item_values(outcomes, readout, balanced)
        right, kind = values["hallucination_accuracy"], outcomes.exam["kind"].to_numpy()
        values |= {name: np.where(kind == name.removeprefix("kind_"), right, np.nan) for name in BY_KIND}
        kept = {name: values[name] for name in FIGURES}
        kept[OVER_VERDICT] = values["hallucination_accuracy"] - values["majority_verdict_accuracy"]
        found.append(kept)
    return SeedRun(rounds[0][0].clusters, found)


def over_seeds(runs: Sequence[SeedRun], draws: int = DRAWS, seed: int = 0) -> SeedFigures:
    """Hierarchical bootstrap of every round and of the gains: seeds, then images; all runs have the same rounds."""
    resampler = SeedResampler([run.clusters for run in runs], draws, seed)
    last = len(runs[0].rounds) - 1
    rounds = [
        {
            name: resampler.mean([run.rounds[number][name] for run in runs], share=name != OVER_VERDICT)
            for name in (*FIGURES, OVER_VERDICT)
        }
        for number in range(last + 1)
    ]
    gains = {
        name: resampler.mean([run.rounds[last][name] - run.rounds[0][name] for run in runs], share=False)
        for name in FIGURES
        if name not in UNPAIRED
    }
    return SeedFigures(seeds=len(runs), rounds=rounds, gains=gains)


@dataclass(frozen=True)
class Goal:
    """A figure of the last round (or its gain) that the project aims at: ``least`` and ``most``, as shares."""

    figure: str
    gain: bool = False
    least: float = -1.0
    most: float = 1.0


GOALS = (
    Goal("hallucination_accuracy", least=0.90),
    Goal("hallucination_accuracy", gain=True, least=0.123),
    Goal("reasoning_consistency", gain=True, least=0.098),
    Goal("quad_accuracy", least=0.85),
    Goal("quad_accuracy", gain=True, least=0.15),
    Goal("organic_accuracy", gain=True, least=0.123),
    Goal("prior_breaking_accuracy", gain=True, least=0.30),
    Goal("blank_image_accuracy", least=0.45, most=0.55),
    Goal("critique_wrong_accuracy", least=0.65),
    Goal("experts_wrong_or_silent_accuracy", least=0.60),
    Goal(OVER_VERDICT, least=0.05),
)


class Reached(BaseModel):
    """A goal, what was measured, and whether it is met; a gain is met only when its interval is clear of zero too."""

    model_config = ConfigDict(extra="forbid")

    goal: str
    measured: Figure | None
    met: bool


def goals_reached(found: SeedFigures, goals: Sequence[Goal] = GOALS) -> list[Reached]:
    reached = []
    for goal in goals:
        figure = (found.gains if goal.gain else found.rounds[-1]).get(goal.figure)
        met = figure is not None and goal.least <= figure.value <= goal.most and (not goal.gain or figure.low > 0)
        reached.append(Reached(goal=_words(goal), measured=figure, met=met))
    return reached


def _words(goal: Goal) -> str:
    name = goal.figure.removesuffix("_accuracy").replace("_", " ")
    if goal.gain:
        return f"{name}: gain of at least {100 * goal.least:.1f} points"
    if goal.most < 1:
        return f"{name}: {100 * goal.least:.0f} to {100 * goal.most:.0f} %"
    return f"{name}: at least {100 * goal.least:.0f}" + (" points" if goal.figure == OVER_VERDICT else " %")
