"""Questions about a user's images where none were brought: to describe them, and whether an object is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlrm.claims.occurrence import CoOccurrence
from vlrm.claims.presence import best_scores
from vlrm.claims.rewording import takes_an
from vlrm.policy.protocol import row_seed
from vlrm.schema import clear
from vlrm.seeing.prefix import CERTAINTIES
from vlrm.user_files import DESCRIBE, question_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.schema import SeenObject

EXISTENCE = "existence"
SEEN = 0.4
"""Score from which on an object is asked about as one that is there; the rule settles what it really is."""
SUSPECTED = CERTAINTIES[-1][1]
"""Score from which on models that see through experts are told of a trace."""


class Questions(BaseModel):
    """What is asked about every image."""

    model_config = ConfigDict(extra="forbid")

    describe: tuple[str, ...] = (DESCRIBE, "What objects are in the image?")
    existence: int = Field(4, ge=0)
    """Yes-or-no questions an image at most: a third about objects that the experts see there, the rest about others."""
    wordings: tuple[str, ...] = ("Is there {a} in the image?",)

    @field_validator("wordings")
    @classmethod
    def _with_a_place(cls, wordings: tuple[str, ...]) -> tuple[str, ...]:
        for wording in wordings:
            if "{a}" not in wording:
                raise ValueError(f"{wording!r} has no {{a}}, where the object's name goes with its article")
        return wordings


def ask_about(
    prompts: Sequence[Mapping[str, Any]], objects: Mapping[str, Sequence[SeenObject]], questions: Questions
) -> list[dict[str, Any]]:
    """PROMPTS rows: the questions about each image of ``prompts``, image by image; drawn by the image's hash alone.

    ``objects``: what experts see in each. Every other one of the objects asked about although they are not seen is
    suspected: the experts have a trace of it, the fainter the sooner, as the rule settles those. Without such questions
    any trace would be learned to mean yes. The others are seen in other images: in turns one that keeps company with
    what is here (as POPE's adversarial questions, arXiv 2305.10355), and one drawn by how many images show it.
    """
    images = {str(row["image_sha256"]): row for row in prompts}
    company = CoOccurrence([objects.get(sha, ()) for sha in images], SEEN)
    rows = []
    for sha, row in images.items():
        asked = [(text, "description") for text in questions.describe]
        rng = np.random.default_rng(row_seed("questions", sha))
        for noun in _nouns(objects.get(sha, ()), company, questions.existence, rng):
            wording = questions.wordings[int(rng.integers(len(questions.wordings)))]
            asked.append((wording.format(a=f"{'an' if takes_an(noun) else 'a'} {noun}"), EXISTENCE))
        rows += [dict(row) | {"prompt_id": question_id(sha, q), "question": q, "kind": kind} for q, kind in asked]
    return rows


def _nouns(objects: Sequence[SeenObject], company: CoOccurrence, most: int, rng: np.random.Generator) -> list[str]:
    """Objects that are seen and, twice as many, objects that are not; where none is seen, up to two that are not."""
    seen = sorted({thing.noun for thing in objects if thing.score >= SEEN})
    traced = {thing.noun for thing in clear(objects)}
    there = [seen[i] for i in rng.permutation(len(seen))[: math.ceil(most / 3)]]
    best = best_scores(objects)
    suspected = sorted((n for n in best.keys() - traced if best[n] >= SUSPECTED), key=lambda noun: (best[noun], noun))
    absent = sorted(noun for noun in company.single if noun not in traced)
    usual = [absent[i] for i in _drawn([company.single[noun] for noun in absent], rng)]
    near = sorted(usual, key=lambda noun: -company.log_odds(noun, seen))
    others: list[str] = []
    for turn in range(min(2 * max(1, len(there)), most - len(there))):
        source = (near, suspected, usual, suspected)[turn % 4]
        others += [noun for noun in (*source, *usual) if noun not in others][:1]
    return [*there, *others]


def _drawn(weights: Sequence[float], rng: np.random.Generator) -> list[int]:
    """All places in random order, the heavier the sooner."""
    if not weights:
        return []
    share = np.array(weights, dtype=float) / sum(weights)
    return [int(i) for i in rng.choice(len(share), len(share), replace=False, p=share)]
