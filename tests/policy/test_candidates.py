from __future__ import annotations

import pyarrow as pa
import pytest

from vlrm.policy.candidates import Distinct, sample_candidates
from vlrm.policy.duplicates import jaccard, word_pairs
from vlrm.policy.protocol import Sampling
from vlrm.progress import listening

PROMPTS = pa.table({"prompt_id": ["p0", "p1"], "image_sha256": ["i0", "i1"], "question": ["What?", "Where?"]})


class Scripted:
    """Writes the given texts in turn, whatever is asked, and remembers what was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked = []

    def write(self, requests, sampling, progress=None):
        self.asked.append(requests)
        return [self.texts.pop(0) for _ in requests]


def texts(table):
    return dict(zip(table["response_id"].to_pylist(), table["text"].to_pylist(), strict=True))


def test_without_distinct_every_draw_counts():
    writer = Scripted(*["A star."] * 6)
    assert sample_candidates(writer, PROMPTS, 3, Sampling(), 0).num_rows == 6
    assert len(writer.asked) == 1


def test_repeated_candidates_are_drawn_again_on_other_seeds_and_then_dropped():
    first = ["A star.", "the STAR", "A ball.", "A star.", "A ring.", "A star"]
    writer = Scripted(*first, "A box.", "A ring", "A ring!")
    said: list[str] = []
    with listening(said.append):
        table = sample_candidates(writer, PROMPTS, 3, Sampling(), 0, Distinct(redraws=2))
    assert texts(table) == {
        "p0-c0": "A star.", "p0-c1": "A box.", "p0-c2": "A ball.", "p1-c0": "A star.", "p1-c1": "A ring.",
    }  # fmt: skip
    assert table["sample"].to_pylist() == [0, 1, 2, 0, 1]
    seeds = [request.seed for asked in writer.asked for request in asked]
    assert len(set(seeds)) == len(seeds) == 6 + 2 + 1
    assert said[-1] == "5 candidates; 2 repeated another, 1 of them again when redrawn: dropped"


def test_the_first_draws_are_the_same_with_redraws_and_without():
    plain, again = Scripted(*"abcdef"), Scripted(*"abcdef")
    sample_candidates(plain, PROMPTS, 3, Sampling(), 7)
    sample_candidates(again, PROMPTS, 3, Sampling(), 7, Distinct())
    assert plain.asked[0] == again.asked[0]


def test_the_likeliest_text_is_not_drawn_again():
    writer = Scripted(*"aaabbb")
    table = sample_candidates(writer, PROMPTS, 3, Sampling(temperature=0), 0, Distinct())
    assert texts(table) == {"p0-c0": "a", "p1-c0": "b"}
    assert len([asked for asked in writer.asked if asked]) == 1


def test_a_redraw_is_compared_with_later_candidates_too():
    writer = Scripted("a", "a", "b", "x", "y", "z", "b", "c")
    table = sample_candidates(writer, PROMPTS, 3, Sampling(), 0, Distinct(redraws=2))
    assert list(texts(table).values()) == ["a", "c", "b", "x", "y", "z"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("There is a red star.", "there is the red star", True),
        ("No.", "No", True),
        ("", "...", True),
        ("A red star and a blue ball.", "A blue star and a red ball.", False),
        ("There are two stars.", "There are three stars.", False),
        ("A star. A ball.", "A star. A ball. A star. A ball.", False),
        ("Yes, there is a star.", "No, there is a star.", False),
    ],
)
def test_only_other_spellings_are_the_same_at_similarity_one(first, second, same):
    assert (jaccard(word_pairs(first), word_pairs(second)) >= 1) is same


def test_a_lower_similarity_takes_long_texts_that_differ_in_a_word_for_one():
    first = "On the left there is a small red star, and behind it stands a large blue ball with stripes"
    similarity = jaccard(word_pairs(first), word_pairs(first.replace("stripes", "dots")))
    assert 0.75 < similarity < 1
    writer = Scripted(first, first.replace("stripes", "dots"), "x", "y")
    table = sample_candidates(writer, PROMPTS, 2, Sampling(), 0, Distinct(similarity=0.75, redraws=0))
    assert table.num_rows == 3
