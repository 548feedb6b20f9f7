"""Which objects a text says are there, and which it says are not: what asks, judges and counts objects reads it so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vlrm.schema import Claim


def named_in(claims: Iterable[Claim]) -> Iterator[tuple[str, bool]]:
    """(noun, whether it is said to be there) of COCO's 80 objects, as often as a claim speaks of one.

    Objects are found by our own table of synonyms, in the sense of CHAIR (Rohrbach et al., 2018).
    """
    for claim in claims:
        if not claim.polarity and claim.kind != "existence":
            continue  # "no dog on the couch" says of no dog whether it is there
        for phrase in (claim.subject, claim.other):
            if phrase is not None and phrase.noun in PHOTOS.nouns:
                yield str(phrase.noun), claim.polarity


def objects_named(text: str) -> dict[str, bool]:
    """The objects that a text says are there (True), or only denies (False), in the order in which it names them.

    A bare "Yes" names none: that is said by its question.
    """
    said: dict[str, bool] = {}
    for noun, there in named_in(extract_claims(text, "", PHOTOS)):
        said[noun] = there or said.get(noun, False)
    return said


def phrases_named(text: str, question: str) -> dict[str, bool]:
    """The objects of the embedded world that an answer names, each also with every attribute that it gives them
    ("blue moon"), in their order: True where it says they are there, False where it only denies them.

    What is denied is denied with its attributes: where there is "no blue moon" there may be a moon.
    """
    said: dict[str, bool] = {}
    for claim in extract_claims(text, question):
        if claim.subject.noun is None or claim.kind not in ("existence", "attribute"):
            continue
        values = [value for _, value in claim.subject.attributes] if claim.kind == "existence" else [claim.value]
        phrase = " ".join(map(str, [*values, claim.subject.noun]))
        said[phrase] = claim.polarity or said.get(phrase, False)
    return said
