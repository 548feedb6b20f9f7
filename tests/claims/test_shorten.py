"""Two answers that differ in one claim, as the one sentence that makes it."""

import numpy as np
import pytest

from vlrm.claims.counterfactual import Edit, propose
from vlrm.claims.extract import extract_claims
from vlrm.claims.shorten import one_sentence
from vlrm.schema import SeenObject

QUESTION = "What is in the image?"
SEEN = [
    SeenObject("star", (0.2, 0.4, 0.4, 0.6), 1.0, {"colour": ("red", 1.0)}, "a"),
    SeenObject("box", (0.6, 0.4, 0.8, 0.6), 1.0, {"colour": ("green", 1.0)}, "b"),
]


def edit_of(text: str, kind: str) -> Edit:
    claims = extract_claims(text, QUESTION)
    found = propose(text, claims, [1.0] * len(claims), SEEN, np.random.default_rng(0), kinds=(kind,), question=QUESTION)
    return found[0]


@pytest.mark.parametrize(
    ("kind", "sentence"), [("attribute", "There is a red star."), ("relation", "The star is to the left of the box.")]
)
def test_the_edited_sentence_alone_says_the_same(kind, sentence):
    text = f"I can see a box. {sentence}"
    edit = edit_of(text, kind)
    said, alone = one_sentence(text, edit, QUESTION)
    assert said == sentence and alone.text in edit.text and said != alone.text
    assert alone.before.key() == edit.before.key() and alone.after.key() == edit.after.key()
    assert extract_claims(said, QUESTION)[alone.claim_index] == alone.before


def test_one_sentence_is_short_already():
    text = "There is a red star and a green box."
    assert one_sentence(text, edit_of(text, "attribute"), QUESTION) is None


def test_a_claim_that_needs_its_neighbour_is_not_cut_off():
    for text, kind in (
        ("There is a star. It is red.", "attribute"),
        ("There is a red star. There is a box. The star is to the left of the box.", "relation"),
    ):
        assert one_sentence(text, edit_of(text, kind), QUESTION) is None
