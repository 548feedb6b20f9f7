"""The arms beside the full loop: figures, paired differences, gap recovered, tables and page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_up_arms import outcomes
from rich.console import Console

from vlrm.ablation.arms import ARMS
from vlrm.ablation.compare import Ablations, Measured, compare, measure
from vlrm.ablation.judges import expert_scores, length_scores, scores_of, text_scores, verdict_scores
from vlrm.ablation.labels import LabelRound
from vlrm.ablation.page import render_ablations
from vlrm.ablation.summary import arms_table, labels_table, remarks
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.outcomes import Outcomes

PAIRS = 200


def margins(share_right: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(PAIRS) < share_right, 1.0, -1.0)


@pytest.fixture(scope="module")
def measured() -> Measured:
    verdicts = np.where(np.arange(PAIRS) % 3 == 0, -1.0, 1.0)
    zero, full = outcomes(margins(0.6, 1)), outcomes(margins(0.85, 2), blank=margins(0.5, 3), verdicts=verdicts)
    arms = {"no_quads": outcomes(margins(0.7, 4)), "no_critiques": full, "exact_labels": outcomes(margins(0.95, 5))}
    return measure(zero, full, arms, np.ones(PAIRS, bool))


@pytest.fixture(scope="module")
def found(measured: Measured) -> Ablations:
    pairs = {"full": 480, "no_quads": 470}
    error = Figure(value=0.1, low=0.05, high=0.2, n=40)
    labels = [
        LabelRound(arm=arm, round=1, pairs=40, figures={"label_error": error}) for arm in ("full", "self_labelled")
    ]
    return compare([measured], rounds=2, pairs=pairs, labels=labels, draws=400)


def test_an_arm_is_compared_pair_by_pair(measured: Measured, found: Ablations) -> None:
    arms = {arm.name: arm for arm in found.arms}
    name = "hallucination_accuracy"
    ours, theirs = measured.values["full"][name], measured.values["no_quads"][name]
    difference = arms["no_quads"].against_full[name]
    assert difference is not None
    assert difference.value == pytest.approx(np.mean(theirs - ours))
    assert difference.high < 0
    assert arms["no_quads"].loses
    same = arms["no_critiques"].against_full[name]
    assert same is not None
    assert (same.low, same.value, same.high) == (0, 0, 0)
    assert arms["no_critiques"].loses is False
    assert arms["no_quads"].figures["blank_image_accuracy"] is None  # it was not shown blank images


def test_critique_wrong_is_over_the_same_pairs_for_every_arm(measured: Measured) -> None:
    rows = [np.isfinite(values["critique_wrong_accuracy"]) for values in measured.values.values()]
    assert rows[0].sum() == len(range(0, PAIRS, 3))
    assert all((one == rows[0]).all() for one in rows)


def test_gap_recovered(measured: Measured, found: Ablations) -> None:
    name = "hallucination_accuracy"
    zero, full, exact = (measured.values[key][name].mean() for key in ("round_zero", "full", "exact_labels"))
    gap = found.gap_recovered[name]
    assert gap is not None
    assert gap.value == pytest.approx((full - zero) / (exact - zero))
    assert gap.low < gap.value < gap.high


def test_no_gap_where_exact_labels_do_not_help(measured: Measured) -> None:
    values = {**measured.values, "exact_labels": measured.values["round_zero"]}
    worse = compare([Measured(measured.clusters, values)], rounds=1, pairs={"full": 1}, labels=[], draws=50)
    assert worse.gap_recovered["hallucination_accuracy"] is None
    assert any("undefined" in remark for remark in remarks(worse))


def test_several_seeds_are_averaged(measured: Measured) -> None:
    other = Measured(measured.clusters, {**measured.values, "full": measured.values["round_zero"]})
    both = compare([measured, other], rounds=2, pairs={"full": 1}, labels=[], draws=100)
    name = "hallucination_accuracy"
    means = [one.values["full"][name].mean() for one in (measured, other)]
    assert both.seeds == 2
    assert both.full[name] is not None
    assert both.full[name].value == pytest.approx(np.mean(means))
    assert both.gain[name].value == pytest.approx((means[0] - means[1]) / 2)


def test_what_a_reader_must_not_overlook_is_said(found: Ablations) -> None:
    said = " ".join(remarks(found))
    assert "Gap recovered" in said
    assert "Not clearly below the full loop in pair accuracy: no_critiques." in said


def test_the_terminal_tables_and_the_page_show_every_arm(found: Ablations) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    console.print(arms_table(found))
    console.print(labels_table(found.labels))
    page = render_ablations(Ablations.model_validate_json(found.model_dump_json()))
    for arm in found.arms:
        assert arm.name in stream.getvalue()
        assert arm.name.replace("_", " ") in page
        assert ARMS[arm.name].what in page
    assert "10.0 (5.0-20.0)" in stream.getvalue()
    assert "<script" not in page
    assert page.count("<svg") >= 4


def test_where_evidence_judged_the_exam_names_and_pages_say_so(measured: Measured) -> None:
    arms = {name: values for name, values in measured.values.items() if name != "exact_labels"}
    unknown = [LabelRound(arm=arm, round=1, pairs=40, figures={"label_error": None}) for arm in ("full", "no_quads")]
    pairs = {"full": 40, "no_quads": 40}
    own = [Measured(measured.clusters, arms)]
    found = compare(own, rounds=1, pairs=pairs, labels=unknown, by_evidence=True, draws=50)
    assert all(name.startswith("evidence_") for name in found.full)
    assert found.full["evidence_pair_accuracy"] is not None
    assert [arm.loses for arm in found.arms] == [True, False]
    assert labels_table(found.labels) is None
    stream = io.StringIO()
    Console(file=stream, width=200).print(arms_table(found))
    shown, page = stream.getvalue(), render_ablations(found)
    for said in (shown, page):
        assert f"{100 * found.full['evidence_pair_accuracy'].value:.1f}" in said
    assert "judged by evidence" in shown
    assert "Truth is unknown about these images" in page and "Labels against exact truth" not in page


def test_judges_are_written_as_scores() -> None:
    report = outcomes(margins(0.5, 6), verdicts=margins(0.8, 7))
    votes = Outcomes.read(report.exam.to_arrow(), verdict_scores(report)).margin()
    np.testing.assert_array_equal(np.sign(votes), margins(0.8, 7))
    longer = length_scores(report, report)
    assert set(longer["chosen_reward"].to_pylist()) == {0.0}  # both answers have five words
    text = Outcomes.read(report.exam.to_arrow(), text_scores(report, seed=0)).margin()
    assert np.isfinite(text).all()
    null = scores_of(["a"], np.array([np.nan]), np.array([0.0]))
    assert null["chosen_reward"].to_pylist() == [None]


def test_experts_as_reward_count_expected_falsehoods() -> None:
    import pyarrow as pa

    from vlrm.claims.extract import extract_claims
    from vlrm.schema import CLAIMS, claim_to_json

    report = outcomes(np.ones(1))
    rows = [
        {"response_id": f"i0/{side}", "claim": claim_to_json(claim), "probability": chance}
        for side, text, chance in (("chosen", "There is a red star.", 0.9), ("rejected", "There is a blue star.", 0.2))
        for claim in extract_claims(text) * 2  # saying it twice is one claim
    ]
    scores = expert_scores(report.exam.to_arrow(), pa.Table.from_pylist(rows, CLAIMS)).to_pylist()
    claims = len({claim.key() for claim in extract_claims("There is a red star.")})
    assert scores[0]["chosen_reward"] == pytest.approx(-0.1 * claims)
    assert scores[0]["rejected_reward"] == pytest.approx(-0.8 * claims)
