"""Claims with known truth about calibration scenes: what the experts' reliability is counted on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.claims.truth import holds, margin
from vlrm.claims.vocabulary import EMBEDDED, OPPOSITE, Vocabulary
from vlrm.schema import Claim, ClaimKind, ObjectPhrase, SeenObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vlrm.claims.reliability import Example

ABSENT_SHARE = 0.35
"""Share of the false attribute, relation and text claims, and of the true denials, whose object is not there."""


def make(kind: ClaimKind, subject: ObjectPhrase, **content: Any) -> Claim:
    """A claim that stands in no text."""
    return Claim(kind=kind, subject=subject, start=0, end=0, span_value=(0, 0), **content)


def calibration_claims(
    truth: Sequence[SeenObject],
    rng: np.random.Generator,
    vocabulary: Vocabulary = EMBEDDED,
    common: Mapping[str, float] | None = None,
) -> list[Claim]:
    """True and false claims of every kind in about equal number, worded as responses word them.

    Objects are described by some of their attributes; false claims change one fact (another noun, a neighbouring count,
    another value, the opposite relation, another label), as the mistakes of models do. ``common``: how often each noun
    is there; the nouns said to be there and are not are drawn so, since models invent what is usual. Without it all
    nouns are as likely.
    """
    claims: list[Claim] = []
    nouns = list(vocabulary.nouns)
    present = sorted({thing.noun for thing in truth})
    absent = [noun for noun in nouns if noun not in present]
    claims += [make("existence", ObjectPhrase(noun)) for noun in present]
    claims += [make("existence", ObjectPhrase(noun)) for noun in _usual(absent, len(present), common, rng)]
    for thing in truth:
        claims += _denials(thing, rng, vocabulary)
        claims += _attributes(thing, rng, vocabulary)
        claims += _texts(thing, truth, rng, vocabulary)
    claims += _counts(truth, nouns, rng, vocabulary)
    claims += _relations(truth, rng)
    return [_of_absent(claim, truth, absent, rng) for claim in claims]


def _of_absent(claim: Claim, truth: Sequence[SeenObject], absent: list[str], rng: np.random.Generator) -> Claim:
    """Some of what is not so is not so because its object is not there at all: that is how models often
    err."""
    denial = claim.kind == "existence" and not claim.polarity
    if not (denial or claim.kind in ("attribute", "relation", "text")) or not absent:
        return claim
    if rng.random() > ABSENT_SHARE or holds(claim, truth) == claim.polarity:
        return claim
    noun = str(rng.choice(absent))
    if claim.other is not None and rng.random() < 0.5:
        return replace(claim, other=replace(claim.other, noun=noun))
    return replace(claim, subject=replace(claim.subject, noun=noun))


def calibration_examples(
    scenes: Iterable[tuple[Sequence[SeenObject], list[SeenObject]]],
    rng: np.random.Generator,
    vocabulary: Vocabulary = EMBEDDED,
    common: Mapping[str, float] | None = None,
) -> list[Example]:
    """Examples for :meth:`Reliability.fit` from (exact truth, evidence) of each calibration scene."""
    return [
        (claim, evidence, holds(claim, truth))
        for truth, evidence in scenes
        for claim in calibration_claims(truth, rng, vocabulary, common)
    ]


def how_common(truths: Iterable[Sequence[SeenObject]]) -> Counter[str]:
    """The number of images that show each noun."""
    return Counter(noun for truth in truths for noun in {thing.noun for thing in truth})


def _usual(
    nouns: Sequence[str], number: int, common: Mapping[str, float] | None, rng: np.random.Generator
) -> list[str]:
    if common is None:
        return [str(noun) for noun in _some(nouns, number, rng)]
    known = [noun for noun in nouns if common.get(noun, 0) > 0]
    weight = np.array([common[noun] for noun in known], dtype=float)
    if not known:
        return []
    drawn = rng.choice(len(known), min(number, len(known)), replace=False, p=weight / weight.sum())
    return [known[i] for i in drawn]


def _some(options: Sequence[Any], number: int, rng: np.random.Generator) -> list[Any]:
    picked = rng.permutation(len(options))[:number]
    return [options[i] for i in picked]


def _other(options: Sequence[str], value: str, rng: np.random.Generator) -> str:
    return str(rng.choice([option for option in options if option != value]))


def _described(
    thing: SeenObject, rng: np.random.Generator, vocabulary: Vocabulary, without: str = ""
) -> dict[str, str]:
    """Some of an object's attributes, as phrases name them."""
    chances = {"colour": 0.7, "size": 0.3, "pattern": 0.3}
    return {
        name: thing.attributes[name][0]
        for name in vocabulary.attributes
        if name in thing.attributes
        and name != without
        and thing.attributes[name][0] not in vocabulary.unsaid
        and rng.random() < chances.get(name, 0.3)
    }


