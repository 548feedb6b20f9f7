"""The curve by hand, and the bounds every choice must keep."""

import numpy as np
import polars as pl
import pytest

from vlrm.errors import UserError
from vlrm.evaluation.best_of_n import best_of_n, rise
from vlrm.evaluation.best_of_n_page import curve_of, render_curve


def table(false, true, reward):
    prompts, many = np.shape(false)
    return pl.DataFrame(
        {
            "prompt_id": np.repeat([f"p{i}" for i in range(prompts)], many),
            "image_sha256": np.repeat([f"i{i}" for i in range(prompts)], many),
            "sample": np.tile(np.arange(many), prompts),
            "false_claims": np.ravel(false),
            "true_claims": np.ravel(true),
            "reward": np.ravel(reward),
        }
    )


def points(candidates, **more):
    return {(p.choice, p.n): p for p in best_of_n(candidates, **more)}


def test_by_hand():
    found = points(table([[2, 0, 1, 0]], [[3, 1, 4, 2]], [[0.0, 1.0, 5.0, 2.0]]), sizes=[1, 2, 4], draws=50)
    false = {key: p.false_claims.value for key, p in found.items()}
    assert false[("reward", 1)] == false[("first", 4)] == 2
    assert false[("reward", 2)] == 0
    assert false[("reward", 4)] == 1
    assert false[("random", 4)] == pytest.approx(0.75)
    assert false[("oracle", 4)] == 0
    assert found[("oracle", 4)].true_claims.value == 2
    assert found[("reward", 4)].true_claims.value == 4


def test_the_oracle_is_never_beaten_and_random_is_flat():
    rng = np.random.default_rng(0)
    false = rng.poisson(1, (200, 16))
    found = points(table(false, rng.poisson(3, (200, 16)), -false + rng.normal(0, 0.5, (200, 16))), draws=200)
    for n in (1, 2, 4, 8, 16):
        assert found[("oracle", n)].false_claims.value <= found[("reward", n)].false_claims.value
        assert found[("random", n)].false_claims.value == pytest.approx(1.0, abs=0.15)
    assert found[("reward", 16)].false_claims.high < found[("first", 16)].false_claims.low


def test_every_n_uses_the_same_prompts():
    short = table([[0, 1]], [[1, 1]], [[0, 1]])
    whole = table([[3, 1, 0, 0]] * 3, [[1, 1, 1, 1]] * 3, [[0, 1, 2, 3]] * 3)
    short = short.with_columns(pl.lit("short").alias("prompt_id"))
    assert {p.false_claims.n for p in best_of_n(pl.concat([whole, short]), draws=20)} == {3}


def test_errors_say_what_to_do():
    with pytest.raises(UserError, match="'reward'"):
        best_of_n(table([[1]], [[1]], [[1]]).drop("reward"))
    with pytest.raises(UserError, match="64 candidates"):
        best_of_n(table([[1, 2]], [[1, 1]], [[1, 1]]), sizes=[64])


def test_a_reward_that_is_followed_into_its_own_mistakes_is_caught():
    rng = np.random.default_rng(0)
    true = np.full((60, 8), 3)
    false = rng.integers(0, 3, (60, 8))
    honest = -false + 0.1 * rng.random((60, 8))
    found = rise(table(false, true, honest), draws=300)
    assert (found.best, found.largest, found.over_optimised) == (8, 8, False)
    fooled = honest.copy()
    # What only the later candidates do to please it: the more of them, the likelier one is chosen.
    false[:, 4:], fooled[:, 4:] = 5, 10 + rng.random((60, 4))
    found = rise(table(false, true, fooled), draws=300)
    assert (found.best, found.largest, found.over_optimised) == (4, 8, True)
    assert found.false_claims.low <= found.false_claims.value <= found.false_claims.high
    page = render_curve(curve_of("a model", "Judged by hand", table(false, true, fooled), []))
    assert "The reward is over-optimised" in page and "from N=4 to N=8" in page and "<svg" in page


def test_one_n_has_no_rise_and_a_flat_curve_no_over_optimisation():
    assert rise(table([[1]], [[1]], [[1.0]]), draws=20) is None
    flat = curve_of("m", "j", table(np.ones((5, 2)), np.ones((5, 2)), np.zeros((5, 2))), [])
    assert not flat.rise.over_optimised
