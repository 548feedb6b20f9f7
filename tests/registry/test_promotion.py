"""The gate: surely better, on the same exam, on truth."""

import numpy as np
import pytest

from vlrm.registry.promotion import decide, interval


def marks(right: int, wrong: int) -> dict[str, float]:
    return {f"i{n}": float(n < right) for n in range(right + wrong)}


def test_surely_better_is_promoted():
    decision = decide(marks(90, 10), marks(70, 30))
    assert decision.promote and decision.low > 0
    assert decision.difference == pytest.approx(0.2)
    assert "surely better" in decision.reasons[0]


def test_better_by_chance_is_not():
    decision = decide(marks(71, 29), marks(70, 30))
    assert not decision.promote
    assert decision.low <= 0 < decision.high
    assert decision.reasons[0].startswith("not surely better than the champion: +0.010 [")


def test_items_of_one_group_count_as_one():
    challenger = {f"i{n}": float(n % 20 < 14) for n in range(200)}
    champion = {name: 0.5 for name in challenger}
    alone = decide(challenger, champion)
    grouped = decide(challenger, champion, groups={f"i{n}": f"g{n % 20}" for n in range(200)})
    assert alone.promote and not grouped.promote


def test_the_first_model_becomes_champion_only_when_truth_is_known():
    assert decide(marks(50, 50), None).promote
    refused = decide(marks(50, 50), None, verified=False)
    assert not refused.promote and "allow_unverified=true" in refused.reasons[0]
    assert decide(marks(50, 50), None, verified=False, allow_unverified=True).promote


def test_a_small_gate_promotes_nobody():
    decision = decide(marks(10, 0), marks(0, 10))
    assert not decision.promote and "fewer than 30" in decision.reasons[0]


def test_models_that_sat_different_exams_are_not_compared():
    with pytest.raises(ValueError, match="3 items only one of them has"):
        decide(marks(50, 10), marks(50, 7))


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        gain = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.6, 0.3], size=150)
        low, high = interval(gain, [str(i) for i in range(150)], 800, 0.95, trial)
        covered += low <= 0.2 <= high
    assert 0.90 <= covered / 200 <= 0.99
