"""Answers about photos judged by boxes that people drew: which objects they name that are there, and which are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.naming import named_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Claim, SeenObject


def count_by_boxes(text: str, question: str, objects: Sequence[SeenObject]) -> tuple[int, int]:
    """(false, true) claims of ``text`` that the boxes of COCO's 80 objects can decide.

    An object named is one claim, however often; so is one denied ("there is no dog"), and its number where the text
    counts it and it is there. Nouns that COCO does not annotate, attributes and relations are not judged.
    """
    verdicts = _verdicts(text, question, objects)
    return sum(not true for true in verdicts.values()), sum(verdicts.values())


def named_by_boxes(text: str, question: str, objects: Sequence[SeenObject]) -> tuple[int, int]:
    """(false, true) objects that ``text`` names, each once: those of which CHAIR_i is the false share."""
    named = [true for (what, _), true in _verdicts(text, question, objects).items() if what == "named"]
    return len(named) - sum(named), sum(named)


def _verdicts(text: str, question: str, objects: Sequence[SeenObject]) -> dict[tuple[str, str], bool]:
    there = {thing.noun for thing in objects}
    verdicts: dict[tuple[str, str], bool] = {}
    for claim in extract_claims(text, question, PHOTOS):
        for noun, said in named_in([claim]):
            verdicts["named" if said else "denied", noun] = (noun in there) == said
        if claim.kind == "count" and claim.polarity and claim.subject.noun in there:
            verdicts["counted", str(claim.subject.noun)] = _counts(claim, objects)
    return verdicts


def _counts(claim: Claim, objects: Sequence[SeenObject]) -> bool:
    return sum(thing.noun == claim.subject.noun for thing in objects) == claim.count
