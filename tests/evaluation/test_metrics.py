"""Each figure on exams small enough to count by hand."""

import time

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_exams import exam_of, item, realistic, score, scores_of
from sklearn.metrics import accuracy_score, log_loss

from vlrm.errors import UserError
from vlrm.evaluation.bootstrap import Resampler
from vlrm.evaluation.calibration import calibration_error, fit_temperature, reliability_bins
from vlrm.evaluation.metrics import choose_readout, evaluate, gains, quad_credit
from vlrm.evaluation.outcomes import Outcomes, credit


def value(metrics, name):
    figure = metrics.figures[name]
    return None if figure is None else figure.value


def test_ties_are_half_right_in_accuracy():
    rows = [
        item("a", kind="count"),
        item("b", kind="count"),
        item("c", part="prior_breaking", source="organic"),
    ]
    outcomes = Outcomes.read(exam_of(*rows), scores_of(score("a", 1.0), score("b", 0.0), score("c", -1.0)))
    metrics = evaluate(outcomes, "plain")
    assert value(metrics, "hallucination_accuracy") == pytest.approx(0.5)
    assert metrics.by_kind["count"].value == 0.75
    assert metrics.by_kind["count"].n == 2
    assert value(metrics, "prior_breaking_accuracy") == 0.0
    assert value(metrics, "organic_accuracy") == 0.0
    assert value(metrics, "unseen_combination_accuracy") is None
    assert value(metrics, "reasoning_consistency") is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5).filter(lambda x: abs(x) > 1e-6), min_size=1, max_size=30))
def test_accuracy_is_sklearns(margins):
    rows = [item(str(i)) for i in range(len(margins))]
    outcomes = Outcomes.read(exam_of(*rows), scores_of(*(score(str(i), m) for i, m in enumerate(margins))))
    ours = value(evaluate(outcomes, "plain", draws=20), "hallucination_accuracy")
    assert ours == pytest.approx(accuracy_score([True] * len(margins), np.array(margins) > 0))


def test_a_quad_needs_both_images():
    rows = [item(n, quad_id=n[0]) for n in ("aa", "ab", "ba", "bb", "ca", "cb", "da")]
    margins = {"aa": 1, "ab": 2, "ba": 1, "bb": -1, "ca": 0.0, "cb": 0.0, "da": 1}
    outcomes = Outcomes.read(exam_of(*rows), scores_of(*(score(n, m) for n, m in margins.items())))
    credits = quad_credit(outcomes, credit(outcomes.margins("plain")))
    assert [c for c in credits if np.isfinite(c)] == [1.0, 0.0, 0.25]
    assert value(evaluate(outcomes, "plain"), "quad_accuracy") == pytest.approx(1.25 / 3)


def test_a_judge_that_never_looks_is_at_one_half_on_quads():
    rng = np.random.default_rng(0)
    rows, scores = [], []
    for q in range(50):
        liking = rng.normal()
        for side, sign in (("a", 1), ("b", -1)):
            rows.append(item(f"{q}{side}", quad_id=f"q{q}"))
            scores += [score(f"{q}{side}", sign * liking, view=view) for view in ("image", "blank")]
    metrics = evaluate(Outcomes.read(exam_of(*rows), scores_of(*scores)), "plain")
    assert value(metrics, "quad_member_accuracy") == 0.5
    assert value(metrics, "blank_image_accuracy_quads") == 0.5
    assert value(metrics, "quad_accuracy") == 0.0


def group(name, margins, plain=(1.0, 1.0, 1.0)):
    """Three wordings with two critique seeds each: margins[wording][seed]."""
    names = [name, f"{name}/p1", f"{name}/p2"]
    rows = [item(n, f"img-{name}", group_id=name) for n in names]
    scores = [score(n, m, sample=s) for n, pair in zip(names, margins, strict=True) for s, m in enumerate(pair)]
    return rows, scores + [score(n, m) for n, m in zip(names, plain, strict=True)]


