"""Counterfactuals of many responses at once, matched so that words alone cannot tell an original from its edit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlrm.claims.counterfactual import Edit, every_edit
from vlrm.claims.extract import extract_claims
from vlrm.claims.matching import matched
from vlrm.claims.occurrence import CoOccurrence
from vlrm.schema import clear

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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
    reader: Callable[[Sequence[str]], Sequence[float]] | None = None,
) -> list[Counterfactual]:
    """As many edits as can be matched, at most ``each`` of a claim.

    Within each of ``strata`` parts of the images every word is edited in exactly as often as it is edited out. Matched
    over all images alone, a classifier that leaves some images out would see the reverse of what it is asked about.

    Args:
        responses: (image, text) of each.
        objects: the evidence of each image; it also says which objects are seen together.
        reliability: verdicts on originals and edits; without it the evidence is taken at its word.
        sure: originals hold at least so probably, edits fail so.
        reader: how likely language alone finds each text, such as a language model's log-likelihood. With it the edits
            kept of a part are as often likelier as less likely than their originals. It is given every possible edit.
    """
    likely = CoOccurrence(objects.values())
    made: list[tuple[int, Edit]] = []
    for place, (image, text) in enumerate(responses):
        seen = list(objects.get(image, ()))
        claims = extract_claims(text, vocabulary=vocabulary)
        chances = [reliability.verify(c, seen).probability if reliability else 1.0 for c in claims]
        rng = np.random.default_rng([seed, place])  # what is read in one response changes no other's edits
        edits = every_edit(text, claims, chances, seen, rng, vocabulary, kinds, reliability=reliability, sure=sure)
        made += [(place, edit) for edit in edits]
    parts = [stratum_of(responses[place][0], strata) for place, _ in made]
    exchanges = [
        ((part, edit.kind, edit.words[0]), (part, edit.kind, edit.words[1]))
        for part, (_, edit) in zip(parts, made, strict=True)
    ]
    claims_of = [(place, edit.claim_index) for place, edit in made]
    worth = [1 + LIKELIER * _odds(edit, objects.get(responses[place][0], ()), likely) for place, edit in made]
    leans = (
        [(parts, _preferences([(responses[place][1], edit.text) for place, edit in made], reader))] if reader else []
    )
    return [
        Counterfactual(*responses[made[i][0]], made[i][1], parts[i])
        for i in matched(exchanges, [(claims_of, each)], worth, leans)
    ]


def _preferences(pairs: Sequence[tuple[str, str]], reader: Callable[[Sequence[str]], Sequence[float]]) -> list[float]:
    """How much likelier each original is than its edit; every text is read once."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    known = dict(zip(texts, reader(texts), strict=True))
    return [known[original] - known[edited] for original, edited in pairs]


def _odds(edit: Edit, objects: Sequence[SeenObject], likely: CoOccurrence) -> float:
    if edit.kind != "object":
        return 0.0
    return likely.log_odds(edit.new_value, {thing.noun for thing in clear(objects)} - {edit.before.subject.noun or ""})
