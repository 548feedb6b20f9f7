"""The grammar of a critique: what is seen, a check of each statement, a verdict; with a strict parser.

    See: [1] large yellow star; [2] ball. Check: yellow star: yes; two rings: no. Verdict: wrong.

References like ``[1]`` appear only when evidence was given, and must name evidence that exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Claim, ObjectPhrase, SeenObject

RIGHT, WRONG = "right", "wrong"
MAX_CHECKS = 6
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ATTRIBUTES = ("size", "pattern", "colour")
_FORM = re.compile(r"See: (?P<see>[^.]*)\. Check: (?P<check>.*)\. Verdict: (?P<verdict>right|wrong)\.\s*$", re.DOTALL)
_VERDICT = re.compile(r"\s*Verdict:.*$", re.DOTALL)
_REFERENCE = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True)
class Critique:
    """A parsed critique; ``checks`` are (statement, holds) in the order written."""

    verdict: str
    checks: tuple[tuple[str, bool], ...]
    cited: tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a critique was dropped: unparsed, empty_check, cites_nothing, self_contradiction."""

    reason: str


def parse(text: str, evidence_count: int | None = None) -> Critique | Refusal:
    """Read one critique; ``evidence_count`` is how many pieces of evidence it was given (None: none)."""
    match = _FORM.match(text.strip())
    if match is None:
        return Refusal("unparsed")
    cited = tuple(int(number) for number in _REFERENCE.findall(text))
    if any(not 1 <= number <= (evidence_count or 0) for number in cited):
        return Refusal("cites_nothing")
    checks = []
    for item in match["check"].split(";"):
        statement, separator, answer = item.rpartition(":")
        if not separator or answer.strip() not in ("yes", "no"):
            return Refusal("unparsed")
        checks.append((statement.strip(), answer.strip() == "yes"))
    if not checks:
        return Refusal("empty_check")
    if (match["verdict"] == RIGHT) != all(holds for _, holds in checks):
        return Refusal("self_contradiction")
    return Critique(match["verdict"], tuple(checks), cited)


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
