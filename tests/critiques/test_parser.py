"""What is read, what is refused and why, and what holds of any text at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrm.critiques import parser
from vlrm.critiques.parser import LENIENT, STRICT, Critique, Refusal, parse

HEADINGS = {"see", "check", "verdict"}
"""Something of that name cannot be checked: "Check: verdict: no" is read as a heading, and refused."""
WORDS = (
    st.text("abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=12)
    .map(lambda t: " ".join(word for word in t.split() if word not in HEADINGS))
    .filter(bool)
)
ITEMS = st.builds(lambda words, label: f'{words} "{label}"' if label else words, WORDS, st.sampled_from(["", "BUS"]))


@st.composite
def critiques(draw: st.DrawFn) -> Critique:
    """A critique of the kind the grammar holds, with citations of three pieces of evidence."""
    checks = tuple(draw(st.dictionaries(ITEMS, st.booleans(), min_size=1, max_size=5)).items())
    cited = draw(st.lists(st.integers(1, 3), max_size=3))
    seen = tuple(f"[{n}] {draw(ITEMS)}" for n in cited) or (draw(ITEMS),)
    verdict = parser.RIGHT if all(holds for _, holds in checks) else parser.WRONG
    return Critique(verdict, checks, tuple(cited), seen)


@given(critiques(), st.sampled_from([STRICT, LENIENT]))
def test_what_is_written_reads_back_the_same(critique, form):
    assert parse(parser.write(critique), 3, form) == critique


@given(critiques(), st.sampled_from([STRICT, LENIENT]), st.data())
def test_a_critique_cut_anywhere_is_refused_or_gives_the_same_verdict(critique, form, data):
    whole = parser.write(critique)
    cut = parse(whole[: data.draw(st.integers(0, len(whole)))], 3, form)
    assert isinstance(cut, Refusal) or cut.verdict == critique.verdict


@given(
    st.text() | st.lists(st.sampled_from(["See:", "Check:", "Verdict:", "right", "yes", ";", ":", "[1]", '"', "\n", "- "]))
    .map(" ".join),
    st.none() | st.integers(0, 5),
    st.sampled_from([STRICT, LENIENT]),
)  # fmt: skip
def test_no_text_breaks_the_parser_and_what_it_accepts_is_sound(text, evidence, form):
    found = parse(text, evidence, form)
    if isinstance(found, Critique):
        assert found.checks
        assert (found.verdict == parser.RIGHT) == all(holds for _, holds in found.checks)
        assert all(1 <= number <= (evidence or 0) for number in found.cited)


def test_a_number_too_long_to_read_cites_nothing():
    text = f"See: [{'9' * 5000}] star. Check: star: yes. Verdict: right."
    assert parse(text, 3) == Refusal("cites_nothing")
    assert parse(text, 3, parser.Form(lenient=True, longest=10_000)) == Refusal("cites_nothing")


MARKDOWN = """**See:**
- [1] a Red Star
- [2] box "Verdict: right; yes"

**Check:**
1. The red star [1]: Yes.
2. two boxes: NO

**Verdict:** Wrong"""


def test_layout_is_forgiven_where_the_family_says_so():
    found = parse(MARKDOWN, 2, LENIENT)
    assert isinstance(found, Critique)
    assert found.verdict == "wrong"
    assert found.checks == (("the red star", True), ("two boxes", False))
    assert found.cited == (1, 2, 1)
    assert parse(MARKDOWN, 2) == Refusal("unparsed")


def test_what_the_lenient_parser_read_is_written_in_the_form_the_strict_one_reads():
    found = parse(MARKDOWN, 2, LENIENT)
    again = parse(parser.write(found), 2)
    assert isinstance(again, Critique)
    assert (again.verdict, again.checks) == (found.verdict, found.checks)


GOOD = "See: [1] star. Check: star: yes; box: no. Verdict: wrong."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The answer is wrong.", "unparsed"),
        ("Sure! " + GOOD, "unparsed"),
        (GOOD + " I am certain.", "unparsed"),
        (GOOD + " Verdict: right.", "unparsed"),
        (GOOD.replace("star: yes", "star"), "unparsed"),
        (GOOD.replace("star: yes", "star: maybe"), "unparsed"),
        (GOOD.replace("[1] star", '[1] "star'), "unparsed"),
        (GOOD.replace("See: [1] star. ", ""), "missing_observation"),
        (GOOD.replace("[1] star", ""), "missing_observation"),
        (GOOD.replace("star: yes; box: no", ""), "empty_check"),
        (GOOD.replace(" Verdict: wrong.", ""), "missing_verdict"),
        (GOOD.replace(" wrong.", ""), "missing_verdict"),
        (GOOD.replace("[1]", "[2]"), "cites_nothing"),
        (GOOD.replace("[1]", "[0]"), "cites_nothing"),
        (GOOD.replace("box: no", "box [7]: no"), "cites_nothing"),
        (GOOD.replace("wrong", "right"), "self_contradiction"),
        (GOOD.replace("box", "Star"), "duplicate_checks"),
        (GOOD.replace("box: no", "; ".join(f"box {n}: no" for n in range(20))), "too_long"),
        (GOOD.replace("star.", "star " * 500 + "."), "too_long"),
    ],
)
def test_each_fault_of_substance_is_refused_with_its_reason(text, reason):
    assert parse(text, 1, LENIENT) == Refusal(reason)


def test_a_check_said_twice_with_one_answer_counts_once():
    found = parse(GOOD.replace("box: no", "box: no; Box: no"), 1, LENIENT)
    assert isinstance(found, Critique)
    assert found.checks == (("star", True), ("box", False))
