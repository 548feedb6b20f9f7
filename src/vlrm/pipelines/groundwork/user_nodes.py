"""Nodes about a user's own images: bring them in, see whether they are of a known world, set their exam by evidence."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlrm.answers.words import words_known
from vlrm.asking import Questions, ask_about
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import evidence_by_image, objects_by_image
from vlrm.counterfactuals import CounterfactualSettings
from vlrm.errors import UserError
from vlrm.evaluation.by_evidence import exam_by_evidence
from vlrm.evaluation.exam import ExamSizes
from vlrm.experts.annotate import annotate_table
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.familiar import embedded_parts, familiar_bounds, familiarity, strangeness
from vlrm.images import open_image
from vlrm.pipelines.expert_annotation.nodes import annotate
from vlrm.pipelines.groundwork.nodes import CALIBRATION_SEED
from vlrm.pipelines.settings import Policy, image_store
from vlrm.policy.protocol import row_seed
from vlrm.progress import track
from vlrm.prompts import deal
from vlrm.rejection_sampling.rule import Rule
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes
from vlrm.schema import BROUGHT, EXAM, QUARANTINE
from vlrm.user_files import describe_folder, ingest, read_prompts

log = logging.getLogger(__name__)
LOOKED_AT, REFERENCE_SCENES = 64, 60
"""Of a user's images, and of the rendered scenes that they are compared with."""


def bring(images: str | None, prompts: str | None, rounds: int, data: str) -> tuple[pa.Table, pa.Table]:
    """The user's prompts with the split each belongs to (none for the embedded world), and the rows set aside."""
    if images is None:
        if prompts is not None:
            raise UserError("prompts= was given without images=: name the folder that the prompts' images lie in.")
        return BROUGHT.empty_table(), QUARANTINE.empty_table()
    # A name of digits arrives from the command line as a number.
    folder = Path(str(images)).expanduser()
    rows = read_prompts(Path(str(prompts)).expanduser()) if prompts is not None else describe_folder(folder)
    good, quarantine = ingest(rows, folder, image_store(data), source=str(images if prompts is None else prompts))
    if quarantine.num_rows:
        first = quarantine.slice(0, 1).to_pylist()[0]
        log.warning("%d of %d rows of %s were set aside; row %d: %s",
                    quarantine.num_rows, len(rows), first["source"], first["row"], first["reason"])  # fmt: skip
    dealt = deal(good["image_sha256"].to_pylist(), rounds)
    return good.append_column("split", pa.array([dealt[sha] for sha in good["image_sha256"].to_pylist()])), quarantine


def bring_and_ask(
    images: str | None, prompts: str | None, rounds: int, data: str, questions: Questions, experts: list[ExpertConfig]
) -> tuple[pa.Table, pa.Table]:
    """As :func:`bring`; where no questions were brought, ours about what the experts see (:mod:`vlrm.asking`)."""
    brought, quarantine = bring(images, prompts, rounds, data)
    if prompts is not None:
        return brought, quarantine
    seen = objects_by_image(annotate(brought, experts, data))
    return pa.Table.from_pylist(ask_about(brought.to_pylist(), seen, questions), BROUGHT), quarantine


def look_at_images(
    brought: pa.Table, quarantine: pa.Table, experts: list[ExpertConfig], policy: Policy, data: str
) -> dict[str, Any]:
    """What a user brought, and whether it is of the world of the embedded models; a warning when too little is."""
    parts = embedded_parts(policy.base, experts)
    paths = {row["image_sha256"]: image_store(data) / row["image"] for row in brought.to_pylist()}
    sample = [(sha, paths[sha]) for sha in sorted(paths)[:LOOKED_AT]] if parts else []
    surest: dict[str, float] | None = None
    if sample and "detector" in parts:
        seen = evidence_by_image(
            annotate_table(sample, build_experts(experts), cache=Path(data) / "cache" / "evidence")
        )
        surest = {
            sha: max((e.score for e in seen.get(sha, []) if e.expert == "detector"), default=0) for sha, _ in sample
        }
    bounds = familiar_bounds(
        render(scene) for scene in islice(scenes(CALIBRATION_SEED), REFERENCE_SCENES if sample else 0)
    )
    reasons = [
        strangeness(open_image(path), surest[sha] if surest else None, bounds)
        for sha, path in track(sample, "image looked at", len(sample))
    ]
    found = familiarity(reasons, parts)
    if found["warning"]:
        log.warning(found["warning"])
    counts = {"prompts": brought.num_rows, "images": len(paths), "set_aside": quarantine.num_rows}
    return counts | {"familiarity": found}


def settle_by_evidence(
    gate_prompts: pa.Table,
    gate_candidates: pa.Table,
    report_prompts: pa.Table,
    report_candidates: pa.Table,
    brought: pa.Table,
    reliability: dict[str, Any],
    tau: dict[str, Any],
    rule: Rule,
    counterfactuals: CounterfactualSettings,
    gate_exam: ExamSizes,
    report_exam: ExamSizes,
    experts: list[ExpertConfig],
    seed: int,
    data: str,
) -> pa.Table:
    """Gate and report pairs of a user's images, ordered by evidence (EXAM); empty for the embedded world."""
    if not brought.num_rows:
        return EXAM.empty_table()
    tables = []
    for split, prompts, candidates, sizes in (
        ("gate", gate_prompts, gate_candidates, gate_exam),
        ("report", report_prompts, report_candidates, report_exam),
    ):
        found = exam_by_evidence(
            prompts, candidates, annotate(prompts, experts, data), Reliability.from_json(reliability), counterfactuals,
            rule, float(tau["tau"]), sizes, split, row_seed("exam", seed, split), words_known(reliability),
        )  # fmt: skip
        if not found.num_rows:
            raise UserError(
                f"the evidence settles no pair of the {split} split ({prompts.num_rows} prompts): bring more images, "
                "or name a base model and experts that know what is in yours (policy.base and experts, in an "
                "environment of your own: docs/own_images.md)."
            )
        tables.append(found)
    return pa.concat_tables(tables)
