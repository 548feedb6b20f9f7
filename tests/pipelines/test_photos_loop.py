"""The nodes of the loop on photos: experts whose reliability is measured, claims in English, edits, sources of pairs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from photo_expert import THINGS, PhotoExpert
from PIL import Image

import vlrm.experts.measured as measured
from vlrm.answers.words import words_known
from vlrm.asking import Questions
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.vocabulary import EMBEDDED
from vlrm.counterfactuals import CounterfactualSettings
from vlrm.errors import UserError
from vlrm.evaluation.exam import ExamSizes
from vlrm.pipelines.critique_generation.nodes import edit, verify, verify_edits
from vlrm.pipelines.expert_annotation.nodes import annotate, draw
from vlrm.pipelines.groundwork.nodes import default_rule, know_experts
from vlrm.pipelines.groundwork.pipeline import create_pipeline
from vlrm.pipelines.groundwork.user_nodes import bring_and_ask, settle_by_evidence
from vlrm.pipelines.rejection_sampling.nodes import offer
from vlrm.pipelines.settings import World
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import select_pairs
from vlrm.schema import RESPONSES, SCENES

EXPERTS = [{"name": "photo_expert:PhotoExpert"}]
SHIPPED = Path(measured.__file__).with_name("coco_ssd.reliability.json")
SETTINGS = CounterfactualSettings(per_prompt=2, sure=0.85)
RULE = Rule(alpha=0.1, tau_default=0.85)


@pytest.fixture(scope="module")
def reliability_file(tmp_path_factory):
    """COCO SSD's measured reliability, said to be of the expert of this test."""
    raw = json.loads(SHIPPED.read_text())
    raw["detectors"] = measured.detectors([PhotoExpert()])
    file = tmp_path_factory.mktemp("measured") / "mine.json"
    file.write_text(json.dumps(raw))
    return file


