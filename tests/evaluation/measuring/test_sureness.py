"""Calibration of a judge's rewards: against scikit-learn and a plain loop over bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_judgements import judged, pair, row, scored
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from vlrm.evaluation.calibration import fit_temperature
from vlrm.evaluation.measuring.figures import figures_of
from vlrm.evaluation.measuring.sureness import cross_fitted


def result_of(items, margins):
    return figures_of(iter(items), scored(items, margins), "made_up", model="a judge", draws=20)


def plain_ece(margins):
    """Ten bins of confidence between one half and one."""
    sure, right = expit(np.abs(margins)), np.where(margins > 0, 1.0, np.where(margins == 0, 0.5, 0.0))
    total = 0.0
    for low in np.arange(10) / 20 + 0.5:
        inside = (sure >= low) & ((sure < low + 0.05) | ((low > 0.94) & (sure <= 1)))
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return total


def drawn_margins(n=400, scale=3.0, seed=0):
    rng = np.random.default_rng(seed)
    honest = rng.normal(1, 1.5, n)
    right = rng.random(n) < expit(np.abs(honest))
    return scale * np.where(right, np.abs(honest), -np.abs(honest))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-8, 8).map(lambda x: round(x, 3)), st.integers(0, 1)), min_size=2, max_size=40))
def test_brier_agrees_with_scikit_learn(drawn):
    items = [pair(n, better) for n, (_, better) in enumerate(drawn)]
    margins = np.array([margin for margin, _ in drawn])
    # the probability that the item's first answer is the better one
    chance = [expit(margin if better == 0 else -margin) for margin, better in drawn]
    expected = brier_score_loss([int(better == 0) for _, better in drawn], chance, labels=[0, 1])
    assert result_of(items, margins).figures["brier_before"].value == pytest.approx(expected)


def test_calibration_error_agrees_with_a_loop_over_bins():
    margins = drawn_margins()
    found = result_of([pair(n, n % 2) for n in range(len(margins))], margins).figures
    assert found["ece_before"].value == pytest.approx(plain_ece(margins))


def test_the_temperature_is_the_inverse_slope_of_a_logistic_regression():
    margins = drawn_margins()
    both = np.concatenate([margins, -margins])[:, None]
    labels = np.repeat([1, 0], len(margins))
    slope = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(both, labels).coef_[0, 0]
    result = result_of([pair(n, n % 2) for n in range(len(margins))], margins)
    assert result.temperature == pytest.approx(1 / slope, rel=1e-3)
    assert 2 < result.temperature < 4.5  # margins were made three times too wide


def test_a_temperature_lowers_the_error_of_margins_that_are_too_wide():
    margins = drawn_margins()
    found = result_of([pair(n, n % 2) for n in range(len(margins))], margins).figures
    assert found["ece_after"].value < found["ece_before"].value / 2
    assert found["brier_after"].value < found["brier_before"].value


def test_no_item_scales_itself():
    margins, clusters = drawn_margins(100), np.arange(100) // 2
    moved = margins.copy()
    moved[:2] = 500.0  # one image says something wild
    before, after = cross_fitted(margins, clusters), cross_fitted(moved, clusters)
    own = np.isclose(before, after)
    assert after[:2] / moved[:2] == pytest.approx(before[:2] / margins[:2])
    assert own.sum() > 2  # the rest of its fold keeps its temperature
    assert not own[2:].all()  # the other folds do not
    assert np.isnan(cross_fitted(margins, np.zeros(100))).all()
    assert before.std() == pytest.approx((margins / fit_temperature(margins)).std(), rel=0.3)


def test_a_judge_that_only_votes_has_no_calibration():
    result = figures_of([pair(0)], judged([row("k0", 0)]), "made_up", model="a judge", draws=20)
    assert result.temperature is None
    assert not {"ece_before", "brier_before"} & set(result.figures)
    assert result.calibration_before == []
