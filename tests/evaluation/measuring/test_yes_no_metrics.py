"""POPE's figures and AMBER's questions, against scikit-learn and by hand."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_up_judgements import judged, row, yes_no
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from vlrm.evaluation.measuring.figures import figures_of

WORDS = ("yes", "no")


def values(items, rows, suite="pope"):
    result = figures_of(iter(items), judged(rows), suite, model="a judge", draws=20)
    return {name: figure.value for name, figure in result.figures.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=40))
def test_agrees_with_scikit_learn(drawn):
    gold, said = zip(*drawn, strict=True)
    assume("yes" in gold)
    found = values(
        [yes_no(n, right) for n, right in enumerate(gold)],
        [row(f"k{n}", WORDS.index(one)) for n, one in enumerate(said)],
    )
    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, said, pos_label="yes", average="binary", zero_division=0
    )
    assert found["yes.precision"] == pytest.approx(precision)
    assert found["yes.recall"] == pytest.approx(recall)
    assert found["yes.f1"] == pytest.approx(f1)
    assert found["yes.accuracy"] == found["accuracy"] == pytest.approx(accuracy_score(gold, said))
    assert found["yes.yes_ratio"] == pytest.approx(said.count("yes") / len(said))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=40))
def test_amber_takes_no_for_positive(drawn):
    gold, said = zip(*drawn, strict=True)
    assume("no" in gold)
    items = [yes_no(n, right, category="existence", kind="existence") for n, right in enumerate(gold)]
    found = values(items, [row(f"k{n}", WORDS.index(one)) for n, one in enumerate(said)], "amber")
    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, said, pos_label="no", average="binary", zero_division=0
    )
    assert (found["no.precision"], found["no.recall"]) == pytest.approx((precision, recall))
    assert found["no.f1"] == found["existence.f1"] == pytest.approx(f1)


def test_a_tie_is_half_a_yes_and_what_cannot_be_read_is_neither():
    items = [yes_no(0, "yes"), yes_no(1, "no"), yes_no(2, "yes"), yes_no(3, "no")]
    found = values(items, [row("k0", -1), row("k1", None, text="?"), row("k2", 0), row("k3", 0)])
    assert found["yes.accuracy"] == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    assert found["yes.precision"] == pytest.approx(1.5 / 2.5)
    assert found["yes.recall"] == pytest.approx(1.5 / 2)
    assert found["yes.f1"] == pytest.approx(2 * 1.5 / (2.5 + 2))
    assert found["yes.yes_ratio"] == pytest.approx(2.5 / 4)


def test_parts_have_figures_of_their_own():
    items = [
        yes_no(0, "yes", category="random"),
        yes_no(1, "no", category="random"),
        yes_no(2, "no", category="popular"),
    ]
    found = values(items, [row("k0", 0), row("k1", 1), row("k2", 0)])
    assert (found["random.f1"], found["random.yes_ratio"]) == (1.0, 0.5)
    assert (found["popular.accuracy"], found["popular.precision"]) == (0.0, 0.0)
    assert "popular.recall" not in found  # nothing there is a yes


def test_ambers_kinds_stand_beside_its_dimensions():
    items = [
        yes_no(0, "no", category="attribute", kind="state"), yes_no(1, "yes", category="attribute", kind="number"),
        yes_no(2, "no", category="relation", kind="relation"),
    ]  # fmt: skip
    found = values(items, [row("k0", 1), row("k1", 1), row("k2", 1)], "amber")
    assert (found["attribute.accuracy"], found["state.accuracy"], found["number.accuracy"]) == (0.5, 1.0, 0.0)
    assert found["relation.f1"] == 1.0
