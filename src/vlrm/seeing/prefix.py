"""Writes the evidence about one image as compact text: labels by how sure they are, counts, places, colours, texts.

Like ``In the picture, surely: 2 people (left, large center), red car (right); maybe: dog. Text read: "STOP".``
What is called alike stands there once, as sure as the surest object so called.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.presence import best_scores
from vlrm.claims.vocabulary import plural
from vlrm.schema import TRACE, Evidence, SeenObject, seen_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.schema import Box

CERTAINTIES = (("surely", 0.6), ("probably", 0.3), ("maybe", TRACE), ("faint trace of", 0.03))
"""How sure an object is, and the least score of it; fainter ones are not written."""
WHERE = 0.6
"""The least score of an object whose place is written."""
COUNTED = 0.3
"""The least score of an object that counts, where a label has a surer one."""
LARGE, SMALL = 0.25, 0.01
"""Shares of the image from which, and up to which, an object is called so."""
PLACED = 2
"""Objects of one kind whose places are written; of more only the number is."""
LETTERS, TEXTS, LEGIBLE = 24, 3, 0.8
"""Longest text that was read, in characters, how many are written, and the least score of one."""
WORN = ("colour", "pattern")
"""Attributes that are written before a label."""
IRREGULAR = {
    "person": "people", "knife": "knives", "mouse": "mice", "sheep": "sheep", "skis": "skis", "scissors": "scissors"
}  # fmt: skip
NOTHING = "nothing was found"


def write(evidence: Sequence[Evidence], count: Callable[[str], int], budget: int) -> str:
    """The prefix, of at most ``budget`` tokens as ``count`` counts them.

    Where there is not room for all, places are left out first, then the least sure objects, then texts from the end.
    Labels and texts are data: what could end a quotation or a line is taken out of them.
    """
    things = seen_objects(evidence)
    groups = _groups(things)
    texts = [_clean(row.label) for row in sorted(_texts(evidence), key=lambda row: -row.score)][:TEXTS]
    for places in (True, False):
        written = _sentence(groups, texts, places=places)
        if count(written) <= budget:
            return written
    while groups or texts:
        if len(groups) > 2 * len(texts):
            groups = groups[:-1]
        else:
            texts = texts[:-1]
        written = _sentence(groups, texts, places=False)
        if count(written) <= budget:
            return written
    return _sentence([], [], places=False)


def partial(
    evidence: Sequence[Evidence], seed: str, labels: Sequence[str], *, dropout: float, noise: float, fading: float
) -> list[Evidence]:
    """The evidence as one who looks badly has it; the same for the same ``seed``.

    Each object, and each text that was read, is left out with chance ``dropout``; an object that stays is called
    another of ``labels`` with chance ``noise``, and seen less surely with chance ``fading``: its score is multiplied by
    a factor drawn log-uniformly from a tenth to one. What describes an object that is left out goes with it.
    """
    rng = random.Random(seed)  # noqa: S311 - seeded by text, so that no process's hash decides
    gone: set[str] = set()
    kept: list[Evidence] = []
    for row in evidence:
        out, wrong, other = rng.random() < dropout, rng.random() < noise, rng.random()
        fades, factor = rng.random() < fading, 10 ** -rng.random()
        if row.target in gone or (out and row.kind in {"object", "text"}):
            gone.add(row.evidence_id)
            continue
        if row.kind == "object":
            others = [label for label in labels if label != row.label] if wrong else []
            label = others[int(other * len(others))] if others else row.label
            kept.append(replace(row, label=label, score=row.score * factor if fades else row.score))
        else:
            kept.append(row)
    return kept


def _texts(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [row for row in evidence if row.kind == "text" and row.score >= LEGIBLE and _clean(row.label)]


def _groups(things: Sequence[SeenObject]) -> list[tuple[int, str, list[SeenObject]]]:
    """Objects of one look together, the surest first: (certainty of the surest, how they are called, objects)."""
    surest = best_scores(things)
    found: dict[str, list[SeenObject]] = defaultdict(list)
    for thing in sorted(things, key=lambda thing: (-thing.score, thing.noun, thing.box)):
        worn = [thing.attributes[name][0] for name in WORN if name in thing.attributes]
        if thing.score >= min(COUNTED, surest[thing.noun]):
            found[_clean(" ".join([*worn, thing.noun]))].append(thing)
    groups = [
        (next(i for i, (_, least) in enumerate(CERTAINTIES) if things[0].score >= least), called, things)
        for called, things in found.items()
        if things[0].score >= CERTAINTIES[-1][1]
    ]
    return sorted(groups, key=_first)


def _first(group: tuple[int, str, list[SeenObject]]) -> tuple[int, float, str]:
    certainty, called, things = group
    return certainty, -things[0].score, called


def _sentence(groups: Sequence[tuple[int, str, list[SeenObject]]], texts: Sequence[str], *, places: bool) -> str:
    parts = []
    for number, (word, least) in enumerate(CERTAINTIES):
        said = [_said(called, things, places and least >= WHERE) for at, called, things in groups if at == number]
        if said:
            parts.append(f"{word}: {', '.join(said)}")
    read = f" Text read: {', '.join(f'{chr(34)}{text}{chr(34)}' for text in texts)}." if texts else ""
    return f"In the picture, {'; '.join(parts)}.{read}" if parts else f"In the picture {NOTHING}.{read}"


def _said(called: str, things: Sequence[SeenObject], where: bool) -> str:
    named = called if len(things) == 1 else f"{len(things)} {many(called)}"
    if not where or len(things) > PLACED:
        return named
    return f"{named} ({', '.join(place(thing.box) for thing in things)})"


def many(called: str) -> str:
    """The plural of what may have a colour before it."""
    *before, noun = called.rsplit(" ", 1)
    return " ".join([*before, IRREGULAR.get(noun) or plural(noun)])


def place(box: Box) -> str:
    """Where a box lies on a grid of 3 x 3, and whether it is large or small: ``large center``, ``small top left``."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    share = (box[2] - box[0]) * (box[3] - box[1])
    size = "large" if share >= LARGE else "small" if share <= SMALL else ""
    return " ".join(filter(None, [size, *([row, column] if row or column else ["center"])]))


def _clean(text: str) -> str:
    """Printable characters on one line, without quotation marks and brackets; a long text is cut."""
    kept = "".join(c if c.isprintable() and c not in '"“”«»`<>{}[]|\\' else " " for c in text)
    return " ".join(kept.split())[:LETTERS].strip()
