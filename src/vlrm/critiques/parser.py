"""Reads critiques: a strict parser, a lenient one for models that were not trained on the grammar, reasons for refusal.

The lenient one forgives layout (line breaks, Markdown, bullets, case) and nothing of substance; what it accepts is
written again in the grammar's one form (:func:`write`), so that everything after it meets one kind of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Reason = Literal[
    "unparsed",
    "too_long",
    "missing_observation",
    "empty_check",
    "missing_verdict",
    "cites_nothing",
    "duplicate_checks",
    "self_contradiction",
]
RIGHT, WRONG = "right", "wrong"
_STRICT = re.compile(r"See: (?P<see>[^.]*)\. Check: (?P<check>.*)\. Verdict: (?P<verdict>right|wrong)\.\s*$", re.DOTALL)
_REFERENCE = re.compile(r"\[(\d+)\]")
MOST_DIGITS = 4
"""A longer number names no evidence, and Python refuses to read very long ones."""
_SECTION = re.compile(r"\b(see|check|verdict)\s*:", re.IGNORECASE)
_HEADINGS = ("see", "check", "verdict")
_QUOTED = re.compile(r'"[^"\n]*"')
_BULLET = re.compile(r"^\s*(?:[-•+]|\d+[.)])\s+")
_ANSWER = re.compile(
    r"^(?P<statement>.*?)\s*(?::|\s[-–—=>]+)\s*(?P<answer>yes|no)\s*[.,!]*\s*$", re.IGNORECASE | re.DOTALL
)
_SAID_VERDICT = re.compile(r"^\W*(right|wrong)\W*$", re.IGNORECASE)
_MARKUP = re.compile(r"[*_`#]+")
_FULL = re.compile(r"[.:;\[\]]+")


@dataclass(frozen=True)
class Critique:
    """A parsed critique; ``checks`` are (statement, holds) in the order written, ``seen`` the observation's items."""

    verdict: str
    checks: tuple[tuple[str, bool], ...]
    cited: tuple[int, ...]
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why a critique was dropped."""

    reason: Reason


@dataclass(frozen=True)
class Form:
    """What a family's critiques may look like.

    The strict form is the embedded model's own: it was trained on that grammar, and its refusals are part of recorded
    results. ``longest`` counts characters.
    """

    lenient: bool = False
    most_checks: int = 12
    longest: int = 2000


STRICT, LENIENT = Form(), Form(lenient=True)


def parse(text: str, evidence_count: int | None = None, form: Form = STRICT) -> Critique | Refusal:
    """Read one critique; ``evidence_count`` is how many pieces of evidence it was given (None: none)."""
    return _parse_lenient(text, evidence_count, form) if form.lenient else _parse_strict(text, evidence_count)


def write(critique: Critique) -> str:
    """The critique in the grammar's one form, which the strict parser reads."""
    said = "; ".join(f"{statement}: {'yes' if holds else 'no'}" for statement, holds in critique.checks)
    return f"See: {'; '.join(critique.seen)}. Check: {said}. Verdict: {critique.verdict}."


def items(observation: str) -> tuple[str, ...]:
    """The items of an observation, those after ``See:``."""
    return tuple(item.strip() for item in observation.split(";") if item.strip())


def observed(text: str) -> tuple[str, ...]:
    """The observation's items of a text in the grammar, parsed or not: what its citations are about."""
    return items(text.partition("See:")[2].partition("Check:")[0].strip().removesuffix("."))


def references(text: str) -> tuple[int, ...]:
    """The numbers of the evidence cited, in order; 0 for a number too long to name any."""
    return tuple(int(n) if len(n) <= MOST_DIGITS else 0 for n in _REFERENCE.findall(text))


def _parse_strict(text: str, evidence_count: int | None) -> Critique | Refusal:
    match = _STRICT.match(text.strip())
    if match is None:
        return Refusal("unparsed")
    cited = references(text)
    if not _exist(cited, evidence_count):
        return Refusal("cites_nothing")
    if not match["check"].strip():
        return Refusal("empty_check")
    checks = []
    for item in match["check"].split(";"):
        statement, separator, answer = item.rpartition(":")
        if not separator or answer.strip() not in ("yes", "no"):
            return Refusal("unparsed")
        checks.append((statement.strip(), answer.strip() == "yes"))
    return _consistent(Critique(match["verdict"], tuple(checks), cited, items(match["see"])), evidence_count)


