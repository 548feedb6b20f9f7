"""Questions about single claims: right by exact truth, of two images each, and nothing to be told from their words."""

from collections import Counter

import numpy as np
import pytest

from vlrm.claims.calibration import calibration_examples
from vlrm.claims.extract import extract_claims
from vlrm.claims.naming import phrases_named
from vlrm.claims.reliability import Reliability
from vlrm.claims.truth import holds
from vlrm.claims.vocabulary import EMBEDDED
from vlrm.rejection_sampling.claim_questions import ClaimQuestions, ClaimQuestionSettings
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import select_pairs
from vlrm.reward.by_claim import ASKING
from vlrm.reward.rows import training_pairs, units
from vlrm.scenes.world import sample_scene

ASKED = ASKING["embedded"]


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(5)
    return {f"{number:02d}": sample_scene(rng) for number in range(30)}


@pytest.fixture(scope="module")
def reliability():
    rng = np.random.default_rng(0)
    truths = [sample_scene(rng).seen() for _ in range(120)]
    return Reliability.fit(calibration_examples([(truth, truth) for truth in truths], rng))


def drawn(scenes, reliability, number: int = 60, seed: int = 1, **settings):
    seen = {image: scene.seen() for image, scene in scenes.items()}
    questions = ClaimQuestions(seen, reliability, ClaimQuestionSettings(**settings), ASKED, EMBEDDED)
    return questions.draw(number, seed)


def test_every_answer_is_right_on_its_image(scenes, reliability) -> None:
    rows = drawn(scenes, reliability).to_pylist()
    assert len(rows) >= 100
    for row in rows:
        for side, right in (("chosen", True), ("rejected", False)):
            claims = extract_claims(row[side], row["question"])
            assert all(holds(claim, scenes[row["image_sha256"]].seen()) for claim in claims) is right, row
        assert row["q_plus"] >= 0.9
        assert row["q_minus"] == row["rejected_lowest"] == pytest.approx(1 - row["q_plus"])


def test_words_cannot_tell_which_answer_is_right(scenes, reliability) -> None:
    rows = drawn(scenes, reliability).to_pylist()
    chosen = Counter((row["question"], row["chosen"]) for row in rows)
    rejected = Counter((row["question"], row["rejected"]) for row in rows)
    assert chosen == rejected
    selection = select_pairs(drawn(scenes, reliability), Rule(), 0.95)
    assert selection.kept.num_rows == selection.all.num_rows
    quads = units(training_pairs(selection.kept))
    assert {len(quad) for quad in quads} == {2}  # both images of a question meet in one step


def test_nothing_is_asked_of_an_image_twice(scenes, reliability) -> None:
    rows = drawn(scenes, reliability, number=200).to_pylist()
    asked = Counter((row["image_sha256"], row["question"]) for row in rows)
    assert max(asked.values()) == 1


def test_what_is_asked_is_what_a_response_is_read_for(scenes, reliability) -> None:
    """The questions are those that scoring by claim asks: of a phrase that the naming of things can find."""
    for row in drawn(scenes, reliability).to_pylist():
        yes = row["chosen"] if row["chosen"].startswith("Yes") else row["rejected"]
        assert any(ASKED.of(thing)[0] == row["question"] for thing in phrases_named(yes, row["question"]))


@pytest.mark.parametrize("confusable", [0.0, 1.0])
def test_the_other_image_shows_such_an_object_or_none(scenes, reliability, confusable: float) -> None:
    rows = drawn(scenes, reliability, confusable=confusable).to_pylist()
    for row in rows:
        if row["chosen"].startswith("No"):
            nouns = {thing.noun for thing in scenes[row["image_sha256"]].seen()}
            noun = row["question"].removesuffix("?").split()[-1]
            assert (noun in nouns) == bool(confusable)


def test_the_same_seed_asks_the_same(scenes, reliability) -> None:
    assert drawn(scenes, reliability).equals(drawn(scenes, reliability))
    assert not drawn(scenes, reliability).equals(drawn(scenes, reliability, seed=2))


def test_images_that_settle_nothing_get_no_question(scenes, reliability) -> None:
    alone = dict(list(scenes.items())[:1])
    assert drawn(alone, reliability).num_rows == 0
    assert drawn({}, reliability).num_rows == 0
    assert drawn(scenes, reliability, number=0).num_rows == 0
    assert drawn(scenes, reliability, tried_images=0).num_rows == 0
