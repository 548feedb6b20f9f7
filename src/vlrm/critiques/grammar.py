"""The grammar of a critique: what is seen, a check of each statement, a verdict; :mod:`vlrm.critiques.parser` reads it.

    See: [1] large yellow star; [2] ball. Check: yellow star: yes; two rings: no. Verdict: wrong.

References like ``[1]`` appear only when evidence was given, and must name evidence that exists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vlrm.critiques.parser import RIGHT, WRONG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Claim, ObjectPhrase, SeenObject

MAX_CHECKS = 6
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ARTICLES = frozenset(("a", "an", "the", "is", "are", "there"))
_ATTRIBUTES = ("size", "pattern", "colour")
_VERDICT = re.compile(r"[\s*_#]*\bVerdict[\s*_]*:.*$", re.DOTALL | re.IGNORECASE)


def without_verdict(text: str) -> str:
    """The critique as the reward model reads it: observation and checks, the verdict line removed."""
    return _VERDICT.sub("", text).strip()


def without_references(text: str) -> str:
    """The critique without its references to evidence."""
    return re.sub(r"\s*\[\d+\]", "", text).replace(":  ", ": ")


def flip_checks(text: str) -> str:
    """The same critique with every check turned round: a perturbation, to learn not to copy verdicts."""
    head, separator, tail = text.partition("Check:")
    if not separator:
        return text
    turned = re.sub(r": (yes|no)\b", lambda m: ": no" if m[1] == "yes" else ": yes", tail)
    swapped = turned.replace("Verdict: right", "Verdict: @").replace("Verdict: wrong", "Verdict: right")
    return head + separator + swapped.replace("Verdict: @", "Verdict: wrong")


def write(objects: Sequence[SeenObject], judged: Sequence[tuple[Claim, bool]], *, cite: bool) -> str:
    """A critique in the grammar, for the base model's instruction data; ``judged``: claims and whether they hold."""
    checks = statements(judged)[:MAX_CHECKS]
    verdict = RIGHT if all(holds for _, holds in checks) else WRONG
    said = "; ".join(f"{statement}: {'yes' if holds else 'no'}" for statement, holds in checks)
    seen = evidence_lines(objects, cite=cite, attributes=("pattern", "colour"))
    return f"See: {seen}. Check: {said}. Verdict: {verdict}."


def evidence_lines(objects: Sequence[SeenObject], *, cite: bool = True, attributes: Sequence[str] = _ATTRIBUTES) -> str:
    """Objects as compact text, numbered from 1 when they may be cited; text in the image stays in quotes."""
    said = []
    for number, thing in enumerate(objects, 1):
        words = [thing.attributes[name][0] for name in attributes if name in thing.attributes]
        words = [word for word in words if word != "plain"] + [thing.noun]
        if "text" in thing.attributes:
            words.append('"' + re.sub(r'["\[\].;:]', "", thing.attributes["text"][0])[:16] + '"')
        said.append((f"[{number}] " if cite else "") + " ".join(words))
    return "; ".join(said) if said else "nothing"


def statements(judged: Sequence[tuple[Claim, bool]]) -> list[tuple[str, bool]]:
    """One statement per mention: an object's existence and attributes are checked together, wrong ones first."""
    merged: dict[str, bool] = {}
    described = {c.subject.noun for c, _ in judged if c.kind == "attribute"}
    for claim, holds in judged:
        if claim.kind == "existence" and claim.polarity and claim.subject.noun in described:
            continue
        words = say(claim)
        merged[words] = merged.get(words, True) and holds
    return list(merged.items())


def fewest_words(statement: str) -> str:
    """A statement without the words that :func:`say` does without."""
    return " ".join(word for word in statement.split() if word not in _ARTICLES)


def say(claim: Claim) -> str:
    """A claim in the fewest words."""
    noun = _phrase(claim.subject)
    if claim.kind == "count":
        return f"{_NUMBERS[min(claim.count or 0, 10)]} {noun}"
    if claim.kind == "relation" and claim.other is not None:
        negated = "" if claim.polarity else "not "
        return f"{noun} {negated}{claim.relation} {_phrase(claim.other)}"
    if claim.kind == "text":
        return f'{noun} "{claim.value}"'
    if claim.kind == "attribute":
        return noun if claim.value in noun.split() else f"{claim.value} {noun}"
    return noun if claim.polarity else f"no {noun}"


def _phrase(subject: ObjectPhrase) -> str:
    words = [value for name in _ATTRIBUTES if (value := subject.get(name))]
    return " ".join([*words, subject.noun or "object"])
