"""Figures over seeds: every seed counts alike, intervals know that seeds differ, goals are judged honestly."""

import numpy as np
import pytest
from made_up_exams import realistic

from vlrm.evaluation.bootstrap import SeedResampler, hierarchical_mean, ratio
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.outcomes import Outcomes
from vlrm.evaluation.over_seeds import OVER_VERDICT, Goal, SeedFigures, goals_reached, over_seeds, seed_run


@pytest.fixture(scope="module")
def runs():
    made = []
    for seed in (0, 1):
        rounds = [(Outcomes.read(*realistic(skill, items=80, seed=seed)), "plain") for skill in (0.2, 1.5)]
        made.append(seed_run(rounds, rounds[0][0].original))
    return made


def test_rounds_and_gains_are_means_over_seeds(runs):
    found = over_seeds(runs, draws=300)
    name = "hallucination_accuracy"
    means = [[np.nanmean(run.rounds[number][name]) for run in runs] for number in (0, 1)]
    assert found.seeds == 2
    for number in (0, 1):
        assert found.rounds[number][name].value == pytest.approx(np.mean(means[number]))
    gain = found.gains[name]
    assert gain.value == pytest.approx(np.mean(means[1]) - np.mean(means[0]))
    assert gain.low > 0
    assert "critique_wrong_accuracy" not in found.gains  # each model's critiques err on other pairs
    above = found.rounds[1][OVER_VERDICT]
    assert above.value == pytest.approx(
        np.mean([np.nanmean(run.rounds[1][name] - run.rounds[1]["majority_verdict_accuracy"]) for run in runs])
    )


def test_a_seed_with_many_items_does_not_outweigh_one_with_few():
    resampler = SeedResampler([np.arange(400), np.arange(4)], draws=500)
    figure = resampler.mean([np.ones(400), np.zeros(4)])
    assert figure.value == 0.5
    assert (figure.low, figure.high) == (0, 1)  # two seeds that disagree say little


def test_figures_of_the_same_seeds_are_paired():
    rng = np.random.default_rng(0)
    values = [(rng.random(60) < share).astype(float) for share in (0.2, 0.9)]
    resampler = SeedResampler([np.arange(60)] * 2, draws=400)
    better = [value + 0.1 for value in values]
    np.testing.assert_allclose(resampler.draws_of_mean(better) - resampler.draws_of_mean(values), 0.1)
    assert hierarchical_mean(values, [np.arange(60)] * 2, draws=400) == resampler.mean(values)


def test_all_right_over_all_seeds_claims_no_certainty():
    figure = SeedResampler([np.arange(10)] * 3, draws=100).mean([np.ones(10)] * 3)
    assert figure.high == 1.0
    assert figure.low == pytest.approx(0.025 ** (1 / 30))


def test_a_ratio_needs_a_bottom_above_zero():
    draws = np.array([0.1, 0.2, 0.3])
    one, none = (Figure(value=v, low=0, high=1, n=3) for v in (0.2, -0.01))
    assert ratio(one, none, draws, draws) is None
    assert ratio(one, one, draws, draws).value == 1
    shown = ratio(one, one, draws, np.array([0.1, 0.2, -0.3]))
    assert (shown.low, shown.high) == (1, 1)  # the draw without a ratio is left out


def test_goals_are_met_by_value_and_a_gain_by_its_interval_too():
    sure, shaky = (Figure(value=0.2, low=low, high=0.4, n=9) for low in (0.1, -0.1))
    blank = Figure(value=0.58, low=0.5, high=0.6, n=9)
    rounds = [{}, {"quad_accuracy": sure, "blank_image_accuracy": blank}]
    found = SeedFigures(seeds=1, rounds=rounds, gains={"quad_accuracy": sure, "organic_accuracy": shaky})
    goals = (
        Goal("quad_accuracy", least=0.85),
        Goal("quad_accuracy", gain=True, least=0.15),
        Goal("organic_accuracy", gain=True, least=0.15),
        Goal("blank_image_accuracy", least=0.45, most=0.55),
        Goal("reasoning_consistency", gain=True, least=0.1),
    )
    reached = goals_reached(found, goals)
    assert [one.met for one in reached] == [False, True, False, False, False]
    assert reached[3].goal == "blank image: 45 to 55 %"
    assert reached[4].measured is None
