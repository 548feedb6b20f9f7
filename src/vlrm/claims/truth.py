"""What a claim means: which object a phrase binds to, and whether a claim holds of a list of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.vocabulary import OPPOSITE
from vlrm.schema import Claim, ObjectPhrase, SeenObject, clear

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 0.04
"""Centres closer than this fraction of the image side along an axis stand in neither relation of that
axis."""

KIND = "kind"
"""The attribute of a phrase that names some of a noun's objects only: "puppy" of dogs, "man" of persons."""
GEOMETRIC = frozenset(OPPOSITE)
"""The relations that boxes decide."""


def same_text(a: str, b: str) -> bool:
    """Printed text is compared without case, spaces and punctuation."""
    return normal_text(a) == normal_text(b)


def normal_text(text: str) -> str:
    return "".join(c for c in text.upper() if c.isalnum())


def matches(thing: SeenObject, attribute: str, value: str) -> bool:
    """Whether an object is known to have this value."""
    known = thing.attributes.get(attribute)
    if known is None:
        # No expert tells a man from a woman: which kind of its noun an object is counts only where somebody knows.
        return attribute == KIND
    return same_text(known[0], value) if attribute == "text" else known[0] == value


def bind(phrase: ObjectPhrase, objects: Sequence[SeenObject]) -> SeenObject | None:
    """The object of the phrase's noun that matches most of its attributes.

    Ties go to the higher score, then to reading order (top to bottom, left to right). None when no object has the
    noun; a phrase without a noun ranges over all objects.
    """
    best: SeenObject | None = None
    best_rank: tuple[float, ...] = ()
    for thing in objects:
        if phrase.noun is not None and thing.noun != phrase.noun:
            continue
        x, y = thing.centre
        rank = (sum(matches(thing, a, v) for a, v in phrase.attributes), thing.score, -y, -x)
        if best is None or rank > best_rank:
            best, best_rank = thing, rank
    return best


def with_attribute(phrase: ObjectPhrase, attribute: str, value: str) -> ObjectPhrase:
    """The phrase with one attribute set."""
    return ObjectPhrase(phrase.noun, tuple(sorted({**dict(phrase.attributes), attribute: value}.items())))


def counted(phrase: ObjectPhrase, objects: Sequence[SeenObject]) -> list[SeenObject]:
    """The objects that match the noun and all the attributes of a phrase."""
    return [
        thing
        for thing in objects
        if (phrase.noun is None or thing.noun == phrase.noun)
        and all(matches(thing, a, v) for a, v in phrase.attributes)
    ]


def bound(claim: Claim, objects: Sequence[SeenObject]) -> tuple[SeenObject | None, SeenObject | None]:
    """The objects a claim's subject and its other object bind to; a relation's two sides are different
    objects."""
    phrase = claim.subject
    if claim.polarity and claim.kind in ("attribute", "text") and claim.value is not None:
        # Of two stars, "a red star" means the red one: what is claimed helps to find what it is claimed of.
        phrase = with_attribute(phrase, "text" if claim.kind == "text" else claim.attribute or "", claim.value)
    subject = bind(phrase, objects)
    if claim.other is None:
        return subject, None
    return subject, bind(claim.other, [thing for thing in objects if thing is not subject])


def margin(relation: str, subject: SeenObject, other: SeenObject) -> float:
    """How far (fraction of the side) the relation holds along its axis; negative when the opposite holds."""
    (ax, ay), (bx, by) = subject.centre, other.centre
    return {"left of": bx - ax, "right of": ax - bx, "above": by - ay, "below": ay - by}[relation]


def states(claim: Claim, objects: Sequence[SeenObject]) -> bool:
    """Whether what the claim speaks of is so, before its polarity; of a relation that boxes do not decide: no."""
    if claim.kind == "existence":
        phrase = claim.subject if not claim.polarity else ObjectPhrase(claim.subject.noun)
        return bool(counted(phrase, objects))
    if claim.kind == "count":
        return len(counted(claim.subject, objects)) == claim.count
    subject, other = bound(claim, objects)
    if subject is None:
        return False
    if claim.kind == "relation":
        if claim.relation not in GEOMETRIC:
            return False
        return other is not None and margin(claim.relation or "", subject, other) >= MARGIN
    return matches(subject, "text" if claim.kind == "text" else claim.attribute or "", claim.value or "")


def holds(claim: Claim, objects: Sequence[SeenObject]) -> bool:
    """Whether the claim is true of these objects (exact truth, or evidence taken at its word)."""
    return states(claim, clear(objects)) == claim.polarity
