"""Nodes of evaluation: sit the exam, measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.claims.table import objects_by_image
from vlrm.critiques.quality import CritiqueQuality, judge_responses
from vlrm.critiques.quality import measure as quality
from vlrm.critiques.templates import choose
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.exam_critiques import ExamCritic, written
from vlrm.evaluation.exam_parts import Part, readings
from vlrm.evaluation.metrics import choose_readout, evaluate
from vlrm.evaluation.outcomes import Outcomes, credit
from vlrm.evaluation.sit import images_under, score_table, sit
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.progress import say
from vlrm.prompts import scenes_by_image
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel
from vlrm.schema import EXAM_CRITIQUES
from vlrm.vlm import Vlm, token_counter


def write_critiques(
    exam: pa.Table, critic: Path, policy: Policy, critiques: Critiques, seed: int, data: str
) -> pa.Table:
    """EXAM_CRITIQUES that every exam reads; they need the critic alone, so they are written while the reward model
    trains. Where critiques turn out to be the readout, the rest is written when the exam is sat."""
    items, vlm = exam.to_pylist(), open_vlm(policy, data)
    load_critic(vlm, critic)
    author = ExamCritic(lambda: vlm, choose(critiques.template, vlm.model.config), critiques.sampling, seed)
    rows: list[dict[str, Any]] = []
    for part in get_args(Part):
        for one in readings(part, items, seed, criticised=critiques.exam_pairs):
            if one.with_critiques:
                images = images_under(one.view, one.items, seed)
                rows += author.table(one.items, images, critiques.exam_samples)
                say(f"{len(rows)} critiques written")
    return pa.Table.from_pylist(rows, EXAM_CRITIQUES)


def sit_part(
    exam: pa.Table,
    exam_critiques: pa.Table,
    reward_model: Path,
    critic: Path,
    policy: Policy,
    critiques: Critiques,
    seed: int,
    data: str,
    gate_scores: pa.Table | None = None,
    *,
    part: Part,
) -> pa.Table:
    """SCORES of one part of the exam. The gate is read with critiques and without, and a part of the report split as
    the readout that the gate's scores choose asks for."""

    def speaker() -> Vlm:
        vlm = open_vlm(policy, data)
        load_critic(vlm, critic)
        return vlm

    by_critiques = gate_scores is not None and choose_readout(split_of(exam, gate_scores, "gate")) == "critiques"
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    template = choose(critiques.template, model.backbone.config)
    author = ExamCritic(speaker, template, critiques.sampling, seed, written(exam_critiques))
    rows: list[dict[str, Any]] = []
    for one in readings(part, exam.to_pylist(), seed, by_critiques, critiques.exam_pairs):
        samples = critiques.exam_samples if one.with_critiques else 0
        rows += sit(model, author, one.items, one.view, samples, seed, say, one.flipped)
    return score_table(rows)


def collect_scores(*parts: pa.Table) -> pa.Table:
    return pa.concat_tables(parts)


def measure(exam: pa.Table, scores: pa.Table, seed: int) -> dict[str, Any]:
    """Every figure of one reward model: readout and temperature from the gate, the rest from the report split."""
    gate, report = (split_of(exam, scores, split) for split in ("gate", "report"))
    readout = choose_readout(gate)
    baselines, balanced = baseline_figures(report, seed=seed)
    metrics = evaluate(report, readout, gate=gate, balanced=balanced, seed=seed)
    right = credit(gate.margins(readout))
    items = gate.exam["item_id"].to_list()
    return {
        "metrics": metrics.model_dump(),
        "figures": metrics.flat(),
        "baselines": {name: figure.model_dump() if figure else None for name, figure in baselines.items()},
        "gate": {
            i: float(r) for i, r, keep in zip(items, right, gate.original, strict=True) if keep and np.isfinite(r)
        },
    }


def measure_critiques(
    critiques: pa.Table,
    targets: pa.Table,
    head_critiques: pa.Table,
    candidate_claims: pa.Table,
    edit_claims: pa.Table,
    evidence: pa.Table,
    scenes: pa.Table,
    quad_scenes: pa.Table,
    edits: pa.Table,
    policy: Policy,
    seed: int,
) -> dict[str, Any]:
    """How good this round's critiques are: given the evidence, learned from, and read by the reward model."""
    claims = pa.concat_tables([candidate_claims, edit_claims])
    judged = judge_responses(claims, scenes_by_image(scenes, quad_scenes))
    # With the round's own images: one that was found for a quad, and is asked about itself, was not rendered for it.
    linked = pa.concat_tables(
        [edits.select(["image_sha256", "quad_id"]), candidate_claims.select(["image_sha256"])],
        promote_options="default",
    )
    of = partial(
        quality, judged=judged, evidence=objects_by_image(evidence), linked=linked,
        count_tokens=token_counter(policy.base), seed=seed,
    )  # fmt: skip
    learned = critiques.filter(pc.is_in(critiques["critique_id"], targets["critique_id"].combine_chunks()))
    found = CritiqueQuality(with_evidence=of(critiques), targets=of(learned), on_policy=of(head_critiques))
    return found.model_dump()


def split_of(exam: pa.Table, scores: pa.Table, split: str) -> Outcomes:
    """One split's items and the scores of them."""
    items = [row for row in exam.to_pylist() if row["split"] == split]
    names = {row["item_id"] for row in items}
    said = [row for row in scores.to_pylist() if row["item_id"] in names]
    return Outcomes.read(pa.Table.from_pylist(items, exam.schema), pa.Table.from_pylist(said, scores.schema))
