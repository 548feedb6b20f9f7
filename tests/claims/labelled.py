"""Reads the hand-labelled sentences and compares them with what the extractor finds, by kind of claim."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlrm.claims.english.lexicon import LEXICON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Claim

HERE = Path(__file__).parent
KINDS = ("existence", "count", "attribute", "relation", "text")
Key = tuple[str, ...]


@dataclass(frozen=True)
class Gold:
    """One labelled claim: any of ``keys`` is right; an ``optional`` one counts neither when found nor when missed."""

    keys: tuple[Key, ...]
    optional: bool
    hedged: bool


@dataclass(frozen=True)
class Sentence:
    """A text with its question and its claims."""

    text: str
    question: str
    claims: tuple[Gold, ...]


@dataclass
class Score:
    """Counts of one kind of claim."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def f1(self) -> float:
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 1.0


def load(name: str) -> list[Sentence]:
    """The sentences of a file of this folder: "? question" (optional), text, indented claims."""
    found: list[Sentence] = []
    question = text = ""
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            question = "" if not line.strip() else question
        elif line.startswith("? "):
            question = line[2:]
        elif line.startswith("    "):
            found.append(
                Sentence(text, question, tuple(_gold(c) for c in line.split(";") if c.strip() not in ("", "-")))
            )
        else:
            text = line
    return found


def _gold(written: str) -> Gold:
    written = written.strip()
    optional = written.startswith("?")
    hedged = "~" in written
    return Gold(tuple(_key(one) for one in written.lstrip("?").split("//")), optional, hedged)


def _key(written: str) -> Key:
    """(kind, polarity, ...) of one written claim; objects by their last word, values by their canonical word."""
    written = written.strip()
    sign = "-" if "!" in written.split(" ")[0] else "+"
    body = written.lstrip("!~?").strip()
    if " says " in body:
        noun, said = body.split(" says ", 1)
        return ("text", sign, noun.strip(), "".join(c for c in said.upper() if c.isalnum()))
    if ">" in body:
        subject, relation, other = (part.strip() for part in body.split(">"))
        return ("relation", sign, _noun(subject), relation, _noun(other))
    if "=" in body:
        noun, value = (part.strip() for part in body.split("="))
        return ("attribute", sign, _noun(noun), _value(value))
    first, _, rest = body.partition(" ")
    if first.isdigit():
        return ("count", sign, _noun(rest), first)
    return ("existence", sign, _noun(body))


def _noun(noun: str) -> str:
    return noun if noun in LEXICON.objects else noun.rsplit(" ", maxsplit=1)[-1]


def _value(word: str) -> str:
    known = [value for (_, said), value in LEXICON.value_of.items() if said == word]
    return known[0] if known else word


def claim_key(claim: Claim) -> Key:
    """A claim as the labels write it."""
    sign = "+" if claim.polarity else "-"
    noun = _noun(claim.subject.noun or "object")
    if claim.kind == "text":
        return ("text", sign, noun, "".join(c for c in (claim.value or "") if c.isalnum()))
    if claim.kind == "relation":
        return ("relation", sign, noun, claim.relation or "", _noun((claim.other and claim.other.noun) or "object"))
    if claim.kind == "attribute":
        return ("attribute", sign, noun, claim.value or "")
    if claim.kind == "count":
        return ("count", sign, noun, str(claim.count))
    return ("existence", sign, noun)


@dataclass(frozen=True)
class Compared:
    """What one sentence's reading got right, found too much, and missed."""

    right: list[Key]
    extra: list[Key]
    missing: list[Key]
    hedges: int
    """Of the claims that are right, how many are marked as hedged where the label is, and unhedged where it is not."""


def compare(sentence: Sentence, claims: Sequence[Claim]) -> Compared:
    """Match each label with one claim."""
    found = {claim_key(claim): claim for claim in claims}
    right: list[Key] = []
    missing: list[Key] = []
    hedges = 0
    for gold in sorted(sentence.claims, key=lambda g: g.optional):
        hit = next((key for key in gold.keys if key in found), None)
        if hit is None:
            missing += [] if gold.optional else [gold.keys[0]]
            continue
        claim = found.pop(hit)
        for key in gold.keys:
            found.pop(key, None)
        if not gold.optional:
            right.append(hit)
            hedges += claim.hedged == gold.hedged
    return Compared(right, list(found), missing, hedges)


def scores(compared: Sequence[Compared]) -> dict[str, Score]:
    """F1's counts by kind of claim."""
    found: defaultdict[str, Score] = defaultdict(Score)
    for one in compared:
        for key in one.right:
            found[key[0]].right += 1
        for key in one.extra:
            found[key[0]].wrong += 1
        for key in one.missing:
            found[key[0]].missed += 1
    return {kind: found[kind] for kind in KINDS}
