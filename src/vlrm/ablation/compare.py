"""The arms beside the full loop: figures of the plain reading, paired differences, gap recovered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlrm.ablation.arms import ARMS, Role
from vlrm.ablation.labels import LabelRound
from vlrm.evaluation.bootstrap import DRAWS, Floats, Ints, SeedResampler, ratio
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.metrics import item_values
from vlrm.evaluation.naming import evidence_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.evaluation.outcomes import Outcomes

FIGURES = (
    "hallucination_accuracy",
    "plain_consistency",
    "quad_accuracy",
    "organic_accuracy",
    "edited_accuracy",
    "prior_breaking_accuracy",
    "prior_conforming_accuracy",
    "unseen_combination_accuracy",
    "relation_accuracy",
    "blank_image_accuracy",
    "critique_wrong_accuracy",
    "experts_wrong_or_silent_accuracy",
)
"""What every arm is measured by. ``critique_wrong_accuracy``: where the majority of the loop's critiques is wrong."""
HEADLINE = "hallucination_accuracy"
GAPS = ("hallucination_accuracy", "quad_accuracy", "organic_accuracy", "prior_breaking_accuracy")
ROUND_ZERO, FULL, EXACT = "round_zero", "full", "exact_labels"
Figures = dict[str, Figure | None]


class ArmResult(BaseModel):
    """One arm; ``against_full``: its figures minus the full loop's, item by item."""

    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role
    what: str
    pairs: int | None = None
    figures: Figures
    against_full: Figures

    @property
    def loses(self) -> bool | None:
        """Whether the full loop is clearly better; None where that was not measured."""
        difference = figure_of(self.against_full, HEADLINE)
        return None if difference is None else difference.high < 0


class Ablations(BaseModel):
    """Everything an ``ablate`` run found; figures are of the plain reading, but for the arm ``evidence_at_scoring``.

    Where evidence judged the exam, the names of figures say so (:mod:`vlrm.evaluation.naming`).
    """

    model_config = ConfigDict(extra="forbid")

    by_evidence: bool = False
    """The exam's labels are what the experts say: nobody knows the truth about its images."""
    seeds: int
    rounds: int
    pairs: int
    round_zero: Figures
    full: Figures
    gain: Figures
    """The full loop minus round 0."""
    arms: list[ArmResult]
    gap_recovered: Figures
    labels: list[LabelRound] = Field(default_factory=list)

    def measures(self, name: str) -> bool:
        """Whether the exam has items that this figure is about."""
        return any(figure_of(figures, name) for figures in (self.round_zero, self.full))


def figure_of(figures: Figures, name: str) -> Figure | None:
    """A figure by its name in :data:`FIGURES`, whichever of truth and evidence it was judged by."""
    return figures.get(name) or figures.get(evidence_name(name))


@dataclass(frozen=True)
class Measured:
    """One seed: row values of every figure for ``round_zero``, ``full`` and each arm, aligned with ``clusters``."""

    clusters: Ints
    values: dict[str, dict[str, Floats]]


def measure(zero: Outcomes, full: Outcomes, arms: Mapping[str, Outcomes], balanced: np.ndarray) -> Measured:
    """The plain reading of one report split by every model; ``balanced``: see :func:`item_values`."""
    verdict, values = full.verdict_margin(), {}
    for name, outcomes in {ROUND_ZERO: zero, FULL: full, **arms}.items():
        found = item_values(outcomes, "plain", balanced)
        found["relation_accuracy"] = np.where((full.exam["kind"] == "relation").to_numpy(), found[HEADLINE], np.nan)
        found["critique_wrong_accuracy"] = np.where(verdict < 0, found[HEADLINE], np.nan)
        values[name] = {key: found[key] for key in FIGURES}
    return Measured(full.clusters, values)


def compare(
    seeds: Sequence[Measured],
    *,
    rounds: int,
    pairs: Mapping[str, int],
    labels: list[LabelRound],
    by_evidence: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Ablations:
    """Every arm beside the full loop, over one seed or several; ``pairs``: how many each trained on."""
    resampler = SeedResampler([one.clusters for one in seeds], draws, seed)
    called = {key: evidence_name(key) if by_evidence else key for key in FIGURES}

    def figures(name: str) -> Figures:
        return {called[key]: resampler.mean([one.values[name][key] for one in seeds]) for key in FIGURES}

    def against(name: str, other: str) -> Figures:
        return {called[key]: resampler.mean(_differences(seeds, name, other, key), share=False) for key in FIGURES}

    arms = [name for name in seeds[0].values if name in ARMS]
    return Ablations(
        by_evidence=by_evidence,
        seeds=len(seeds),
        rounds=rounds,
        pairs=pairs[FULL],
        round_zero=figures(ROUND_ZERO),
        full=figures(FULL),
        gain=against(FULL, ROUND_ZERO),
        arms=[
            ArmResult(
                name=name, role=ARMS[name].role, what=ARMS[name].what, pairs=pairs.get(name), figures=figures(name),
                against_full=against(name, FULL),
            )
            for name in arms
        ],
        gap_recovered={key: _gap(seeds, key, resampler) for key in GAPS} if EXACT in arms else {},
        labels=labels,
    )  # fmt: skip


def _differences(seeds: Sequence[Measured], ours: str, theirs: str, figure: str) -> list[Floats]:
    return [one.values[ours][figure] - one.values[theirs][figure] for one in seeds]


def _gap(seeds: Sequence[Measured], figure: str, resampler: SeedResampler) -> Figure | None:
    """(full - round 0) / (exact labels - round 0)."""
    top, bottom = (_differences(seeds, name, ROUND_ZERO, figure) for name in (FULL, EXACT))
    return ratio(
        resampler.mean(top, share=False), resampler.mean(bottom, share=False),
        resampler.draws_of_mean(top), resampler.draws_of_mean(bottom),
    )  # fmt: skip
