"""Pairs of unequal length come in twos: the longer side is right in one, the shorter in the other."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_select import pair, quad

from vlrm.rejection_sampling.offer import OFFERED
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import Selection, select_pairs


def selected(rows, rule: Rule | None = None, **options) -> Selection:
    return select_pairs(pa.Table.from_pylist(rows, schema=OFFERED), rule or Rule(), 0.95, **options)


def outcome(selection: Selection) -> dict[str, tuple[str | None, str | None]]:
    return {row["pair_id"]: (row["refused"], row["twin_id"]) for row in selection.all.to_pylist()}


def test_two_that_answer_each_other_are_kept_together():
    rows = [pair(1, length_ratio=1.6), pair(2, length_ratio=1 / 1.7)]
    assert outcome(selected(rows)) == {"p0001": (None, "p0002"), "p0002": (None, "p0001")}


@pytest.mark.parametrize(
    "rows",
    [
        [pair(1, length_ratio=1.6)],
        [pair(1, length_ratio=1.6), pair(2, length_ratio=1.6)],
        [pair(1, length_ratio=1.4), pair(2, length_ratio=1 / 2.2)],
        [pair(1, length_ratio=3.0), pair(2, length_ratio=1 / 3.0)],
        [pair(1, length_ratio=1.6, q_plus=0.9), pair(2, length_ratio=1 / 1.6)],
        [pair(1, length_ratio=1.6, source="counterfactual"), pair(2, length_ratio=1 / 1.6)],
    ],
    ids=["alone", "both longer", "too different", "too wide", "other refused", "edited"],
)
def test_without_a_match_length_refuses(rows):
    assert all(refused is not None for refused, _ in outcome(selected(rows)).values())


def test_a_twin_whose_other_is_a_duplicate_goes_too():
    said = {"image_sha256": "s1", "chosen": "a red ball lies here now", "rejected": "a blue ball"}
    rows = [pair(0, **said), pair(1, length_ratio=1.6, **said), pair(2, length_ratio=1 / 1.6)]
    assert outcome(selected(rows)) == {
        "p0000": (None, None), "p0001": ("duplicate", None), "p0002": ("length", None)
    }  # fmt: skip


@pytest.mark.parametrize("wrong", ["p0002", "p0003"])
def test_what_the_reward_model_has_wrong_is_matched_first(wrong):
    rows = [pair(1, length_ratio=1.6), pair(2, length_ratio=1 / 1.6), pair(3, length_ratio=1 / 1.7)]
    kept = selected(rows, reward_margin={name: -0.5 if name == wrong else 0.5 for name in ("p0001", "p0002", "p0003")})
    assert {row["pair_id"] for row in kept.kept.to_pylist()} == {"p0001", wrong}


def test_the_rule_can_do_without():
    rows = [pair(1, length_ratio=1.6), pair(2, length_ratio=1 / 1.6)]
    assert selected(rows, Rule(length_twins=False)).kept.num_rows == 0


@settings(max_examples=60, deadline=None)
@given(
    ratios=st.lists(st.floats(0.3, 3.5).filter(lambda r: r > 0), min_size=1, max_size=40),
    budget=st.integers(1, 30),
    seed=st.integers(0, 5),
)
def test_length_decides_nothing_whatever_is_kept(ratios, budget, seed):
    rows = [pair(i, length_ratio=ratio) for i, ratio in enumerate(ratios)] + quad(100)
    rule = Rule(budget=budget)
    kept = selected(rows, rule, seed=seed).kept.to_pylist()
    assert len(kept) <= budget
    ids = {row["pair_id"]: row for row in kept}
    outside = [row for row in kept if not rule.length_low <= row["length_ratio"] <= rule.length_high]
    assert sum(row["length_ratio"] > 1 for row in outside) * 2 == len(outside)
    for row in outside:
        twin = ids[row["twin_id"]]
        assert twin["twin_id"] == row["pair_id"]
        assert math.log(twin["length_ratio"]) * math.log(row["length_ratio"]) < 0
    again = selected(list(reversed(rows)), rule, seed=seed).kept
    assert again.to_pylist() == kept
