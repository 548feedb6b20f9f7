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
