"""Precision over yield by hand: who is taken first, what ties count for, and what each source gives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from vlrm.evaluation.selection_quality import by_source, curve, curves, mean_curves, strictly


def table(**columns) -> pl.DataFrame:
    number = len(columns["right"])
    common = {"source": ["candidates"] * number, "refused": [None] * number, "q_minus": [0.0] * number}
    return pl.DataFrame(common | columns, schema_overrides={"refused": pl.String, "right": pl.Float64})


def test_the_surest_come_first_and_equals_together():
    right = pl.Series([1.0, 0.0, 1.0, 1.0])
    points = curve(np.array([0.9, 0.2, 0.9, 0.5]), right, np.ones(4, bool))
    assert [(p.threshold, p.taken, p.precision) for p in points] == [
        (0.9, 0.5, 1.0),
        (0.5, 0.75, 1.0),
        (0.2, 1.0, 0.75),
    ]


def test_a_pair_without_a_right_label_is_wrong():
    right = pl.Series([1.0, None])
    assert strictly(right).tolist() == [1.0, 0.0]
    (point,) = curve(np.array([0.9, 0.9]), right, np.ones(2, bool))
    assert point.precision == 0.5


def test_the_rule_takes_only_what_passes_its_other_tests():
    pairs = table(
        right=[1.0, 0.0, 1.0, 0.0], q_plus=[0.99, 0.98, 0.6, 0.0], severity=[1.0, 2.0, 0.2, 0.0],
        refused=[None, "unverifiable", "undecided", "undecided"],
    )  # fmt: skip
    found = curves(pairs)
    assert [p.taken for p in found["full_rule"]] == [0.25, 0.5]
    assert [p.precision for p in found["full_rule"]] == [1.0, 1.0]
    assert found["groundedness"][0].precision == 0.0
    assert found["no_rule"][-1].taken == 0.75
    assert found["no_rule"][-1].precision == pytest.approx(2 / 3)


def test_nothing_eligible_is_no_curve():
    assert curve(np.array([1.0]), pl.Series([1.0]), np.zeros(1, bool)) == []


def test_yield_and_accuracy_by_source():
    pairs = table(
        right=[1.0, None, 1.0, 0.0], source=["candidates", "candidates", "counterfactual", "counterfactual"],
        refused=[None, None, None, "length"], reward_margin=[-0.5, 2.0, 1.0, -1.0],
    )  # fmt: skip
    found = by_source(pairs)
    assert found["candidates"] == {"offered": 2, "kept": 2, "share": 1.0, "accuracy": 0.5, "wrong_before": 0.5}
    assert found["counterfactual"] == {"offered": 2, "kept": 1, "share": 0.5, "accuracy": 1.0, "wrong_before": 0}
    assert found["all"]["accuracy"] == pytest.approx(2 / 3)


def test_curves_of_rounds_are_averaged_where_all_reach():
    score = np.linspace(1, 0, 10)
    good = {"rule": curve(score, pl.Series([1.0] * 10), np.ones(10, bool))}
    short = {"rule": curve(score, pl.Series([1.0] * 5 + [0.0] * 5), score > 0.5)}
    found = mean_curves([good, short], [0.2, 0.4, 0.9])
    assert found == {"rule": [{"taken": 0.2, "precision": 1.0}, {"taken": 0.4, "precision": 1.0}]}
