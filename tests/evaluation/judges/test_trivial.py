"""Judges that look at nothing say what their name says, and are the same whenever they are asked."""

from __future__ import annotations

import pytest

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.building import pair, yes_no
from vlrm.evaluation.judges.protocol import TIE
from vlrm.evaluation.judges.trivial import RULES, trivial

ITEMS = [
    pair("a", "Q?", None, ("short", "much longer"), 0, "all"),
    pair("b", "Q?", None, ("Zoë", "Zoe"), 1, "all"),  # equal in characters, not in bytes
    yes_no("c", "Is it?", None, 1, "all"),
]


def preferred(name, seed=0):
    judge = trivial(name, seed)
    return [[(one.order, one.preferred) for one in rows] for rows in judge.judge(ITEMS, [None] * 3)]


def test_positions_contradict_themselves_when_the_order_is_turned():
    assert preferred("first") == [[(0, 0), (1, 1)]] * 3
    assert preferred("last") == [[(0, 1), (1, 0)]] * 3
    assert trivial("first").ordered and not trivial("shorter").ordered


def test_lengths_are_in_characters_and_may_tie():
    assert preferred("shorter") == [[(0, 0)], [(0, TIE)], [(0, 1)]]
    assert preferred("longer") == [[(0, 1)], [(0, TIE)], [(0, 0)]]


def test_chance_is_drawn_by_seed_and_key():
    many = [pair(str(i), "Q?", None, ("a", "b"), 0, "all") for i in range(400)]
    draws = [[rows[0].preferred for rows in trivial("random", seed).judge(many, [None] * 400)] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert 150 < sum(draws[0]) < 250
    assert trivial("random", 0).fingerprint != trivial("random", 1).fingerprint


def test_no_two_judges_share_a_fingerprint_and_none_looks():
    judges = [trivial(name) for name in RULES]
    assert len({judge.fingerprint for judge in judges}) == len(RULES)
    assert not any(judge.looks for judge in judges)
    assert trivial("first", 1).fingerprint == trivial("first", 2).fingerprint


def test_an_unknown_one_is_refused():
    with pytest.raises(UserError, match=r"no trivial judge 'best': known are first, last"):
        trivial("best")
