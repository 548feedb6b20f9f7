"""The rule on made pairs: order of tests, quads whole, shares of the budget, weights, determinism."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlrm.rejection_sampling.checks import checks
from vlrm.rejection_sampling.offer import OFFERED
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import TESTS, Selection, past_experts, select_pairs, shortage
from vlrm.schema import PAIRS, WATERFALL


def pair(number: int, **given: Any) -> dict[str, Any]:
    """An acceptable pair of candidates unless told otherwise."""
    return {
        "pair_id": f"p{number:04}", "prompt_id": f"q{number}", "image_sha256": f"s{number}", "question": "?",
        "chosen_id": f"c{number}", "rejected_id": f"r{number}", "chosen": f"good {number}", "rejected": f"bad {number}",
        "source": "candidates", "kind": "attribute", "quad_id": None, "q_plus": 0.99, "q_minus": 0.005,
        "expert_margin": 4.0, "verifiable": 1.0, "length_ratio": 1.0, "severity": 1.0, "chosen_lowest": 0.95,
        "rejected_lowest": 0.02, **given,
    }  # fmt: skip


def quad(number: int, **given: Any) -> list[dict[str, Any]]:
    base: dict[str, Any] = {"source": "counterfactual", "quad_id": f"k{number}"}
    first = pair(number, chosen=f"a {number}", rejected=f"b {number}", **base)
    second = pair(number + 5000, **{"chosen": f"b {number}", "rejected": f"a {number}", **base, **given})
    return [first, second]


def selected(rows: list[dict[str, Any]], rule: Rule | None = None, tau: float = 0.95, **options: Any) -> Selection:
    return select_pairs(pa.Table.from_pylist(rows, schema=OFFERED), rule or Rule(), tau, **options)


def refusals(selection: Selection) -> dict[str, str | None]:
    return dict(zip(selection.all["pair_id"].to_pylist(), selection.all["refused"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ({"q_plus": 0.94}, "undecided"),
        ({"verifiable": 0.5}, "unverifiable"),
        ({"chosen_lowest": 0.1}, "chosen_doubtful"),
        ({"rejected_lowest": 0.4}, "rejected_not_clearly_false"),
        ({"length_ratio": 1.5}, "length"),
        ({"length_ratio": 0.7}, "length"),
        ({}, None),
    ],
)
def test_each_test_refuses_its_fault(fault: dict[str, float], test: str | None) -> None:
    assert refusals(selected([pair(1, **fault)])) == {"p0001": test}


def test_the_checks_say_what_is_asked_and_name_the_same_fault():
    row = pair(1, verifiable=0.5, reward_margin=-4.0, q_plus=0.97)
    found = checks(row, Rule(), 0.95)
    assert [check.test for check in found] == list(TESTS[: len(found)])
    assert [check.test for check in found if not check.passed] == ["unverifiable", "vetoed"]
    assert found[1].asked == "of the differing claims at least 80% verifiable"
    assert checks(row | {"q_plus": 0.995}, Rule(), 0.95)[4].passed


def test_the_first_failed_test_counts() -> None:
    everything = {
        "q_plus": 0.5,
        "verifiable": 0.0,
        "chosen_lowest": 0.0,
        "rejected_lowest": 1.0,
        "length_ratio": 9.0,
    }
    repaired = {"q_plus": 0.96, "verifiable": 1.0, "chosen_lowest": 1.0, "rejected_lowest": 0.0}
    expected = ["undecided", "unverifiable", "chosen_doubtful", "rejected_not_clearly_false", "vetoed"]
    for test, (name, value) in zip(expected, [*repaired.items(), ("", 0.0)], strict=True):
        assert refusals(selected([pair(1, **everything)], reward_margin={"p0001": -9.0})) == {"p0001": test}
        if name:
            everything[name] = value


def test_veto_goes_to_the_audit_and_spares_sure_pairs() -> None:
    rows = [pair(1, q_plus=0.97), pair(2, q_plus=0.995), pair(3, q_plus=0.97)]
    result = selected(rows, reward_margin={"p0001": -3.5, "p0002": -3.5, "p0003": -2.5})
    assert refusals(result) == {"p0001": "vetoed", "p0002": None, "p0003": None}
    assert result.audit["pair_id"].to_pylist() == ["p0001"]
    assert result.audit["chosen"].to_pylist() == ["good 1"]  # never relabelled


def test_near_duplicates_are_kept_once() -> None:
    chosen, rejected = "There is a red star on the table.", "There is a blue star on the table."
    rows = [
        pair(1, image_sha256="s", chosen=chosen, rejected=rejected),
        pair(2, image_sha256="s", chosen=chosen.upper(), rejected=rejected),
        pair(3, image_sha256="s", chosen=chosen, rejected="There is a red moon on the table."),
        pair(4, image_sha256="other", chosen=chosen, rejected=rejected),
    ]
    assert refusals(selected(rows)) == {"p0001": None, "p0002": "duplicate", "p0003": None, "p0004": None}


def test_quads_stand_and_fall_together() -> None:
    alone = {**quad(40)[0], "quad_id": "unmatched"}
    rows = [*quad(1), *quad(2, q_plus=0.5), *quad(3, chosen="a 3", rejected="b 3"), alone]
    found = refusals(selected(rows))
    assert found["p0001"] is None and found["p5001"] is None
    assert found["p0002"] == "quad_incomplete" and found["p5002"] == "undecided"
    # Preferring the same text on both images is what a judge without eyes does.
    assert found["p0003"] == found["p5003"] == "quad_incomplete"
    assert found["p0040"] is None


def test_budget_keeps_its_shares() -> None:
    rows = [pair(i) for i in range(300)] + [row for i in range(300, 400) for row in quad(i)]
    rows += [pair(i, source="counterfactual") for i in range(400, 500)]
    rewards = {row["pair_id"]: (0.2 if i % 5 == 0 else 4.0) for i, row in enumerate(rows)}
    result = selected(rows, Rule(budget=100), reward_margin=rewards)
    kept = result.kept.to_pylist()
    assert len(kept) == 100
    assert sum(row["quad_id"] is not None for row in kept) >= 50
    assert sum(row["source"] == "candidates" for row in kept) >= 30
    assert sum(row["reward_margin"] < 1 for row in kept) >= 40  # a fifth of what is offered
    assert sum(row["reward_margin"] >= 1 for row in kept) >= 20


def test_weights_and_margins() -> None:
    rows = [pair(1), pair(2), pair(3, q_plus=0.96, q_minus=0.02, severity=2.0)]
    kept = selected(rows, text_margin={"p0001": 5.0, "p0002": -5.0}).kept.to_pylist()
    weights = [row["weight"] for row in kept]
    assert np.mean(weights) == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(1.75 / 0.25)
    assert weights[2] / weights[0] == pytest.approx((0.94 / 0.985) / 0.25)
    assert [row["margin"] for row in kept] == pytest.approx([0.25, 0.25, 0.5])


def test_nothing_offered_gives_empty_tables() -> None:
    result = selected([])
    assert result.kept.num_rows == result.all.num_rows == 0
    assert result.kept.schema == PAIRS
    assert set(result.waterfall["left"].to_pylist()) == {0}


SINGLE = st.fixed_dictionaries(
    {
        "q_plus": st.sampled_from([0.5, 0.96, 0.99, 1.0]),
        "verifiable": st.sampled_from([0.5, 1.0]),
        "chosen_lowest": st.sampled_from([0.1, 0.9, 0.95]),
        "length_ratio": st.sampled_from([0.5, 1.0, 1.1]),
        "source": st.sampled_from(["candidates", "counterfactual"]),
    }
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(SINGLE, max_size=25),
    st.integers(0, 8),
    st.integers(1, 30),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_what_holds_of_every_selection(
    singles: list[dict[str, Any]], quads: int, budget: int, seed: int, random: Any
) -> None:
    rows = [pair(i, **given) for i, given in enumerate(singles)]
    rows += [row for i in range(100, 100 + quads) for row in quad(i, q_plus=0.99 if i % 3 else 0.6)]
    rewards = {row["pair_id"]: random.uniform(-5, 5) for row in rows}
    rule = Rule(budget=budget)
    result = selected(rows, rule, reward_margin=rewards, seed=seed)
    asked = past_experts(pa.Table.from_pylist(rows, schema=OFFERED), rule, 0.95)["pair_id"].to_pylist()
    assert all(row["q_plus"] >= 0.95 for row in rows if row["pair_id"] in asked)
    fewer = selected(rows, rule, reward_margin={name: rewards[name] for name in asked}, seed=seed)
    assert fewer.kept == result.kept and refusals(fewer) == refusals(result)
    random.shuffle(rows)
    again = selected(rows, rule, reward_margin=rewards, seed=seed)
    assert result.kept.equals(again.kept) and result.all.equals(again.all)
    kept = result.kept.to_pylist()
    assert len(kept) <= budget
    assert result.all.num_rows == len(rows)
    assert all(row["q_plus"] >= 0.95 and 0.8 <= row["length_ratio"] <= 1.25 for row in kept)
    by_quad = [row["quad_id"] for row in kept if row["quad_id"] is not None]
    assert all(by_quad.count(name) == 2 for name in by_quad)
    if kept:
        assert np.mean([row["weight"] for row in kept]) == pytest.approx(1)
    accepted = [row for row in result.all.to_pylist() if row["refused"] in (None, "budget")]
    if len(accepted) <= budget:
        assert len(kept) == len(accepted)
    assert result.waterfall.schema == WATERFALL
    for source in ("candidates", "counterfactual"):
        lines = [line for line in result.waterfall.to_pylist() if line["source"] == source]
        assert [line["test"] for line in lines] == ["offered", *TESTS, "kept"]
        for before, after in itertools.pairwise(lines):
            assert after["left"] == before["left"] - after["refused"]
        assert lines[0]["left"] == sum(row["source"] == source for row in rows)
        assert lines[-1]["left"] == sum(row["source"] == source for row in kept)


def test_a_round_that_keeps_too_little_says_why() -> None:
    selection = selected([pair(1), pair(2, q_plus=0.6), pair(3, q_plus=0.6), pair(4, length_ratio=2.0)])
    told = shortage(selection, Rule(least=2))
    assert told is not None
    assert told.startswith(
        "the round keeps 1 of 4 pairs on offer, fewer than rule.least=2 (refused: 2 undecided, 1 length): bring more"
    )
    assert shortage(selection, Rule(least=1)) is None
    assert "keeps 0 of 0" in str(shortage(selected([]), Rule()))


def answers(number: int, question: str, source: str = "opposite", **given: Any) -> dict[str, Any]:
    return pair(
        number, **{"image_sha256": "one", "question": question, "chosen": "Yes", "rejected": "No", "source": source}
        | given
    )  # fmt: skip


def test_yes_and_no_are_something_else_to_every_question_about_an_image():
    rows = [answers(1, "Is there a dog?"), answers(2, "Is there a cat?"), answers(3, "Is there a dog?")]
    assert list(refusals(selected(rows)).values()) == [None, None, "duplicate"]
    worded = [answers(n, q, chosen="A dog.", rejected="A cat.") for n, q in ((1, "What?"), (2, "Describe it."))]
    assert list(refusals(selected(worded)).values()) == [None, "duplicate"]


@pytest.mark.parametrize(("fault", "kept"), [({}, {"p0002", "p5002"}), ({"q_plus": 0.5}, {"p0001"})])
def test_the_same_answers_without_a_quad_give_way_to_a_whole_one(fault: dict[str, float], kept: set[str]) -> None:
    edited = answers(2, "Is there a dog?", "counterfactual", quad_id="k")
    other = edited | {"pair_id": "p5002", "image_sha256": "two", "chosen": "No", "rejected": "Yes", **fault}
    found = selected([answers(1, "Is there a dog?"), edited, other])
    assert {name for name, refused in refusals(found).items() if refused is None} == kept
