"""What each expert family has to say about one claim, as a discrete symbol that can be counted."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlrm.claims.truth import GEOMETRIC, KIND, bound, counted, margin, matches, normal_text
from vlrm.schema import TRACE, Claim, ObjectPhrase, SeenObject, clear

if TYPE_CHECKING:
    from collections.abc import Sequence

SCORE_EDGES = (0.3, 0.5, 0.7, 0.85, 0.95)
MARGIN_EDGES = (-0.12, -0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06, 0.08, 0.12, 0.2)
"""Fractions of the side; close to the .04 where a relation begins to hold the bins are narrow."""
PRESENCE_EDGES = (0.02, 0.05, TRACE, 0.15, 0.2, *SCORE_EDGES)
"""Where the question is only whether something is there, faint sightings count, and how faint they are: above
:data:`TRACE` as doubtful objects, below as traces that tell a missed object from none."""
SILENT = "no"


@dataclass(frozen=True)
class Observed:
    """The symbols of one claim: family -> (symbol, label), the label being what the family looks for."""

    table: str
    """Which statistics apply: the claim's kind, or a narrower name."""
    symbols: dict[str, tuple[str, str]]
    evidence_ids: list[str] = field(default_factory=list)


NOTHING = Observed("open", {})
"""What is observed of a claim that no expert can speak about."""


def score_bin(score: float) -> str:
    return str(bisect_right(SCORE_EDGES, score))


def observe(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    """The symbols for what the claim speaks of, whatever its polarity.

    None at all, so that no verdict follows, of a relation that boxes do not decide ("holding").
    """
    if claim.kind == "relation" and claim.relation not in GEOMETRIC:
        return NOTHING
    if claim.kind == "existence":
        return _existence(claim, objects)
    objects = clear(objects)
    if claim.kind == "count":
        return _count(claim, objects)
    if claim.kind == "attribute":
        return _attribute(claim, objects)
    if claim.kind == "relation":
        return _relation(claim, objects)
    return _text(claim, objects)


def _existence(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    phrase = ObjectPhrase(claim.subject.noun) if claim.polarity else claim.subject
    noun = phrase.noun or ""
    # Traces bear on whether the noun is there at all, and on nothing narrower.
    least = TRACE if phrase.attributes or phrase.noun is None else 0.0
    candidates = [o for o in objects if (phrase.noun is None or o.noun == phrase.noun) and o.score >= least]
    if not candidates:
        return Observed("existence" if not phrase.attributes else "existence_of", {"detector": (SILENT, noun)})
    best = max(candidates, key=lambda o: (sum(matches(o, a, v) for a, v in phrase.attributes), o.score))
    if not phrase.attributes:
        cited = [best.evidence_id] if best.score >= TRACE else []
        return Observed("existence", {"detector": (str(bisect_right(PRESENCE_EDGES, best.score)), noun)}, cited)
    symbols = {"detector": (score_bin(best.score), noun)}
    for name, value in phrase.attributes:
        symbols[name] = (_relative(best, name, value), value)
    return Observed("existence_of", symbols, [best.evidence_id])


def _relative(thing: SeenObject, name: str, value: str) -> str:
    """Whether an object is seen with a value, with another, or not known, and how surely."""
    known = thing.attributes.get(name)
    if known is None:
        return "unknown"
    return f"{'same' if known[0] == value else 'other'}:{score_bin(known[1])}"


def _count(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    phrase = claim.subject
    found = counted(phrase, objects)
    kin = [o for o in objects if phrase.noun is None or o.noun == phrase.noun]
    off = max(-2, min(2, len(found) - (claim.count or 0)))
    weakest = score_bin(min(o.score for o in found)) if found else SILENT
    # The noun alone is the label: how well it is counted hangs on how well it is detected.
    symbols = {"detector": (f"{off:+d}:{weakest}", phrase.noun or "")}
    for name, value in phrase.attributes:
        if name == KIND:
            symbols[name] = (f"{off:+d}:unknown", value)
            continue
        scores = [o.attributes[name][1] for o in kin if name in o.attributes]
        symbols[name] = (f"{off:+d}:{score_bin(min(scores))}" if scores else f"{off:+d}:unknown", value)
    return Observed("count_of" if phrase.attributes else "count", symbols, [o.evidence_id for o in found])


def _attribute(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    name, value = claim.attribute or "", claim.value or ""
    thing, _ = bound(claim, objects)
    noun = claim.subject.noun or ""
    if thing is None:
        return Observed(f"attribute_{name}", {"detector": (SILENT, noun)})
    known = thing.attributes.get(name)
    seen = "unknown" if known is None else f"{known[0]}:{score_bin(known[1])}"
    symbols = {"detector": (score_bin(thing.score), noun), name: (seen, value)}
    return Observed(f"attribute_{name}", symbols, [thing.evidence_id])


def _relation(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    subject, other = bound(claim, objects)
    noun = claim.subject.noun or ""
    if subject is None or other is None:
        found = [thing.evidence_id for thing in (subject, other) if thing is not None]
        return Observed("relation", {"detector": (SILENT, noun)}, found)
    place = bisect_right(MARGIN_EDGES, margin(claim.relation or "", subject, other))
    rivals = _rivals(claim.subject, objects) or (claim.other is not None and _rivals(claim.other, objects))
    symbols = {
        "detector": (score_bin(min(subject.score, other.score)), noun),
        # Of several objects a phrase may mean, evidence may pick another one than the speaker did.
        "geometry": (f"{place}{'?' if rivals else ''}", claim.relation or ""),
    }
    return Observed("relation", symbols, [subject.evidence_id, other.evidence_id])


def _rivals(phrase: ObjectPhrase, objects: Sequence[SeenObject]) -> bool:
    """Whether two objects fit a phrase equally well."""
    fits = [
        sum(matches(o, a, v) for a, v in phrase.attributes)
        for o in objects
        if phrase.noun is None or o.noun == phrase.noun
    ]
    return len(fits) > 1 and fits.count(max(fits)) > 1


def _text(claim: Claim, objects: Sequence[SeenObject]) -> Observed:
    thing, _ = bound(claim, objects)
    noun = claim.subject.noun or ""
    value = normal_text(claim.value or "")
    length = str(min(len(value), 4))
    elsewhere = any(matches(o, "text", value) for o in objects if o is not thing)
    if thing is None:
        return Observed("text", {"detector": (SILENT, noun), "ocr": ("elsewhere" if elsewhere else SILENT, length)})
    known = thing.attributes.get("text")
    symbols = {"detector": (score_bin(thing.score), noun)}
    if known is None:
        symbols["ocr"] = ("elsewhere" if elsewhere else SILENT, length)
    else:
        distance = edit_distance(normal_text(known[0]), value)
        close = "exact" if distance == 0 else "near" if distance == 1 and len(value) > 1 else "other"
        symbols["ocr"] = (f"{close}:{score_bin(known[1])}", length)
    return Observed("text", symbols, [thing.evidence_id])


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance of two short strings."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]
