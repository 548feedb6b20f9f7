"""Node of the estimate: how much there is to do, and a sample of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from vlrm.asking import Questions
from vlrm.counterfactuals import CounterfactualSettings
from vlrm.estimate.extrapolate import Estimate, Prices
from vlrm.estimate.extrapolate import estimate as extrapolate
from vlrm.estimate.work import ExamSize, Sizes
from vlrm.evaluation.exam import ExamSizes
from vlrm.evaluation.exam_parts import FLIPPED
from vlrm.experts.config import ExpertConfig
from vlrm.pipelines.estimate.sampling import PROMPTS, Loop, Sampler
from vlrm.pipelines.settings import BestOf, Critiques, Policy, World
from vlrm.prompts import SHARES
from vlrm.rejection_sampling.claim_questions import ClaimQuestionSettings
from vlrm.rejection_sampling.rule import Rule
from vlrm.reward.critic import CriticTraining
from vlrm.reward.train import RewardTraining
from vlrm.user_files import Row, describe_folder, read_prompts


def estimate_run(
    rounds: int,
    world: World,
    experts: list[ExpertConfig],
    policy: Policy,
    counterfactuals: CounterfactualSettings,
    claim_questions: ClaimQuestionSettings,
    critiques: Critiques,
    rule: Rule,
    critic: CriticTraining,
    reward: RewardTraining,
    gate_exam: ExamSizes,
    report_exam: ExamSizes,
    best_of: BestOf,
    images: str | None,
    prompts: str | None,
    reliability: str | None,
    questions: Questions | None,
    workers: int,
) -> Estimate:
    """What ``iterate`` would take with the same parameters (:class:`vlrm.estimate.extrapolate.Estimate`)."""
    folder, rows = _own(images, prompts)
    each = 1 if questions is None or prompts is not None else len(questions.describe) + questions.existence
    asked = None if rows is None else each * len(rows)
    sizes = _sizes(rounds, world, policy, critiques, rule, critic, reward, gate_exam, report_exam, best_of, asked)
    sizes = replace(sizes, workers=workers, best=rows is None or questions is not None)
    loop = Loop(world, experts, policy, counterfactuals, claim_questions, critiques, rule, critic, reward, reliability)
    with tempfile.TemporaryDirectory(prefix="vlrm-estimate-") as scratch:
        measured = Sampler(loop, Path(scratch)).measure(_some(rows), folder)
    return extrapolate(sizes, measured, _prices(policy))


def _own(images: str | None, prompts: str | None) -> tuple[Path | None, list[Row] | None]:
    if images is None:
        return None, None
    folder = Path(str(images)).expanduser()
    return folder, read_prompts(Path(str(prompts)).expanduser()) if prompts is not None else describe_folder(folder)


def _some(rows: list[Row] | None) -> list[Row] | None:
    """Rows from all over the file: files are often sorted."""
    return None if rows is None else rows[:: max(1, len(rows) // PROMPTS)][:PROMPTS]


def _sizes(
    rounds: int, world: World, policy: Policy, critiques: Critiques, rule: Rule, critic: CriticTraining,
    reward: RewardTraining, gate: ExamSizes, report: ExamSizes, best: BestOf, asked: int | None,
) -> Sizes:  # fmt: skip
    """Prompts of a user are dealt among gate, report and rounds, by image; the parameters say how many at most."""
    shares = {"gate": 1.0, "report": 1.0, "round": 1.0}
    there = float("inf") if asked is None else float(asked)
    if asked is not None:
        shares = SHARES | {"round": (1 - sum(SHARES.values())) / rounds}
    taken = {
        "gate": int(min(world.gate_prompts, shares["gate"] * there)),
        "report": int(min(world.report_prompts, shares["report"] * there)),
        "round": int(min(world.prompts_per_round, shares["round"] * there)),
    }
    return Sizes(
        rounds=rounds, round_prompts=max(1, taken["round"]), calibration_scenes=world.calibration_scenes,
        calibration_prompts=world.calibration_prompts if asked is None else 0,
        gate=_exam(gate, taken["gate"], world.gate_prompts),
        report=_exam(report, taken["report"], world.report_prompts),
        candidates=policy.candidates, critiques=critiques.samples * critiques.share,
        on_policy=critiques.on_policy * critiques.on_policy_share,
        exam_critiques=critiques.exam_samples, budget=rule.budget, critic_epochs=critic.epochs,
        critic_rows=critic.rows_per_step, reward_epochs=reward.epochs, reward_pairs=reward.pairs_per_step,
        best_prompts=best.prompts, best_candidates=best.candidates, truth=asked is None,
        criticised=critiques.exam_pairs, flipped=min(FLIPPED, critiques.exam_pairs),
    )  # fmt: skip


def _exam(asked: ExamSizes, prompts: int, planned: int) -> ExamSize:
    """The exam that is asked for, smaller where there are fewer prompts than planned."""
    share = min(1.0, prompts / planned)
    organic, edited, quads, groups = (
        round(share * size) for size in (asked.organic, asked.edited, asked.quads, asked.groups)
    )
    return ExamSize(organic, edited, quads, groups, prompts, asked.candidates)


def _prices(policy: Policy) -> Prices | None:
    endpoint = getattr(policy, "endpoint", None)
    if endpoint is None:
        return None
    return Prices(
        prompt=getattr(endpoint, "price_per_million_prompt_tokens", None),
        completion=getattr(endpoint, "price_per_million_completion_tokens", None),
    )
