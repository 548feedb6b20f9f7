"""Edits: one claim changed, false by the evidence, fluent, of the same length, and matched in their
values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vlrm.claims.calibration import calibration_examples
from vlrm.claims.counterfactual import SURPLUS, Edit, propose
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.claims.rewording import apply, length_kept
from vlrm.claims.truth import holds
from vlrm.scenes.questions import answer, ask
from vlrm.scenes.world import sample_scene
from vlrm.schema import SeenObject


def thing(noun: str, x: float, colour: str, size: str = "medium", pattern: str = "plain", text: str = "") -> SeenObject:
    known = {"colour": (colour, 1.0), "size": (size, 1.0), "pattern": (pattern, 1.0)}
    if text:
        known["text"] = (text, 1.0)
    return SeenObject(noun, (x, 0.4, x + 0.1, 0.5), 1.0, known, noun)


SCENE = [
    thing("star", 0.1, "red", "small"),
    thing("ball", 0.4, "blue", "large", "striped", "TEA"),
    thing("ring", 0.7, "green"),
    thing("ring", 0.85, "pink"),
]


def edits(text: str, question: str = "", seed: int = 0, **options: object) -> list[Edit]:
    claims = extract_claims(text, question)
    assert claims
    chances = [1.0] * len(claims)
    return propose(text, claims, chances, SCENE, np.random.default_rng(seed), question=question, **options)  # type: ignore[arg-type]


def reachable(text: str, question: str = "", **options: object) -> set[str]:
    return {edit.text for seed in range(60) for edit in edits(text, question, seed, **options)}


def test_relation_count_and_text_edits() -> None:
    assert reachable("The star is to the left of the ball.", kinds=["relation"]) == {
        "The star is to the right of the ball."
    }
    assert reachable("There are two rings.", kinds=["count"]) == {
        "There is one ring.",
        "There are three rings.",
    }
    assert reachable("I count 4 objects.", kinds=["count"]) == {"I count 3 objects.", "I count 5 objects."}
    assert reachable("There is one ball.", kinds=["count"]) == {"There are two balls."}
    labels = reachable('The ball says "TEA".', kinds=["text"])
    assert labels == {'The ball says "SKY".', 'The ball says "BUS".'}


def test_attribute_edits_keep_form_and_article() -> None:
    found = reachable("I can see a red star.", kinds=["attribute"])
    assert "I can see an orange star." in found
    assert "I can see a blue star." in found
    assert not any("red" in text for text in found)
    assert reachable("A ball with stripes.", kinds=["attribute"]) == {"A ball with dots."}
    assert "Large." in reachable("Small.", "What size is the star?") | reachable("Small.", "What size is the star?")


def test_object_edits_follow_the_object_through_the_text() -> None:
    found = reachable("There is a star. The star is red. Stars are nice.", kinds=["object"])
    assert "There is a heart. The heart is red. Hearts are nice." in found
    assert not any("star" in text.lower() or "ball" in text or "ring" in text for text in found)


def test_an_object_the_question_asks_about_is_not_replaced() -> None:
    assert not reachable("The star is red.", "What colour is the star?", kinds=["object"])


@pytest.mark.parametrize(
    ("question", "text", "flipped"),
    [
        ("Is there a red star?", "Yes, there is a red star.", "No, there is no red star."),
        ("Is there a moon?", "No, there is no moon.", "Yes, there is a moon."),
        ("Is there an orange star?", "No, I do not see any orange star.", "Yes, I can see an orange star."),
        ("Is there a red star?", "Yes.", "No."),
        ("Is the star left of the ball?", "Yes.", "No."),
    ],
)
def test_answers_flip(question: str, text: str, flipped: str) -> None:
    assert reachable(text, question, kinds=["existence", "relation"]) == {flipped}


def test_only_supported_claims_are_edited() -> None:
    text = "There is a red star and a yellow moon."
    claims = extract_claims(text)
    chances = [0.95 if claim.subject.noun == "star" else 0.1 for claim in claims]
    found = propose(text, claims, chances, SCENE, np.random.default_rng(0))
    assert found
    assert all(edit.before.subject.noun == "star" for edit in found)
    assert all("yellow moon" in edit.text for edit in found)


def test_edits_of_free_answers_are_single_false_matched_and_deterministic() -> None:
    rng = np.random.default_rng(5)
    balance: Counter[tuple[str, str, str]] = Counter()
    made: list[str] = []
    false = answers = 0
    for _ in range(300):
        scene = sample_scene(rng)
        question = ask(scene, rng)
        text, objects = answer(question, scene, rng), scene.seen()
        claims = extract_claims(text, question.text)
        chances = [float(holds(claim, objects)) for claim in claims]
        seed = int(rng.integers(1 << 30))
        before = balance.copy()
        found = propose(
            text,
            claims,
            chances,
            objects,
            np.random.default_rng(seed),
            question=question.text,
            balance=balance,
        )
        again = propose(
            text,
            claims,
            chances,
            objects,
            np.random.default_rng(seed),
            question=question.text,
            balance=before,
        )
        assert found == again
        answers += bool(found)
        for edit in found:
            after = extract_claims(edit.text, question.text)
            assert edit.after in after
            assert not holds(edit.after, objects)
            assert edit.before == claims[edit.claim_index]
            assert length_kept(text, edit.text)
            assert " a o" not in edit.text and " an r" not in edit.text
            made.append(edit.kind)
            false += 1
    assert answers > 240
    assert {"object", "attribute", "count", "relation", "text", "existence"} <= set(made)
    assert max(abs(number) for number in balance.values()) <= SURPLUS


def test_an_uncertain_contradiction_is_no_edit() -> None:
    rng = np.random.default_rng(1)
    scenes = [sample_scene(rng).seen() for _ in range(60)]
    sure = Reliability.fit(calibration_examples([(truth, truth) for truth in scenes], rng))
    nothing_known = Reliability.fit([])
    assert edits("There is a red star.", reliability=sure)
    assert not edits("There is a red star.", reliability=nothing_known)


def test_limit_and_capitals() -> None:
    assert len(edits("There is a red star, a blue ball and a ring.", limit=2)) == 2
    assert apply("Red stars.", [(0, 3, "orange")]) == "Orange stars."
    assert apply("An orange star and a red one.", [(3, 9, "blue")]) == "A blue star and a red one."


def test_what_an_answer_hallucinates_is_no_vocabulary() -> None:
    """Negative amplification: a label that an answer made up is edited into no claim, its own or another's."""
    text = 'There is a purple star. The ball says "ZAP". There are two rings.'
    claims = extract_claims(text, "")
    chances = [float(holds(claim, SCENE)) for claim in claims]
    assert 0.0 in chances and 1.0 in chances
    for seed in range(60):
        for edit in propose(text, claims, chances, SCENE, np.random.default_rng(seed)):
            assert holds(edit.before, SCENE)  # only what is true is edited
            assert edit.after.value not in ("ZAP", "purple")
            assert edit.text.count("ZAP") == text.count("ZAP") and edit.text.count("purple") == text.count("purple")