def _parse_lenient(text: str, evidence_count: int | None, form: Form) -> Critique | Refusal:
    if len(text) > form.longest:
        return Refusal("too_long")
    sections = _sections(text)
    if sections is None:
        return Refusal("unparsed")
    seen = tuple(item for part in _parts(sections["see"]) if (item := _tidy(part, keep_references=True)))
    verdict = _SAID_VERDICT.match(sections["verdict"])
    if not seen:
        return Refusal("missing_observation")
    checks = _checks(_parts(sections["check"]), form)
    if isinstance(checks, Refusal):
        return checks
    if verdict is None:
        return Refusal("unparsed" if sections["verdict"].strip(" .\n") else "missing_verdict")
    cited = references(sections["see"] + sections["check"])
    return _consistent(Critique(verdict[1].lower(), checks, cited, seen), evidence_count)


def _checks(lines: list[str], form: Form) -> tuple[tuple[str, bool], ...] | Refusal:
    """Each statement with its answer; one that is checked twice counts once, unless the answers differ."""
    if not lines:
        return Refusal("empty_check")
    if len(lines) > form.most_checks:
        return Refusal("too_long")
    checks: dict[str, bool] = {}
    for line in lines:
        answered = _ANSWER.match(" ".join(line.split()))
        if answered is None or not (statement := _tidy(answered["statement"])):
            return Refusal("unparsed")
        holds = answered["answer"].lower() == "yes"
        if checks.setdefault(statement, holds) != holds:
            return Refusal("duplicate_checks")
    return tuple(checks.items())


def _sections(text: str) -> dict[str, str] | None:
    """The sections' texts, empty where there is none; None unless headings stand in order and once.

    Quoted words are no headings: what is printed in an image cannot end the observation or give a verdict.
    """
    plain = _MARKUP.sub("", text)
    masked = _QUOTED.sub(lambda match: " " * len(match[0]), plain)
    if '"' in masked:
        return None
    found = [(match[1].lower(), match.start(), match.end()) for match in _SECTION.finditer(masked)]
    names = [name for name, _, _ in found]
    if not names or names != [name for name in _HEADINGS if name in names] or plain[: found[0][1]].strip():
        return None
    ends = [start for _, start, _ in found[1:]] + [len(plain)]
    return dict.fromkeys(_HEADINGS, "") | {
        name: plain[end:stop] for (name, _, end), stop in zip(found, ends, strict=True)
    }


def _parts(section: str) -> list[str]:
    """A section's items: between semicolons and line breaks that no quotation holds, bullets removed."""
    masked = _QUOTED.sub(lambda match: "x" * len(match[0]), section)
    cuts = [-1, *(match.start() for match in re.finditer(r"[;\n]", masked)), len(section)]
    parts = (_BULLET.sub("", section[a + 1 : b]).strip() for a, b in pairwise(cuts))
    return [part for part in parts if part.strip(" .")]


def _tidy(words: str, *, keep_references: bool = False) -> str:
    """An item in the grammar's form: lower case outside quotations, one line, no sign that means something there."""
    cited = "".join(f"[{int(n)}] " for n in _REFERENCE.findall(words) if len(n) <= MOST_DIGITS)
    bare = _REFERENCE.sub(" ", words)
    parts = re.split(r'("[^"\n]*")', bare)
    said = " ".join(" ".join(part if part.startswith('"') else part.lower() for part in parts).split())
    said = " ".join(_FULL.sub(" ", said).split()).strip(" ,")
    return f"{cited if keep_references else ''}{said}" if said else ""


def _exist(cited: tuple[int, ...], evidence_count: int | None) -> bool:
    return all(1 <= number <= (evidence_count or 0) for number in cited)


def _consistent(critique: Critique, evidence_count: int | None) -> Critique | Refusal:
    if not _exist(critique.cited, evidence_count):
        return Refusal("cites_nothing")
    if (critique.verdict == RIGHT) != all(holds for _, holds in critique.checks):
        return Refusal("self_contradiction")
    return critique