@pytest.fixture(scope="module")
def known(reliability_file, tmp_path_factory):
    return know_experts(World(), EXPERTS, str(reliability_file), str(tmp_path_factory.mktemp("none")))[0]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three photos of each kind, and a data folder."""
    folder, data = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("data")
    for red in THINGS:
        for number in range(3):
            Image.new("RGB", (32, 24), (red, number, 7)).save(folder / f"{red}-{number}.png")
    return folder, str(data)


@pytest.fixture(scope="module")
def brought(photos):
    folder, data = photos
    table, quarantine = bring_and_ask(str(folder), None, 2, data, Questions(), EXPERTS)
    assert quarantine.num_rows == 0
    return table


def test_a_measured_expert_has_its_claims_read_as_english(known, tmp_path):
    assert words_known(known) is PHOTOS and words_known({"weights": {}}) is EMBEDDED
    with pytest.raises(UserError, match="not known how reliable"):
        know_experts(World(), EXPERTS, None, str(tmp_path))


def test_questions_are_asked_of_every_split(brought):
    kinds = Counter(zip(brought["split"].to_pylist(), brought["kind"].to_pylist(), strict=True))
    assert {split for split, _ in kinds} == {"gate", "report", "round 1", "round 2"}
    assert all(kinds[split, "description"] == 2 * len(images_of(brought, split)) for split, _ in kinds)
    assert all(kinds[split, "existence"] for split, _ in kinds)


def images_of(brought: pa.Table, split: str) -> set[str]:
    return {row["image_sha256"] for row in brought.to_pylist() if row["split"] == split}


def answers(prompts: pa.Table) -> pa.Table:
    """A true and a false description of each image; to a question whether something is there, yes, then no."""
    said = {
        "description": (("The picture shows a {}.", "sampled"), ("The picture shows a toothbrush.", "other")),
        "existence": (("Yes", "sampled"), ("No", "opposite")),
    }
    rows = [
        {"response_id": f"{prompt['prompt_id']}-c{sample}", "prompt_id": prompt["prompt_id"],
         "image_sha256": prompt["image_sha256"], "text": text.format(SHOWN[prompt["image_sha256"]]), "source": source,
         "sample": sample}
        for prompt in prompts.to_pylist()
        for sample, (text, source) in enumerate(said[prompt["kind"]])
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, RESPONSES)


SHOWN: dict[str, str] = {}
HELD: dict[str, set[str]] = {}
"""Image -> an object that it shows, and all of them."""


def look(prompts: pa.Table, data: str) -> pa.Table:
    evidence = annotate(prompts, EXPERTS, data)
    for row in evidence.to_pylist():
        SHOWN[row["image_sha256"]] = row["label"]
        HELD.setdefault(row["image_sha256"], set()).add(row["label"])
    return evidence


@pytest.fixture(scope="module")
def made(brought, known, photos):
    """A round up to its offered pairs."""
    data = photos[1]
    prompts, scenes = draw(World(), 0, brought, data, split="round 1")
    evidence = look(prompts, data)
    candidates = answers(prompts)
    claims = verify(candidates, prompts, evidence, known)
    edits, quad_prompts, quad_scenes = edit(candidates, claims, prompts, evidence, scenes, known, SETTINGS, 0, data)
    assert quad_scenes.num_rows == 0 and scenes.schema == SCENES
    quad_evidence = annotate(quad_prompts, EXPERTS, data)
    edit_claims = verify_edits(edits, prompts, quad_prompts, evidence, quad_evidence, known)
    return offer(candidates, claims, edits, edit_claims, prompts, quad_prompts, RULE), edits


def test_pairs_say_where_their_rejected_side_comes_from(made):
    offered, _ = made
    sources = Counter(offered["source"].to_pylist())
    assert set(sources) == {"other", "opposite", "counterfactual"} and min(sources.values()) > 4


def test_edits_exchange_objects_of_the_photo_and_answers_to_questions(made):
    _, edits = made
    texts = {row["text"] for row in edits.to_pylist() if row["source"] == "counterfactual"}
    assert {"Yes", "No"} & texts
    described = [text for text in texts if text.startswith("The picture shows")]
    assert described and not any("toothbrush" in text for text in described)


def test_what_the_evidence_settles_is_right_by_the_photo(made):
    offered, _ = made
    selection = select_pairs(offered, RULE, RULE.tau_default)
    kept = selection.kept.to_pylist()
    assert len(kept) >= 8 and {row["source"] for row in kept} >= {"opposite", "counterfactual"}
    for row in kept:
        assert "toothbrush" not in row["chosen"]
        if row["chosen"] in ("Yes", "No"):
            (claim,) = extract_claims("Yes", row["question"], PHOTOS)
            assert (row["chosen"] == "Yes") == (claim.subject.noun in HELD[row["image_sha256"]])
    lines = [row for row in selection.waterfall.to_pylist() if row["test"] == "offered"]
    assert {row["source"] for row in lines} == {"candidates", "counterfactual", "other", "opposite"}


def test_the_exam_of_photos_is_settled_by_evidence(brought, known, photos):
    data = photos[1]
    tables = []
    for split in ("gate", "report"):
        prompts, _ = draw(World(), 0, brought, data, split=split)
        look(prompts, data)
        tables += [prompts, answers(prompts)]
    sizes = ExamSizes(organic=10, edited=6, quads=4, groups=0)
    exam = settle_by_evidence(
        *tables, brought, known, default_rule(RULE), RULE, SETTINGS, sizes, sizes, EXPERTS, 0, data
    )
    assert {row["split"] for row in exam.to_pylist()} == {"gate", "report"}
    assert {row["source"] for row in exam.to_pylist()} == {"organic", "edited"}


def test_what_is_asked_changes_the_shape_of_the_run_only_where_it_is_asked():
    plain, asking = (
        {node.name.rpartition(".")[2]: node for node in create_pipeline(one).nodes} for one in (False, True)
    )
    assert plain.keys() == asking.keys()
    differing = [name for name in plain if plain[name].inputs != asking[name].inputs]
    assert differing == ["bring_files"] and "params:questions" in asking["bring_files"].inputs
