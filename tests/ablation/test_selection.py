"""What each arm keeps in the place of margin-based rejection sampling."""

from __future__ import annotations

import pyarrow as pa
import pytest
from made_up_arms import FALSE, TRUE, offered, pair

from vlrm.ablation.selection import at_random, by_rule, margins_of, self_labelled, without_edits_of, without_quads
from vlrm.rejection_sampling.rule import Rule
from vlrm.schema import PAIRS, PROMPTS


def test_random_pairs_need_no_sure_evidence_and_have_equal_weights() -> None:
    rows = [pair(i, q_plus=0.51, q_minus=0.49, verifiable=0.0, length_ratio=9.0, severity=2.0) for i in range(20)]
    rows += [pair(i, q_plus=0.0, q_minus=0.0) for i in range(20, 40)]
    kept = at_random(offered(*rows), Rule(), {"p0003": -1.5}, budget=15, seed=0)
    assert kept.schema == PAIRS
    assert kept.num_rows == 15
    assert set(kept["pair_id"].to_pylist()) <= {f"p{i:04}" for i in range(20)}  # nothing the evidence is silent about
    assert set(kept["weight"].to_pylist()) == {1.0}
    assert set(kept["margin"].to_pylist()) == {0.5}


def test_random_pairs_do_not_depend_on_the_order_of_rows_but_on_the_seed() -> None:
    rows = [pair(i) for i in range(30)]
    first = at_random(offered(*rows), Rule(), {}, 10, seed=1)
    assert first.equals(at_random(offered(*rows[::-1]), Rule(), {}, 10, seed=1))
    assert not first.equals(at_random(offered(*rows), Rule(), {}, 10, seed=2))


def test_without_edits_of_a_kind_only_sampled_answers_differ_in_it() -> None:
    rows = [
        pair(0, source="counterfactual", kind="relation", quad_id="k"), pair(1, source="counterfactual", kind="count"),
        pair(2, source="counterfactual", kind="relation", quad_id="k"), pair(3, kind="relation"),
    ]  # fmt: skip
    assert without_edits_of("relation", offered(*rows))["pair_id"].to_pylist() == ["p0001", "p0003"]


def test_without_quads_keeps_the_first_halves_as_single_pairs() -> None:
    halves = [pair(1, quad_id="k", source="counterfactual"), pair(2, quad_id="k", source="counterfactual")]
    prompts = pa.Table.from_pylist([{"prompt_id": "q1"}, {"prompt_id": "q3"}], PROMPTS)
    single = without_quads(offered(*halves, pair(3)), prompts)
    assert single["pair_id"].to_pylist() == ["p0001", "p0003"]
    assert single["quad_id"].to_pylist() == [None, None]
    assert by_rule(single, Rule(), 0.95, {}, budget=5, seed=0).num_rows == 2


def test_a_self_labeller_prefers_what_it_rewards_whatever_the_evidence_says() -> None:
    rows = [pair(i, length_ratio=0.9) for i in range(8)]
    margins = {f"p{i:04}": (1 + i / 10) * (-1 if i in (1, 2, 5, 6) else 1) for i in range(8)}
    kept = self_labelled(offered(*rows), Rule(), margins, budget=8, seed=0).to_pylist()
    # Of eight labels the surer half: the largest distances from zero.
    assert {row["pair_id"] for row in kept} == {"p0004", "p0005", "p0006", "p0007"}
    for row in kept:
        turned = margins[row["pair_id"]] < 0
        assert (row["chosen"], row["rejected"]) == ((FALSE, TRUE) if turned else (TRUE, FALSE))
        assert row["chosen_id"].startswith("r" if turned else "c")
        assert row["length_ratio"] == pytest.approx(1 / 0.9 if turned else 0.9)


def test_a_self_labeller_keeps_its_budget_and_tests_lengths() -> None:
    rows = [pair(i, length_ratio=2.0 if i < 10 else 1.0) for i in range(40)]
    margins = {row["pair_id"]: 3.0 for row in rows}
    kept = self_labelled(offered(*rows), Rule(), margins, budget=12, seed=0)
    assert kept.num_rows == 12
    assert min(kept["pair_id"].to_pylist()) >= "p0010"


def test_a_self_labeller_without_pairs_keeps_none() -> None:
    assert self_labelled(offered(), Rule(), {}, budget=5, seed=0).num_rows == 0


def test_known_margins_turn_with_their_pair() -> None:
    judged = pa.Table.from_pylist(
        [
            {"pair_id": "p0001", "chosen_id": "c1", "reward_margin": 2.0},
            {"pair_id": "p0002", "chosen_id": "r2", "reward_margin": 2.0},
            {"pair_id": "p0003", "chosen_id": "c3", "reward_margin": None},
        ],
        PAIRS,
    )
    assert margins_of(offered(*map(pair, range(1, 5))), judged) == {"p0001": 2.0, "p0002": -2.0}