def _phrase(noun: str | None, attributes: dict[str, str]) -> ObjectPhrase:
    return ObjectPhrase(noun, tuple(sorted(attributes.items())))


def _denials(thing: SeenObject, rng: np.random.Generator, vocabulary: Vocabulary) -> list[Claim]:
    """ "There is no red star", of an object that is there and of one that differs in a word."""
    attributes = _described(thing, rng, vocabulary)
    if not attributes:
        return []
    changed = str(rng.choice(sorted(attributes)))
    other = {**attributes, changed: _other(vocabulary.values(changed), attributes[changed], rng)}
    return [
        make("existence", _phrase(thing.noun, attributes), polarity=False),
        make("existence", _phrase(thing.noun, other), polarity=False),
    ]


def _attributes(thing: SeenObject, rng: np.random.Generator, vocabulary: Vocabulary) -> list[Claim]:
    claims = []
    for name in vocabulary.attributes:
        if name not in thing.attributes:
            continue
        value = thing.attributes[name][0]
        about = _described(thing, rng, vocabulary, without=name) if rng.random() < 0.6 else {}
        for said in (value, _other(vocabulary.values(name), value, rng)):
            claims.append(make("attribute", _phrase(thing.noun, {**about, name: said}), attribute=name, value=said))
    return claims


def _texts(
    thing: SeenObject, truth: Sequence[SeenObject], rng: np.random.Generator, vocabulary: Vocabulary
) -> list[Claim]:
    if "text" not in thing.attributes:
        # A label that another object carries, or nobody.
        carried = [other.attributes["text"][0] for other in truth if "text" in other.attributes]
        if not vocabulary.labels or rng.random() > 0.25:
            return []
        options = carried if carried and rng.random() < 0.5 else list(vocabulary.labels)
        return [make("text", _phrase(thing.noun, {}), value=str(rng.choice(options)))]
    value = thing.attributes["text"][0]
    about = _phrase(thing.noun, _described(thing, rng, vocabulary))
    claims = [make("text", about, value=value)]
    if len(vocabulary.labels) > 1:
        claims.append(make("text", about, value=_other(vocabulary.labels, value, rng)))
    return claims


def _counts(
    truth: Sequence[SeenObject], nouns: list[str], rng: np.random.Generator, vocabulary: Vocabulary
) -> list[Claim]:
    claims = []
    phrases: list[ObjectPhrase] = [ObjectPhrase(None), ObjectPhrase(str(rng.choice(nouns)))]
    for thing in _some(truth, 3, rng):
        phrases.append(ObjectPhrase(thing.noun))
        phrases.append(_phrase(thing.noun if rng.random() < 0.7 else None, _described(thing, rng, vocabulary)))
    for phrase in phrases:
        number = sum(holds(make("count", phrase, count=1), [thing]) for thing in truth)
        claims.append(make("count", phrase, count=number))
        step = int(rng.choice([-2, -1, 1, 1, 2], p=[0.1, 0.4, 0.2, 0.2, 0.1]))
        claims.append(make("count", phrase, count=number + step if number + step >= 0 else number + 1))
    return claims


def _relations(truth: Sequence[SeenObject], rng: np.random.Generator) -> list[Claim]:
    claims = []
    for _ in range(min(4, len(truth) * (len(truth) - 1))):
        a, b = (truth[i] for i in rng.permutation(len(truth))[:2])
        relation = str(rng.choice(sorted(OPPOSITE)))
        if margin(relation, a, b) < 0:
            relation = OPPOSITE[relation]
        phrases = [
            _phrase(t.noun, {"colour": t.attributes["colour"][0]} if "colour" in t.attributes else {}) for t in (a, b)
        ]
        if rng.random() < 0.5:
            phrases = [ObjectPhrase(p.noun) for p in phrases]
        for said in (relation, OPPOSITE[relation]):
            claims.append(make("relation", phrases[0], relation=said, other=phrases[1]))
    return claims
