"""The meaning of claims on hand-made scenes."""

from __future__ import annotations

import pytest

from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import bind, holds
from vlrm.schema import ObjectPhrase, SeenObject


def thing(noun: str, x: float, y: float, score: float = 1.0, **attributes: str) -> SeenObject:
    known = {name: (value, 1.0) for name, value in attributes.items()}
    return SeenObject(noun, (x - 0.1, y - 0.1, x + 0.1, y + 0.1), score, known)


SCENE = [
    thing("star", 0.2, 0.5, colour="red", size="small", pattern="plain"),
    thing("star", 0.8, 0.5, colour="blue", size="large", pattern="striped"),
    thing("box", 0.5, 0.52, colour="red", size="large", pattern="plain", text="TEA"),
]
TRUE = [
    "There is a red star.", "There is a small red star.", "There is no green star.", "There is no ball.",
    "There are two stars.", "There is one red star.", "There are 3 objects.", "There are two red objects.",
    "The red star is left of the box.", "The red star is left of the blue star.", "The box says tea-free 'TEA'.",
    "The red star is not above the box.", "A red star and a blue star.", "The box is not blue.",
]  # fmt: skip
FALSE = [
    "There is a ball.", "A small blue star is here.", "There is no red star.", "There are three stars.",
    "The box is below the red star.", "The box is left of the red star.", 'The star says "TEA".', "The ball is red.",
    "There are two large stars.", "The ball is left of the box.", 'The box says "TEE".',
]  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_true(text: str) -> None:
    claims = extract_claims(text)
    assert claims
    assert all(holds(c, SCENE) for c in claims)


@pytest.mark.parametrize("text", FALSE)
def test_false(text: str) -> None:
    assert not all(holds(c, SCENE) for c in extract_claims(text))


def test_binding_prefers_matches_then_score_then_reading_order() -> None:
    blue = ObjectPhrase("star", (("colour", "blue"), ("size", "large")))
    assert bind(blue, SCENE) is SCENE[1]
    assert bind(ObjectPhrase("star"), SCENE) is SCENE[0]
    surer = [thing("star", 0.2, 0.1, score=0.5), thing("star", 0.8, 0.9, score=0.9)]
    assert bind(ObjectPhrase("star"), surer) is surer[1]
    assert bind(ObjectPhrase("moon"), SCENE) is None


def test_centres_too_close_stand_in_neither_relation() -> None:
    for words in ("above", "below"):
        (claim,) = [c for c in extract_claims(f"The red star is {words} the box.") if c.kind == "relation"]
        assert not holds(claim, SCENE)
