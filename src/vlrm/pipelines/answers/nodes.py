"""Nodes about a user's answers: bring them in, annotate their images, verify their claims; and measure experts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vlrm.answers.bringing import bring_answers
from vlrm.answers.finding import find_response
from vlrm.answers.verifying import score_answers, verify_answers
from vlrm.answers.words import words_of
from vlrm.claims.calibration import calibration_examples, how_common
from vlrm.claims.presence import Presence
from vlrm.claims.reliability import Reliability
from vlrm.errors import UserError
from vlrm.experts.annotate import annotate, annotate_parts
from vlrm.experts.base import Expert
from vlrm.experts.coco import read_truth
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.experts.label_table import label_table
from vlrm.experts.measured import Measured, detectors, labels_of
from vlrm.images import open_image, relative_path, store
from vlrm.pipelines.settings import Verdicts, World, image_store
from vlrm.progress import track
from vlrm.schema import seen_objects
from vlrm.user_files import image_folder, inside, read_responses
from vlrm.viewing.explanation import explanation_page

log = logging.getLogger(__name__)
SEED = 9_001


class Parts:
    """Tables that are made while they are written; Kedro would save each part of a bare iterator as a whole."""

    def __init__(self, parts: Iterator[pa.Table]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[pa.Table]:
        return self._parts


def bring(images: str | None, responses: str | None, data: str) -> tuple[pa.Table, pa.Table]:
    """The user's answers (ANSWERS), and the rows set aside."""
    if images is None or responses is None:
        raise UserError(
            "answers are verified against their images: give both, --params images=FOLDER,responses=FILE.jsonl."
        )
    rows = read_responses(Path(str(responses)).expanduser())
    folder = Path(str(images)).expanduser()
    good, quarantine = bring_answers(rows, folder, image_store(data), source=str(responses))
    if quarantine.num_rows:
        first = quarantine.slice(0, 1).to_pylist()[0]
        log.warning("%d of %d rows of %s were set aside; row %d: %s",
                    quarantine.num_rows, len(rows), first["source"], first["row"], first["reason"])  # fmt: skip
    return good, quarantine


def annotate_answers(answers: pa.Table, experts: list[ExpertConfig], data: str) -> Parts:
    """Evidence about every image that is answered about, from the cache where an expert has seen it before."""
    paths = dict(zip(answers["image_sha256"].to_pylist(), answers["image"].to_pylist(), strict=True))
    images = ((sha, image_store(data) / path) for sha, path in track(paths.items(), "image", len(paths)))
    return Parts(annotate_parts(images, build_experts(experts), cache=_cache(data)))


def find_reliability(
    answers: pa.Table, experts: list[ExpertConfig], reliability: str | None, world: World, data: str
) -> dict[str, Any]:
    """The likelihoods that verdicts come from: a user's own, those shipped with the detector, or measured on scenes.

    ``answers`` is not used: nothing is measured before the user's files are known to be good.
    """
    from vlrm.pipelines.groundwork.nodes import know_experts

    return know_experts(world, experts, reliability, data)[0]


def verify(answers: pa.Table, evidence: Path, reliability: dict[str, Any], experts: list[ExpertConfig]) -> Parts:
    """One row a claim: what is said, its verdict and probability, the evidence behind it (ANSWER_CLAIMS)."""
    words = words_of(build_experts(experts))
    return Parts(verify_answers(answers, evidence, Reliability.from_json(reliability), words))


def score(answers: pa.Table, claims: pa.Table) -> pa.Table:
    """One row an answer: its groundedness (ANSWER_SCORES)."""
    return score_answers(answers, claims)


def measure_experts(
    images: str | None, truth: str | None, experts: list[ExpertConfig], verdicts: Verdicts, data: str
) -> dict[str, Any]:
    """How reliable the experts are on images whose objects are known, as :class:`Measured`."""
    if images is None or truth is None:
        raise UserError("experts are measured against truth: give --params images=FOLDER,truth=INSTANCES.json.")
    built = build_experts(experts)
    labels = sorted({label for expert in built for label in labels_of(expert)})
    if not labels:
        raise UserError("none of the configured experts reports objects: name a detector in experts.")
    known = read_truth(Path(str(truth)).expanduser())
    found = _annotated(sorted(known), Path(str(images)).expanduser(), built, data)
    pairs = [(known[name], rows) for name, rows in zip(sorted(known), found, strict=True)]
    shown = [[thing for thing in real if thing.noun in labels] for real, _ in pairs]
    scenes = [(real, seen_objects(rows)) for real, (_, rows) in zip(shown, pairs, strict=True)]
    examples = calibration_examples(
        scenes,
        np.random.default_rng(SEED),
        words_of(built),
        how_common(shown),
    )
    fitted = Reliability.fit(
        examples, certain=verdicts.certain, shrink=verdicts.shrink, presence=Presence.fit(scenes, labels)
    )
    return Measured(
        detectors=detectors(built),
        images=len(pairs),
        table=label_table([rows for _, rows in pairs], [real for real, _ in pairs], labels),
        verification=fitted.to_json(),
    ).model_dump(mode="json")


def _annotated(names: list[str], images: Path, built: list[Expert], data: str) -> Iterator[Any]:
    folder, root = image_folder(images), image_store(data)
    shas = (store(inside(name, folder), root) for name in track(names, "image", len(names)))
    return annotate(((sha, root / relative_path(sha, root)) for sha in shas), built, cache=_cache(data))


def _cache(data: str) -> Path:
    return Path(data) / "cache" / "evidence"


def explain(response: str | None, data: str, *tables: Path) -> str:
    """The page that explains the response with this id: its image with boxes, its claims with verdicts (HTML)."""
    if response is None:
        raise UserError("say which response is to be explained: --params response=ID.")
    found = find_response(str(response), tables)
    root = image_store(data)
    image = open_image(root / relative_path(found.response["image_sha256"], root))
    return explanation_page(found.response, found.question, found.claims, found.evidence, image)