def test_consistency_wants_all_six_and_counts_a_tie_as_wrong():
    groups = [
        group("whole", [(1, 1), (1, 1), (1, 1)]),
        group("one-off", [(1, 1), (1, -1), (1, 1)]),
        group("tied", [(1, 1), (1, 1), (0.0, 1)], plain=(1, 1, 0.0)),
        group("unscored", [(1, 1), (1, 1), (1, None)]),
    ]
    rows = [row for g in groups for row in g[0]] + [item("single")]
    scores = [s for g in groups for s in g[1]] + [score("single", -1.0), score("single", -1.0, sample=0)]
    metrics = evaluate(Outcomes.read(exam_of(*rows), scores_of(*scores)), "plain")
    assert metrics.figures["reasoning_consistency"].n == 3
    assert value(metrics, "reasoning_consistency") == pytest.approx(1 / 3)
    assert value(metrics, "reasoning_member_accuracy") == pytest.approx((6 + 5 + 5) / 18)
    assert value(metrics, "plain_consistency") == pytest.approx(3 / 4)
    # Paraphrases count in consistency only: five pairs, of which "single" is wrong.
    assert metrics.figures["hallucination_accuracy"].n == 5
    assert value(metrics, "hallucination_accuracy") == pytest.approx(4 / 5)


def test_one_critique_seed_is_no_group_of_six():
    rows, scores = group("a", [(1,), (1,), (1,)])
    assert value(evaluate(Outcomes.read(exam_of(*rows), scores_of(*scores)), "plain"), "reasoning_consistency") is None


def test_critiques_are_averaged_and_chosen_on_gate():
    rows = [item("a"), item("b")]
    said = [score("a", -1.0), score("a", 3.0, sample=0), score("a", -1.0, sample=1)]
    said += [score("b", 1.0), score("b", 1.0, sample=0), score("b", 2.0, sample=1)]
    outcomes = Outcomes.read(exam_of(*rows), scores_of(*said))
    np.testing.assert_allclose(outcomes.margins("critiques"), [1.0, 1.5])
    assert choose_readout(outcomes) == "critiques"
    assert value(evaluate(outcomes, "critiques"), "hallucination_accuracy") == 1.0
    assert value(evaluate(outcomes, "plain"), "hallucination_accuracy") == 0.5
    assert choose_readout(Outcomes.read(exam_of(*rows), scores_of(said[3]))) == "plain"


def test_where_the_critique_and_the_experts_are_wrong():
    def said(name, margin, chosen, rejected):
        votes = zip(chosen, rejected, strict=True)
        return [score(name, margin)] + [
            score(name, margin, sample=s, chosen_verdict=c, rejected_verdict=r) for s, (c, r) in enumerate(votes)
        ]

    rows = [
        item("a", experts_right=False),
        item("b", experts_right=True),
        item("c"),
        item("d", experts_right=False),
    ]
    scores = said("a", 1.0, ("wrong", "wrong"), ("right", "wrong"))
    scores += said("b", -1.0, ("right", "wrong"), ("right", "wrong"))
    scores += said("c", 1.0, ("right", None), ("wrong", None))
    scores += said("d", -1.0, ("wrong", "right"), ("right", "right"))
    metrics = evaluate(Outcomes.read(exam_of(*rows), scores_of(*scores)), "plain")
    assert value(metrics, "majority_verdict_accuracy") == pytest.approx((0 + 0.5 + 1 + 0) / 4)
    assert metrics.figures["critique_wrong_accuracy"].n == 2
    assert value(metrics, "critique_wrong_accuracy") == 0.5
    assert value(metrics, "experts_wrong_accuracy") == 0.5
    assert value(metrics, "experts_silent_accuracy") == 1.0
    assert value(metrics, "experts_wrong_or_silent_accuracy") == pytest.approx(2 / 3)


def test_verdict_flip_sensitivity_is_a_ratio_of_movements():
    rows = [item("a"), item("b")]
    scores = []
    for name, flipped, swapped in (("a", 0.5, 2.0), ("b", 1.5, 3.0)):
        scores += [score(name, 1.0, sample=0), score(name, 1.0 + flipped, view="flipped", sample=0)]
        scores.append(score(name, 1.0 - swapped, view="swapped", sample=0))
    outcomes = Outcomes.read(exam_of(*rows), scores_of(*scores))
    assert value(evaluate(outcomes, "plain"), "verdict_flip_sensitivity") == pytest.approx(2.0 / 5.0)
    assert (
        value(
            evaluate(Outcomes.read(exam_of(*rows), scores_of(*scores[:1])), "plain"),
            "verdict_flip_sensitivity",
        )
        is None
    )


