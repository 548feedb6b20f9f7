"""How often ``iterate`` does each kind of work, stage by stage: known from the parameters and a sample's yields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, get_args

from vlrm.evaluation.exam_parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.estimate.measured import Yields

FORMS = 5
"""Verification questions that round 0 tries, each on both sides of every gate pair."""


@dataclass(frozen=True)
class ExamSize:
    """Pairs of one split's exam, as :class:`vlrm.evaluation.exam.ExamSizes` asks for them, its prompts and the
    candidates of each."""

    organic: int
    edited: int
    quads: int
    groups: int
    prompts: int
    candidates: int

    @property
    def pairs(self) -> int:
        return self.organic + self.edited + 2 * self.quads

    @property
    def items(self) -> int:
        """Pairs with the two other wordings of each group."""
        return self.pairs + 2 * self.groups

    @property
    def images(self) -> int:
        return min(self.organic + self.edited + self.quads, self.prompts) + self.quads


@dataclass(frozen=True)
class Sizes:
    """What the parameters say of an ``iterate``. ``truth``: the embedded world, where quads' images are drawn."""

    rounds: int
    round_prompts: int
    calibration_scenes: int
    calibration_prompts: int
    gate: ExamSize
    report: ExamSize
    candidates: int
    critiques: float
    on_policy: float
    exam_critiques: int
    budget: int
    critic_epochs: float
    critic_rows: int
    reward_epochs: float
    reward_pairs: int
    best_prompts: int
    best_candidates: int
    truth: bool
    criticised: int
    """Report pairs read with critiques where the plain reward is the readout."""
    flipped: int
    workers: int = 1
    """Stages that run at once."""
    best: bool = True
    """Whether best-of-N is chosen: by truth, or by evidence where own images have questions asked about them."""


class Work(NamedTuple):
    """``items`` of one kind in one stage of a round (None: after the last); ``low`` and ``high`` where it is open."""

    stage: str
    round: int | None
    kind: str
    items: float
    low: float | None = None
    high: float | None = None


def all_work(sizes: Sizes, yields: Yields) -> list[Work]:
    """Everything an ``iterate`` of an experiment that does not exist yet does."""
    work = [Work("start", None, "start", 1), *_groundwork(sizes, yields), *_exam_sitting(sizes, 0)]
    for number in range(1, sizes.rounds + 1):
        work += [*_round(sizes, yields, number), *_exam_sitting(sizes, number)]
    return [one for one in [*work, *_ending(sizes)] if one.items > 0]


def _groundwork(sizes: Sizes, yields: Yields) -> Iterator[Work]:
    stage, prompts = "groundwork", sizes.calibration_prompts
    exams = (sizes.gate, sizes.report)
    asked = prompts + sum(exam.prompts for exam in exams)
    quads = sum(exam.quads for exam in exams)
    yield Work(stage, 0, "calibration scene", sizes.calibration_scenes)
    yield Work(stage, 0, "prompt", asked + (quads if sizes.truth else 0))
    images = prompts * (yields.images + yields.quad_images) + sum(exam.images for exam in exams)
    yield Work(stage, 0, "image annotated", images)
    drawn = prompts * sizes.candidates + sum(exam.prompts * exam.candidates for exam in exams)
    yield Work(stage, 0, "candidate", drawn)
    yield Work(stage, 0, "prompt edited", prompts)
    yield Work(stage, 0, "response scored", 2 * FORMS * sizes.gate.items)
    yield Work(stage, 0, "model loaded", 4)
    yield Work(stage, 0, "experts loaded", 4)


def _round(sizes: Sizes, yields: Yields, number: int) -> Iterator[Work]:
    prompts = sizes.round_prompts
    sampled = prompts * yields.criticised * sizes.critiques
    kept = kept_pairs(sizes, yields)
    targets = number * sampled * yields.targets
    yield Work("expert_annotation", number, "prompt", prompts)
    yield Work("expert_annotation", number, "image annotated", prompts * yields.images)
    yield Work("expert_annotation", number, "experts loaded", 1)
    stage = "critique_generation"
    yield Work(stage, number, "candidate", prompts * sizes.candidates)
    yield Work(stage, number, "prompt edited", prompts)
    yield Work(stage, number, "image annotated", prompts * yields.quad_images)
    yield Work(stage, number, "critique with evidence", sampled)
    yield Work(stage, number, "model loaded", 2)
    yield Work(stage, number, "experts loaded", 1)
    yield Work("rejection_sampling", number, "pair judged", prompts * yields.offered)
    yield Work("rejection_sampling", number, "model loaded", 1)
    stage = "rm_training"
    yield Work(stage, number, "critic step", math.ceil(sizes.critic_epochs * targets / sizes.critic_rows))
    yield Work(stage, number, "critique", number * kept * yields.sides * sizes.on_policy)
    yield Work(stage, number, "reward step", math.ceil(sizes.reward_epochs * number * kept / sizes.reward_pairs))
    yield Work(stage, number, "model loaded", 3)
    yield Work(stage, number, "model saved", 1)


def kept_pairs(sizes: Sizes, yields: Yields) -> float:
    """Pairs a round keeps: what its evidence settles, as far as the budget goes."""
    return min(sizes.budget, sizes.round_prompts * yields.accepted)


def _exam_sitting(sizes: Sizes, number: int) -> Iterator[Work]:
    """Which readout wins on the gate decides how much of the exam is read with critiques: known only then.

    The base model's critiques do not win in round 0; later the mean of both cases is expected.
    """
    stage, report = "evaluation", sizes.report
    lone, grouped, everything = report.pairs - report.groups, 3 * report.groups, report.pairs
    scored = 2 * (sizes.gate.items + lone + grouped + 2 * everything)
    flipped = min(sizes.flipped, lone)
    few = sizes.gate.items + min(sizes.criticised, lone) + grouped + min(flipped, everything)
    many = sizes.gate.items + lone + grouped + 2 * min(sizes.criticised, everything)
    low, high = (2 * sizes.exam_critiques * pairs for pairs in (few, many))
    read = low if number == 0 else (low + high) / 2
    most = low if number == 0 else high
    turned = 2 * sizes.exam_critiques * flipped
    yield Work(stage, number, "response scored", scored)
    yield Work(stage, number, "critique", read, low, most)
    yield Work(stage, number, "scored with critique", read + turned, low + turned, most + turned)
    yield Work(stage, number, "model loaded", 1 + len(get_args(Part)))


def _ending(sizes: Sizes) -> Iterator[Work]:
    stage = "release and report"
    best = min(sizes.best_prompts, sizes.report.prompts) * sizes.best_candidates if sizes.best else 0
    yield Work(stage, None, "candidate", best)
    yield Work(stage, None, "response scored", best + 2 * sizes.gate.pairs)
    yield Work(stage, None, "model loaded", 2)
    yield Work(stage, None, "model released", 1)
