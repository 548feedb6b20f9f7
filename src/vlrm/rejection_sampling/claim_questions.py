"""Questions about one claim, each asked of an image whose evidence says yes and of another whose evidence says no."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from vlrm.claims.extract import extract_claims
from vlrm.progress import track
from vlrm.rejection_sampling.distributions import expert_margin
from vlrm.rejection_sampling.offer import OFFERED
from vlrm.schema import QUESTION, clear

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vlrm.claims.reliability import Reliability
    from vlrm.claims.vocabulary import Vocabulary
    from vlrm.reward.by_claim import Asking
    from vlrm.schema import Claim, SeenObject

VALUES = {"colour": 2, "size": 1, "pattern": 1}
"""What an object is asked about beside its noun, and how often: about as answers name values."""
UNSAID = "plain"
"""A value that answers seldom give."""
TRIES = 20
"""Objects looked at for each question, at most: of most there is another image that settles it the other way."""


class ClaimQuestionSettings(BaseModel):
    """``per_prompt``: questions for every prompt of the round; ``tried_images``: others searched for the one with the
    opposite answer."""

    model_config = ConfigDict(extra="forbid")

    per_prompt: float = Field(0.0, ge=0)
    sure: float = Field(0.9, ge=0.5, le=1)
    """How probable both answers are, each on its image."""
    confusable: float = Field(0.7, ge=0, le=1)
    """Share of questions about an object with a value ("a blue moon") whose other image shows such an object too, with
    another value; the others ask what the other image has nothing of."""
    tried_images: int = Field(40, ge=0)


@dataclass(frozen=True)
class _Asked:
    """A thing asked about, the question with its two answers, and what the first claims."""

    thing: str
    question: str
    yes: str
    no: str
    claims: tuple[Claim, ...]

    @property
    def kind(self) -> str:
        """What it is about: whether there is such an object, or one of its values."""
        return "attribute" if any(claim.kind == "attribute" for claim in self.claims) else "existence"


class ClaimQuestions:
    """Draws questions from the evidence about a round's images; what answers hallucinate is in none of them.

    By its words alone nobody can tell which answer to a question is right: each is right once.
    """

    def __init__(
        self, objects: Mapping[str, Sequence[SeenObject]], reliability: Reliability, settings: ClaimQuestionSettings,
        asking: Asking, vocabulary: Vocabulary,
    ) -> None:  # fmt: skip
        self.objects = {image: clear(seen) for image, seen in objects.items()}
        self.images = sorted(self.objects)
        self.nouns = {image: {thing.noun for thing in seen} for image, seen in self.objects.items()}
        self.everything, self.reliability, self.settings = objects, reliability, settings
        self.asking, self.vocabulary = asking, vocabulary
        self._taken: set[tuple[str, str]] = set()

    def draw(self, number: int, seed: int) -> pa.Table:
        """OFFERED, two pairs a question: up to ``number`` questions, fewer where the images settle no more."""
        rng = np.random.default_rng(seed)
        rows: list[dict[str, Any]] = []
        for _ in track(range(number), "claim question", number):
            rows += self._one(rng)
        return pa.Table.from_pylist(rows, OFFERED)

    def _one(self, rng: np.random.Generator) -> list[dict[str, Any]]:
        for _ in range(TRIES if self.images else 0):
            own = self.images[int(rng.integers(len(self.images)))]
            if not (seen := self.objects[own]):
                continue
            thing = seen[int(rng.integers(len(seen)))]
            values = [
                thing.attributes[name][0] for name, often in VALUES.items() for _ in range(often)
                if name in thing.attributes and thing.attributes[name][0] != UNSAID
            ]  # fmt: skip
            confusable = bool(values) and bool(rng.random() < self.settings.confusable)
            if confusable or (values and rng.random() < 0.5):
                asked = self._asked(f"{values[int(rng.integers(len(values)))]} {thing.noun}")
            else:
                asked = self._asked(thing.noun)
            if (own, asked.thing) in self._taken or (there := self._there(asked, own)) < self.settings.sure:
                continue
            for other in self._others(own, thing.noun, confusable, rng):
                absent = 1 - self._there(asked, other)
                if absent >= self.settings.sure and (other, asked.thing) not in self._taken:
                    self._taken |= {(own, asked.thing), (other, asked.thing)}
                    return _both(asked, (own, there), (other, absent))
        return []

    def _others(self, own: str, noun: str, confusable: bool, rng: np.random.Generator) -> Iterator[str]:
        tried = rng.permutation(len(self.images))[: self.settings.tried_images]
        for image in (self.images[int(number)] for number in tried):
            if image != own and (noun in self.nouns[image]) == confusable:
                yield image

    def _asked(self, thing: str) -> _Asked:
        question, yes, no = self.asking.of(thing)
        return _Asked(thing, question, yes, no, tuple(extract_claims(yes, question, self.vocabulary)))

    def _there(self, asked: _Asked, image: str) -> float:
        """The probability of the least likely claim of "yes, there is ..."; even where that is read as none."""
        seen = self.everything[image]
        return min((self.reliability.verify(claim, seen).probability for claim in asked.claims), default=0.5)


def decided(pair: Mapping[str, Any], side: str) -> tuple[str, float]:
    """Verdict of the evidence on an answer to a claim question, which is one claim, and how probable the claim is."""
    return ("supported", pair["q_plus"]) if side == "chosen" else ("contradicted", pair["q_minus"])


def _both(asked: _Asked, there: tuple[str, float], absent: tuple[str, float]) -> list[dict[str, Any]]:
    """The question's two pairs: on one image yes over no, on the other no over yes."""
    quad = f"{asked.thing}? {there[0][:12]} {absent[0][:12]}"
    rows = []
    for (image, right), chosen, rejected in ((there, asked.yes, asked.no), (absent, asked.no, asked.yes)):
        prompt = f"{asked.question} {image[:12]}"
        rows.append(
            {"pair_id": hashlib.sha256(f"{quad} {image}".encode()).hexdigest()[:16], "prompt_id": prompt,
             "image_sha256": image, "question": asked.question, "chosen_id": f"{prompt} {chosen}",
             "rejected_id": f"{prompt} {rejected}", "chosen": chosen, "rejected": rejected, "source": QUESTION,
             "kind": asked.kind, "quad_id": quad, "q_plus": right, "q_minus": 1 - right,
             "expert_margin": expert_margin(right, 1 - right), "verifiable": 1.0,
             "length_ratio": len(chosen.split()) / len(rejected.split()), "severity": max(0.0, 2 * right - 1),
             "chosen_lowest": right, "rejected_lowest": 1 - right}
        )  # fmt: skip
    return rows
