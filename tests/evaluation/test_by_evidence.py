"""Exams of images without truth: settled by evidence, quads on other images of the split, figures named for it."""

import numpy as np
import pyarrow as pa
import pytest
from made_up_exams import realistic
from rich.console import Console
from test_exam import false_claims, world

from vlrm.claims.calibration import calibration_examples
from vlrm.claims.reliability import Reliability
from vlrm.counterfactuals import CounterfactualSettings
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.by_evidence import exam_by_evidence
from vlrm.evaluation.exam import ExamSizes, original_items
from vlrm.evaluation.metrics import evaluate, gains
from vlrm.evaluation.outcomes import Outcomes
from vlrm.evaluation.report import render_report
from vlrm.evaluation.report_data import ReportData, round_report
from vlrm.evaluation.summary import SUMMARY, summary_json, terminal_table
from vlrm.rejection_sampling.rule import Rule
from vlrm.scenes.world import sample_scene
from vlrm.schema import EVIDENCE, EXAM, USER

SIZES = ExamSizes(organic=30, edited=20, quads=20, groups=8)


def evidence_of(sha: str, objects) -> list[dict]:
    rows = []
    for thing in objects:
        common = {"image_sha256": sha, "box": list(thing.box), "expert": "truth", "fingerprint": "x"}
        rows.append(common | {"evidence_id": thing.evidence_id, "kind": "object", "label": thing.noun, "score": 0.97})
        for name, (value, _) in thing.attributes.items():
            facts = {"evidence_id": f"{thing.evidence_id}.{name}", "kind": name, "label": value, "score": 0.97}
            rows.append(common | facts | {"target": thing.evidence_id})
    return rows


@pytest.fixture(scope="module")
def made():
    prompts, scenes, candidates = world(70, seed=5)
    place = prompts.schema.get_field_index("part")
    prompts = prompts.set_column(place, "part", pa.array([USER] * len(prompts)))
    rng = np.random.default_rng(0)
    truths = [sample_scene(rng).seen() for _ in range(120)]
    reliability = Reliability.fit(calibration_examples([(truth, truth) for truth in truths], rng))
    rows = [row for sha, scene in scenes.items() for row in evidence_of(sha, scene.seen())]
    evidence = pa.Table.from_pylist(rows, EVIDENCE)

    def make(seed: int = 3) -> pa.Table:
        settings = CounterfactualSettings()
        return exam_by_evidence(
            prompts, candidates, evidence, reliability, settings, Rule(), 0.95, SIZES, "report", seed
        )

    return make, scenes


def test_pairs_are_those_that_evidence_settles(made):
    make, scenes = made
    exam = make()
    assert exam.schema == EXAM and make().equals(exam)
    rows = original_items(exam).to_pylist()
    assert {row["part"] for row in rows} == {USER} and {row["split"] for row in rows} == {"report"}
    assert all(row["experts_right"] is None for row in rows)
    assert len({row["item_id"] for row in exam.to_pylist()}) == len(exam)
    assert sum(row["source"] == "organic" for row in rows) == SIZES.organic
    assert sum(row["source"] == "edited" and row["quad_id"] is None for row in rows) == SIZES.edited
    assert len({row["group_id"] for row in rows} - {None}) == SIZES.groups
    # The experts of this test see exactly what is there, so what they settle is true.
    for row in rows:
        counts = [
            false_claims(row[side], row["question"], scenes[row["image_sha256"]]) for side in ("chosen", "rejected")
        ]
        assert counts[0] < counts[1]
        assert row["image"] == f"{row['image_sha256'][:8]}.png"


def test_quads_are_found_on_other_images_of_the_split(made):
    make, scenes = made
    pairs = {}
    for row in original_items(make()).to_pylist():
        if row["quad_id"] is not None:
            pairs.setdefault(row["quad_id"], []).append(row)
    assert 5 <= len(pairs) <= SIZES.quads
    for first, second in pairs.values():
        assert (first["chosen"], first["rejected"]) == (second["rejected"], second["chosen"])
        assert first["image_sha256"] != second["image_sha256"]
        assert {first["image_sha256"], second["image_sha256"]} <= set(scenes)
    assert len({first["kind"] for first, _ in pairs.values()}) >= 2


@pytest.fixture(scope="module")
def rounds():
    reports, every = [], []
    for number, skill in enumerate((0.3, 1.2)):
        exam, scores = realistic(skill, items=80)
        place = exam.schema.get_field_index("part")
        outcomes = Outcomes.read(exam.set_column(place, "part", pa.array([USER] * len(exam))), scores)
        metrics = evaluate(outcomes, "plain", gate=outcomes, draws=100)
        reports.append(round_report(number, outcomes, metrics, pairs_offered=90, pairs_kept=30 * number))
        every.append((outcomes, metrics))
    return reports, every


def test_figures_by_evidence_carry_names_of_their_own(rounds):
    reports, every = rounds
    outcomes, metrics = every[1]
    for names in (metrics.figures, metrics.by_kind, baseline_figures(outcomes, draws=50)[0]):
        assert names and all(name.startswith("evidence_") for name in names)
    assert metrics.figures["evidence_pair_accuracy"].value > 0.6
    assert all(name.startswith("evidence_") for name in gains(outcomes, "plain", every[0][0], "plain", draws=50))
    summary = summary_json(reports, 10.0, 100.0, None, by_evidence=True)
    for one in summary["rounds"]:
        assert all(one[name] is None for name in SUMMARY)
        for name in ("pair", "quad", "organic", "blank_image"):
            assert 0 <= one[f"evidence_{name}_accuracy"]["value"] <= 1


def test_table_and_page_show_those_names_and_say_that_truth_is_unknown(rounds):
    reports, every = rounds
    summary = summary_json(reports, 10.0, 100.0, None, by_evidence=True)
    console = Console(width=170, record=True, file=open("/dev/null", "w"))
    console.print(terminal_table(summary["rounds"]))
    shown = console.export_text()
    assert "truth is unknown" in shown and "evidence quads" in shown and "hallucination" not in shown
    floors = baseline_figures(every[1][0], draws=50)[0]
    found = gains(every[1][0], "plain", every[0][0], "plain", draws=50)
    page = render_report(ReportData(by_evidence=True, rounds=reports, baselines=floors, gains=found))
    for label in (
        "Evidence pair accuracy",
        "Evidence quad accuracy",
        "Evidence blank image accuracy",
        "Evidence text only",
    ):
        assert label in page
    assert "Hallucination" not in page and "Prior-breaking" not in page
