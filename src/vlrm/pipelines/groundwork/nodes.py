"""Nodes of the groundwork: calibration of experts and rule, the exam, the zero-shot reward of round 0."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vlrm.answers.words import with_labels, words_known
from vlrm.claims.calibration import calibration_examples
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import evidence_by_image, verify_responses
from vlrm.claims.truth import holds
from vlrm.evaluation.exam import ExamSizes, build_exam
from vlrm.evaluation.labeller import exam_responses, with_experts
from vlrm.evaluation.naming import judged_by_evidence
from vlrm.evaluation.outcomes import frame_of
from vlrm.experts.annotate import annotate_table
from vlrm.experts.calibration import reliability_report
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.experts.measured import detectors, needs_measuring, read_measured, shipped
from vlrm.pipelines.critique_generation.nodes import sample
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.rm_training.nodes import SavedCritic
from vlrm.pipelines.settings import Policy, World, image_store
from vlrm.policy.protocol import row_seed
from vlrm.progress import say, track
from vlrm.prompts import scenes_by_image, store_scene
from vlrm.rejection_sampling.rule import Rule, calibrate_tau
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.readout import zero_shot
from vlrm.scenes.world import scenes
from vlrm.schema import EXAM, SCENES, seen_objects

CALIBRATION_SEED = 9_001
"""The scenes that calibrate the embedded experts are the same for every seed: they belong to the weights."""


EMBEDDED_DETECTOR = "detector"


def know_experts(
    world: World, experts: list[ExpertConfig], reliability: str | None, data: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What verdicts come from, and a table of what the experts get right.

    A user's own measurement (the file ``reliability``), what is shipped with the detector, or, of the embedded world's
    detector, a measurement on scenes.

    Raises:
        UserError: nothing is known of the experts, or the file is about others.
    """
    built = build_experts(experts)
    known = shipped(built) if reliability is None else read_measured(Path(str(reliability)).expanduser(), built)
    if known is not None:
        return with_labels(known.verification, built), known.table
    if list(detectors(built)) == [EMBEDDED_DETECTOR]:
        return calibrate_experts(world, experts, data)
    raise needs_measuring(built)


def calibrate_experts(world: World, experts: list[ExpertConfig], data: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The experts' likelihoods and weights per claim kind, and a table of what each gets right."""
    built = build_experts(experts)
    drawn = list(islice(scenes(CALIBRATION_SEED), world.calibration_scenes))
    root = image_store(data)
    stored = [store_scene(scene, root) for scene in track(drawn, "calibration scene")]
    images = [(sha, root / path) for path, sha in stored]
    table = annotate_table(images, built, cache=Path(data) / "cache" / "evidence")
    found = evidence_by_image(table)
    evidence = [found.get(sha, []) for _, sha in stored]
    rng = np.random.default_rng(CALIBRATION_SEED)
    examples = calibration_examples(
        [(scene.seen(), seen_objects(rows)) for scene, rows in zip(drawn, evidence, strict=True)], rng
    )
    report = reliability_report(evidence, [scene.seen() for scene in drawn])
    return Reliability.fit(examples).to_json(), report


def calibrate_rule(offered: pa.Table, truth: pa.Table, rule: Rule) -> dict[str, Any]:
    """tau: how sure the evidence must be, from pairs whose order is known; the default where too few are known."""
    known = scenes_by_image(truth)
    sure, right = [], []
    for row in offered.to_pylist():
        scene = known.get(row["image_sha256"])
        if scene is None:
            continue
        seen = scene.seen()
        false = [
            sum(not holds(claim, seen) for claim in extract_claims(row[side], row["question"]))
            for side in ("chosen", "rejected")
        ]
        if false[0] != false[1]:
            sure.append(row["q_plus"])
            right.append(false[0] < false[1])
    if len(sure) < rule.min_calibration_pairs:
        return {**default_rule(rule), "pairs": len(sure)}
    tau = calibrate_tau(sure, right, rule.alpha, rule.min_calibration_pairs, rule.tau_default)
    kept = np.array(sure) >= tau
    error = float(1 - np.array(right)[kept].mean()) if kept.any() else None
    return {
        "tau": float(tau), "pairs": len(sure), "alpha": rule.alpha, "source": "calibration pairs",
        "kept": int(kept.sum()), "error": error,
    }  # fmt: skip


def default_rule(rule: Rule) -> dict[str, Any]:
    """tau where no truth is known."""
    return {"tau": rule.tau_default, "pairs": 0, "alpha": rule.alpha, "source": "default"}


def sample_exam(prompts: pa.Table, policy: Policy, sizes: ExamSizes, seed: int, data: str) -> pa.Table:
    """The candidates that a split's pairs are made of: as many a prompt as the exam asks for."""
    return sample(prompts, policy.model_copy(update={"candidates": sizes.candidates}), seed, data)


def set_exam(
    gate_prompts: pa.Table,
    gate_scenes: pa.Table,
    gate_candidates: pa.Table,
    report_prompts: pa.Table,
    report_scenes: pa.Table,
    report_candidates: pa.Table,
    settled: pa.Table,
    gate_exam: ExamSizes,
    report_exam: ExamSizes,
    seed: int,
    data: str,
) -> tuple[pa.Table, pa.Table]:
    """Gate and report pairs with exact truth (EXAM), and the truth of their images (SCENES).

    ``settled``: the pairs that evidence settled, where no truth is known; they are the exam then.
    """
    if settled.num_rows:
        return settled, SCENES.empty_table()
    tables, truth = [], [gate_scenes, report_scenes]
    for split, prompts, known, candidates, sizes in (
        ("gate", gate_prompts, gate_scenes, gate_candidates, gate_exam),
        ("report", report_prompts, report_scenes, report_candidates, report_exam),
    ):
        rng = np.random.default_rng(row_seed("exam", seed, split))
        exam, fresh = build_exam(
            prompts,
            scenes_by_image(known),
            candidates,
            split,
            rng,
            sizes,
            partial(store_scene, root=image_store(data)),
        )
        tables.append(exam)
        rows = [{"image_sha256": sha, "scene": scene.to_json()} for sha, scene in fresh]
        truth.append(pa.Table.from_pylist(rows, SCENES))
    return pa.concat_tables(tables).cast(EXAM), pa.concat_tables(truth)


def note_experts(exam: pa.Table, evidence: pa.Table, reliability: dict[str, Any]) -> pa.Table:
    """EXAM with ``experts_right``: whether the evidence prefers the chosen side; null where it is silent.

    An exam that the evidence itself judged cannot say where it errs: the column stays null.
    """
    if judged_by_evidence(frame_of(exam)):
        return exam
    responses, prompts = exam_responses(exam)
    known = Reliability.from_json(reliability)
    return with_experts(exam, verify_responses(responses, prompts, evidence, known, words_known(reliability)))


def choose_readout(exam: pa.Table, policy: Policy, data: str) -> tuple[RewardModel, dict[str, float], SavedCritic]:
    """Round 0: the base model's best zero-shot readout on the gate split, with the base itself as critic."""
    vlm = open_vlm(policy, data)
    gate = [row for row in exam.to_pylist() if row["split"] == "gate"]
    pairs = [
        (
            Row(row["image_sha256"], row["question"], row["chosen"]),
            Row(row["image_sha256"], row["question"], row["rejected"]),
        )
        for row in gate
    ]
    config, accuracy = zero_shot(vlm, policy.base, pairs, say)
    return RewardModel(vlm, config), accuracy, SavedCritic(None)
