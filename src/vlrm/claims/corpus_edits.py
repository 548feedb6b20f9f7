"""Counterfactuals of many responses at once, matched so that words alone cannot tell an original from its edit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vlrm.claims.counterfactual import Edit, every_edit
from vlrm.claims.extract import extract_claims
from vlrm.claims.matching import matched
from vlrm.claims.occurrence import CoOccurrence
from vlrm.schema import clear

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vlrm.claims.reliability import Reliability
    from vlrm.claims.vocabulary import Vocabulary
    from vlrm.schema import SeenObject

STRATA = 5
LIKELIER = 0.25
"""What a unit of log co-occurrence is worth beside one edit more."""


@dataclass(frozen=True)
class Counterfactual:
    """An edit with the response it was made of."""

    image: str
    response: str
    edit: Edit
    stratum: int


def stratum_of(image: str, strata: int = STRATA) -> int:
    """The part of the images that one belongs to, by hash: adding images moves none."""
    return int(hashlib.sha256(image.encode()).hexdigest(), 16) % strata


class Possible(NamedTuple):
    """An edit that could be made of the response at ``place``; ``odds``: how much likelier than by chance what is
    edited in stands beside the other objects of the image (log odds, 0 for other kinds than objects)."""

    place: int
    edit: Edit
    odds: float


def possible_edits(
    responses: Sequence[tuple[str, str]],
    objects: Mapping[str, Sequence[SeenObject]],
    vocabulary: Vocabulary,
    kinds: Collection[str] | None,
    reliability: Reliability | None,
    sure: float,
    seed: int,
) -> list[Possible]:
    """Every edit of every response; the arguments are those of :func:`matched_counterfactuals`."""
    likely = CoOccurrence(objects.values())
    made: list[Possible] = []
    for place, (image, text) in enumerate(responses):
        seen = list(objects.get(image, ()))
        claims = extract_claims(text, vocabulary=vocabulary)
        chances = [reliability.verify(c, seen).probability if reliability else 1.0 for c in claims]
        rng = np.random.default_rng([seed, place])  # what is read in one response changes no other's edits
        edits = every_edit(text, claims, chances, seen, rng, vocabulary, kinds, reliability=reliability, sure=sure)
        made += [Possible(place, edit, _odds(edit, seen, likely)) for edit in edits]
    return made


def matched_counterfactuals(
    responses: Sequence[tuple[str, str]],
    objects: Mapping[str, Sequence[SeenObject]],
    vocabulary: Vocabulary,
    *,
    kinds: Collection[str] | None = None,
    reliability: Reliability | None = None,
    sure: float = 0.9,
    each: int = 2,
    seed: int = 0,
    strata: int = STRATA,
) -> list[Counterfactual]:
    """As many edits as can be matched, at most ``each`` of a claim.

    Within each of ``strata`` parts of the images every word is edited in exactly as often as it is edited out. Matched
    over all images alone, a classifier that leaves some images out would see the reverse of what it is asked about.
    A language model still tells most of them: only quads (:mod:`vlrm.claims.corpus_quads`) leave nothing to language.

    Args:
        responses: (image, text) of each.
        objects: the evidence of each image; it also says which objects are seen together.
        reliability: verdicts on originals and edits; without it the evidence is taken at its word.
        sure: originals hold at least so probably, edits fail so.
    """
    made = possible_edits(responses, objects, vocabulary, kinds, reliability, sure, seed)
    parts = [stratum_of(responses[one.place][0], strata) for one in made]
    exchanges = [
        ((part, one.edit.kind, one.edit.words[0]), (part, one.edit.kind, one.edit.words[1]))
        for part, one in zip(parts, made, strict=True)
    ]
    claims_of = [(one.place, one.edit.claim_index) for one in made]
    worth = [1 + LIKELIER * one.odds for one in made]
    return [
        Counterfactual(*responses[made[i].place], made[i].edit, parts[i])
        for i in matched(exchanges, [(claims_of, each)], worth)
    ]


def _odds(edit: Edit, objects: Sequence[SeenObject], likely: CoOccurrence) -> float:
    if edit.kind != "object":
        return 0.0
    return likely.log_odds(edit.new_value, {thing.noun for thing in clear(objects)} - {edit.before.subject.noun or ""})
