"""HallusionBench's three accuracies, by hand and against a plain count over dictionaries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_judgements import judged, row, yes_no

from vlrm.evaluation.benchmarks.suites import load
from vlrm.evaluation.measuring.figures import figures_of

NAMES = ("subcategory", "set_id", "figure_id", "question_id")


def item(number, category, *place):
    return yes_no(number, "yes", category=category, **dict(zip(NAMES, place, strict=True)))


def figures(items, right):
    rows = judged([row(one.key, one.better if ok else 1 - one.better) for one, ok in zip(items, right, strict=True)])
    return figures_of(iter(items), rows, "hallusionbench", model="a judge", draws=20).figures


def counted(places, right):
    """All right by key, from dictionaries."""
    by_figure, by_question = {}, {}
    for (category, *where), ok in zip(places, right, strict=True):
        kind, set_id, figure, question = where
        by_question.setdefault((category, kind, set_id, question), []).append(ok)
        if not (category == "VS" and figure == "0"):
            by_figure.setdefault((category, kind, set_id, figure), []).append(ok)
    return [sum(map(all, groups.values())) / len(groups) if groups else None for groups in (by_figure, by_question)]


def test_by_hand():
    places = [
        ("VD", "math", "0", "0", "0"), ("VD", "math", "0", "0", "1"), ("VD", "math", "0", "1", "0"),
        ("VS", "math", "0", "0", "0"), ("VS", "math", "0", "1", "0"),
    ]  # fmt: skip
    items = [item(n, *place) for n, place in enumerate(places)]
    found = figures(items, [True, False, True, False, True])
    assert found["a_acc"].value == pytest.approx(3 / 5)
    # figures: VD 0 (right, wrong), VD 1, VS 1; the VS question without a figure is in none
    assert (found["f_acc"].value, found["f_acc"].n) == (pytest.approx(2 / 3), 3)
    # questions: VD 0 right on both figures, VD 1 wrong, VS 0 wrong without its figure
    assert (found["q_acc"].value, found["q_acc"].n) == (pytest.approx(1 / 3), 3)


places = st.tuples(st.sampled_from(["VD", "VS"]), st.sampled_from(["ocr", "map"]), *[st.sampled_from("012")] * 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(places, st.booleans()), min_size=1, max_size=30))
def test_agrees_with_a_count_over_dictionaries(drawn):
    where, right = zip(*drawn, strict=True)
    found = figures([item(n, *place) for n, place in enumerate(where)], right)
    by_figure, by_question = counted(where, right)
    assert found["q_acc"].value == pytest.approx(by_question)
    assert by_figure is None or found["f_acc"].value == pytest.approx(by_figure)


def test_the_released_file_has_346_figures_and_455_questions(shared_data):
    items = list(load("hallusionbench", shared_data("benchmarks/hallusionbench.json")))
    found = figures(items, [one.better == 0 for one in items])  # always yes
    assert (found["a_acc"].n, found["f_acc"].n, found["q_acc"].n) == (1129, 346, 455)
    assert found["acc_plus"] == found["q_acc"]
