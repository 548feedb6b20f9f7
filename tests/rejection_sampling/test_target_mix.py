"""The target mix of claim kinds, and hard pairs: the wrong ones before the unsure ones."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from test_select import pair

from vlrm.rejection_sampling.offer import OFFERED
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import select_pairs


def kept(rows, rule: Rule, **options):
    return select_pairs(pa.Table.from_pylist(rows, schema=OFFERED), rule, 0.95, **options).kept.to_pylist()


def of_kinds(**numbers: int):
    kinds = [kind for kind, number in numbers.items() for _ in range(number)]
    return [pair(i, kind=kind) for i, kind in enumerate(kinds)]


def test_a_named_kind_gets_no_more_than_its_share():
    rows = of_kinds(attribute=80, count=20, relation=20)
    found = Counter(row["kind"] for row in kept(rows, Rule(budget=40, target_mix={"attribute": 0.25})))
    assert found["attribute"] == 10 and sum(found.values()) == 40


def test_unless_nothing_else_is_left():
    rows = of_kinds(attribute=80, count=5)
    found = Counter(row["kind"] for row in kept(rows, Rule(budget=40, target_mix={"attribute": 0.25})))
    assert found == {"attribute": 35, "count": 5}


def test_what_the_model_has_wrong_comes_before_what_it_is_unsure_of():
    rows = [pair(i) for i in range(100)]
    margins = {row["pair_id"]: -0.5 if i < 10 else 0.5 if i < 60 else 5.0 for i, row in enumerate(rows)}
    taken = [row["reward_margin"] for row in kept(rows, Rule(budget=20), reward_margin=margins)]
    assert sum(margin == -0.5 for margin in taken) == 10


def test_questions_are_capped_by_their_source_whatever_they_are_about():
    rows = of_kinds(attribute=80, existence=80)
    rows = [row | {"source": "question"} if i % 2 else row for i, row in enumerate(rows)]
    found = Counter(row["source"] for row in kept(rows, Rule(budget=50, target_mix={"question": 0.4})))
    assert found["question"] == 20 and sum(found.values()) == 50
