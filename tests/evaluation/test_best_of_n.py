"""The curve by hand, and the bounds every choice must keep."""

import numpy as np
import polars as pl
import pytest

from vlrm.errors import UserError
from vlrm.evaluation.best_of_n import best_of_n


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