def test_temperature_minimises_log_loss():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 4000)
    margin = np.where(rng.random(4000) < 1 / (1 + np.exp(-np.abs(truth))), np.abs(truth), -np.abs(truth)) * 3
    fitted = fit_temperature(margin)
    assert fitted == pytest.approx(3.0, rel=0.1)

    def loss(t):
        return log_loss(np.ones(4000), 1 / (1 + np.exp(-margin / t)), labels=[0, 1])

    assert loss(fitted) <= min(loss(fitted * 1.05), loss(fitted * 0.95))
    sampler = Resampler(np.arange(4000), draws=50)
    before, after = (calibration_error(margin, t, sampler) for t in (1.0, fitted))
    assert before is not None
    assert after is not None
    assert after.value < 0.03 < before.value


def test_calibration_error_by_hand():
    margin = np.array([np.log(4), np.log(4), np.log(4), -np.log(4), np.nan])
    figure = calibration_error(margin, 1.0, Resampler(np.arange(5), draws=20))
    assert figure is not None
    assert figure.value == pytest.approx(0.8 - 0.75)
    assert figure.n == 4
    assert reliability_bins(margin, 1.0) == [(pytest.approx(0.8), 0.75, 4)]


def test_a_nan_reward_is_named():
    broken = score("b", 1.0) | {"chosen_reward": float("nan")}
    with pytest.raises(UserError, match="'b' is not a finite number"):
        Outcomes.read(exam_of(item("a"), item("b")), scores_of(score("a", 1.0), broken))


def test_scores_of_another_exam_are_refused():
    with pytest.raises(UserError, match="'stale'"):
        Outcomes.read(exam_of(item("a")), scores_of(score("stale", 1.0)))


def test_row_order_of_scores_does_not_matter():
    exam, scores = realistic(0.8, items=40)
    shuffled = scores.take(np.random.default_rng(0).permutation(len(scores)))
    one, other = (evaluate(Outcomes.read(exam, s), "critiques", draws=100) for s in (scores, shuffled))
    for name, figure in one.figures.items():
        if figure is None:
            assert other.figures[name] is None
        else:
            assert other.figures[name].model_dump() == pytest.approx(figure.model_dump(), abs=1e-12)


def test_a_round_is_evaluated_quickly():
    exam, scores = realistic(1.0, items=600)
    outcomes = Outcomes.read(exam, scores)
    start = time.process_time()
    metrics = evaluate(outcomes, "critiques", gate=outcomes)
    assert time.process_time() - start < 5
    assert all(f is None or f.low <= f.value <= f.high for f in metrics.figures.values())


def test_gains_are_paired_by_item():
    exam, weak = realistic(0.3, items=200)
    _, strong = realistic(1.5, items=200)
    ours, theirs = Outcomes.read(exam, strong), Outcomes.read(exam, weak)
    found = gains(ours, "plain", theirs, "plain", draws=300)
    difference = found["hallucination_accuracy"]
    means = [value(evaluate(o, "plain", draws=20), "hallucination_accuracy") for o in (ours, theirs)]
    assert difference.value == pytest.approx(means[0] - means[1])
    assert difference.low > 0
    assert "critique_wrong_accuracy" not in found
    half = np.arange(len(exam)) % 2 == 0
    assert (
        gains(ours, "plain", theirs, "plain", balanced=half, draws=50)["blank_image_accuracy"].n
        < found["blank_image_accuracy"].n
    )
    assert gains(ours, "plain", ours, "plain", draws=50)["quad_accuracy"].high == 0.0
    with pytest.raises(ValueError, match="one exam"):
        gains(
            ours,
            "plain",
            Outcomes.read(exam.slice(1), strong.filter(pc.not_equal(strong["item_id"], "r0"))),
            "plain",
        )
