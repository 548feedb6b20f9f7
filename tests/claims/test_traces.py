"""Faint sightings say how likely something is there, and nothing else; how sure a verdict must be is kept with it."""

from __future__ import annotations

import numpy as np
import pytest

from vlrm.claims.calibration import calibration_claims, how_common, make
from vlrm.claims.counterfactual import propose
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Example, Reliability
from vlrm.claims.symbols import observe
from vlrm.claims.truth import holds
from vlrm.schema import ObjectPhrase, SeenObject, clear

DOG = make("existence", ObjectPhrase("dog"))


def seen(noun: str, score: float) -> SeenObject:
    return SeenObject(noun, (0.1, 0.1, 0.4, 0.4), score, evidence_id=noun)


def test_a_trace_is_no_object() -> None:
    objects = [seen("dog", 0.6), seen("cat", 0.05)]
    assert [thing.noun for thing in clear(objects)] == ["dog"]
    assert holds(DOG, objects) and not holds(make("existence", ObjectPhrase("cat")), objects)
    assert holds(make("count", ObjectPhrase(None), count=1), objects)


def test_a_trace_is_told_from_silence_and_cites_nothing() -> None:
    faint, none = observe(DOG, [seen("dog", 0.03)]), observe(DOG, [])
    assert faint.table == none.table == "existence"
    assert faint.symbols != none.symbols
    assert faint.evidence_ids == [] and observe(DOG, [seen("dog", 0.3)]).evidence_ids == ["dog"]


def test_a_trace_says_nothing_narrower_than_that_something_is_there() -> None:
    red = make("attribute", ObjectPhrase("dog", (("colour", "red"),)), attribute="colour", value="red")
    count = make("count", ObjectPhrase("dog"), count=1)
    for claim in (red, count):
        assert observe(claim, [seen("dog", 0.03)]).symbols == observe(claim, []).symbols


@pytest.fixture(scope="module")
def fitted() -> Reliability:
    """A detector that sees most dogs surely, the rest faintly, and where there is none nearly nothing."""
    rng = np.random.default_rng(0)
    examples: list[Example] = []
    for _ in range(400):
        there = bool(rng.random() < 0.5)
        chances = (0.7, 0.25, 0.05) if there else (0.02, 0.18, 0.8)
        kind = rng.choice(3, p=chances)
        examples.append((DOG, [[seen("dog", 0.9)], [seen("dog", 0.03)], []][kind], there))
    return Reliability.fit(examples, certain=0.9, shrink=20)


def test_the_fainter_the_less_likely(fitted: Reliability) -> None:
    chances = [fitted.verify(DOG, objects).probability for objects in ([seen("dog", 0.9)], [seen("dog", 0.03)], [])]
    assert chances[0] > 0.9 > 0.7 > chances[1] > 0.3 > 0.1 > chances[2]
    verdicts = [fitted.verify(DOG, objects).verdict for objects in ([seen("dog", 0.9)], [seen("dog", 0.03)], [])]
    assert verdicts == ["supported", "unverifiable", "contradicted"]


def test_how_sure_a_verdict_must_be_is_kept_with_the_reliability(fitted: Reliability) -> None:
    again = Reliability.from_json(fitted.to_json())
    assert again.certain == 0.9 and again.likelihoods.shrink == 20
    assert again.verify(DOG, []) == fitted.verify(DOG, [])
    surer = Reliability(fitted.likelihoods, fitted.weights, fitted.priors, certain=0.995)
    assert surer.verify(DOG, []).verdict == "unverifiable"


def test_of_what_is_not_there_no_number_is_there(fitted: Reliability) -> None:
    two = make("count", ObjectPhrase("dog"), count=2)
    assert fitted.verify(two, []) == fitted.verify(DOG, [])
    assert (
        fitted.verify(make("count", ObjectPhrase("dog", (("kind", "puppy"),)), count=2), []).verdict == "contradicted"
    )
    assert fitted.verify(two, [seen("dog", 0.9)]).verdict == "unverifiable"  # counts were never measured here
    assert fitted.verify(make("count", ObjectPhrase("dog"), count=0), []).verdict == "unverifiable"


def test_absent_objects_are_drawn_as_they_are_common() -> None:
    truths = [[seen("person", 1), seen("dog", 1)]] * 30 + [[seen("person", 1)]] * 50 + [[seen("cat", 1)]] * 20
    common = how_common(truths)
    assert common == {"person": 80, "dog": 30, "cat": 20}
    rng = np.random.default_rng(0)
    drawn = [
        claim.subject.noun
        for _ in range(300)
        for claim in calibration_claims([seen("cat", 1)], rng, PHOTOS, common)
        if claim.kind == "existence" and claim.polarity and claim.subject.noun != "cat"
    ]
    assert set(drawn) == {"person", "dog"}
    assert drawn.count("person") / len(drawn) == pytest.approx(80 / 110, abs=0.08)


@pytest.mark.parametrize("traced", [0.0, 20.0])
def test_edits_name_what_is_faintly_traced_where_that_is_asked(traced: float) -> None:
    text = "A dog on a couch."
    claims = extract_claims(text, vocabulary=PHOTOS)
    objects = [seen("dog", 0.9), seen("couch", 0.9), seen("giraffe", 0.04)]
    put_in = set()
    for seed in range(20):
        for edit in propose(text, claims, [0.99] * len(claims), objects, np.random.default_rng(seed), PHOTOS,
                            kinds=("object",), traced=traced):  # fmt: skip
            if edit.before.subject.noun == "dog":
                put_in.add(edit.new_value)
    assert (put_in == {"giraffe"}) is (traced > 0)
