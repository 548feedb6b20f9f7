"""Distributions of false claims against enumeration, and the threshold's stated bound against simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vlrm.rejection_sampling.distributions import compare, expert_margin, false_count
from vlrm.rejection_sampling.rule import Rule, calibrate_tau, error_bound

CHANCES = st.lists(st.floats(0, 1), max_size=5)


def enumerated(first: list[float], second: list[float]) -> tuple[float, float]:
    plus = minus = 0.0
    for outcome in product((0, 1), repeat=len(first) + len(second)):
        weight = float(np.prod([p if o else 1 - p for p, o in zip(first + second, outcome, strict=True)]))
        a, b = sum(outcome[: len(first)]), sum(outcome[len(first) :])
        plus, minus = plus + weight * (b > a), minus + weight * (b < a)
    return plus, minus


@settings(max_examples=40, deadline=None)
@given(CHANCES, CHANCES)
def test_compare_is_the_exact_comparison_of_counts(first: list[float], second: list[float]) -> None:
    assert compare(first, second) == pytest.approx(enumerated(first, second), abs=1e-9)
    assert compare(second, first) == pytest.approx(compare(first, second)[::-1], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(CHANCES)
def test_false_count_is_a_distribution_with_the_right_mean(chances: list[float]) -> None:
    distribution = false_count(chances)
    assert len(distribution) == len(chances) + 1
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ np.arange(len(distribution)) == pytest.approx(sum(chances))


def test_a_clean_long_answer_beats_a_short_one_with_a_falsehood() -> None:
    q_plus, q_minus = compare([0.02] * 3, [0.02] * 7 + [0.98])
    assert q_plus > 0.9 > 0.1 > q_minus
    assert expert_margin(q_plus, q_minus) > 2
    assert compare([], []) == (0.0, 0.0)


def test_error_bound_is_clopper_pearson() -> None:
    assert error_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert error_bound(5, 100) == pytest.approx(0.10225, abs=1e-4)
    assert error_bound(3, 3) == error_bound(0, 0) == 1.0


def test_tau_is_the_smallest_that_meets_the_bound() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.5, 1, 3000)
    correct = rng.random(3000) < np.where(scores > 0.8, 0.995, 0.8)
    tau = calibrate_tau(scores, correct, 0.03)
    assert 0.75 < tau < 0.81
    above = scores >= tau
    assert error_bound(int((~correct[above]).sum()), int(above.sum())) <= 0.03
    lower = np.unique(scores[scores < tau])[::25]
    for value in lower:
        kept = scores >= value
        assert error_bound(int((~correct[kept]).sum()), int(kept.sum())) > 0.03


def test_tau_falls_back_where_calibration_says_nothing() -> None:
    assert calibrate_tau([0.9] * 99, [True] * 99, 0.03) == 0.95
    assert calibrate_tau([0.9] * 200, [False] * 200, 0.03, default=0.85) == 0.85
    assert calibrate_tau([0.9] * 200, [True] * 200, 0.03) == 0.9
    assert calibrate_tau([0.2] * 200, [True] * 200, 0.03) == 0.95
    with pytest.raises(ValueError, match="3 values"):
        calibrate_tau([0.9] * 3, [True] * 2, 0.03)


@pytest.mark.parametrize("wrong", [{"alfa": 0.1}, {"alpha": 0}, {"budget": 0}, {"tau_default": 0.3}])
def test_a_misspelt_or_impossible_rule_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Rule(**wrong)  # type: ignore[arg-type]
