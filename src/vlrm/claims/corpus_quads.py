"""Counterfactuals of many responses as quads: the same two texts on two images, each right on one of them.

Whatever a reader makes of two texts without an image, it is right on exactly one of a quad's two pairs (the balanced
pairs of VQA v2, arXiv:1612.00837, made by evidence).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vlrm.claims.corpus_edits import STRATA, Counterfactual, Possible, possible_edits, stratum_of
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vlrm.claims.counterfactual import Edit
    from vlrm.claims.reliability import Reliability
    from vlrm.claims.vocabulary import Vocabulary
    from vlrm.schema import Claim, SeenObject


def quad_counterfactuals(
    responses: Sequence[tuple[str, str]],
    objects: Mapping[str, Sequence[SeenObject]],
    vocabulary: Vocabulary,
    *,
    kinds: Collection[str] | None = None,
    reliability: Reliability | None = None,
    sure: float = 0.9,
    each: int = 2,
    tried_images: int = 40,
    seed: int = 0,
    strata: int = STRATA,
) -> list[Counterfactual]:
    """Two counterfactuals for each quad, side by side: the edit on the response's image, then the reverse on another.

    The other image is one of the same of ``strata`` parts, of which a response says what is edited in: the evidence
    bears that out, contradicts what it replaced, and contradicts nothing else of the text. (Without such a response
    evidence alone would be asked about many images for a label that few show: what it then finds is often its own
    false alarm.) Of a claim the ``each`` edits are taken for which there is one and that look likeliest on their own
    image; of ``tried_images`` drawn ones the image that serves least so far.

    Args:
        responses: (image, text) of each.
        objects: the evidence of each image; it also says which objects are seen together.
        reliability: verdicts on originals and edits; without it the evidence is taken at its word.
        sure: what is preferred holds at least so probably, what is edited in fails so, on both images.
    """
    made = possible_edits(responses, objects, vocabulary, kinds, reliability, sure, seed)
    images = _Images(objects, reliability, sure, strata, tried_images, np.random.default_rng(seed))
    for image, text in responses:
        images.hear(image, extract_claims(text, vocabulary=vocabulary))
    taken: Counter[tuple[int, int]] = Counter()
    found: list[Counterfactual] = []
    for place, edit, _ in _in_order(made):
        if taken[place, edit.claim_index] >= each:
            continue
        image, text = responses[place]
        claims = extract_claims(edit.text, vocabulary=vocabulary)
        other = images.bearing_out(image, edit, claims)
        if other is not None:
            taken[place, edit.claim_index] += 1
            part = stratum_of(image, strata)
            found.append(Counterfactual(image, text, edit, part))
            found.append(Counterfactual(other, edit.text, _reverse(text, edit, claims), part))
    return found


def _in_order(made: Sequence[Possible]) -> list[Possible]:
    """By claim; of each the likeliest values first, and other words for the same value after all values."""
    words: Counter[tuple[int, int, str]] = Counter()
    ranked: list[tuple[int, Possible]] = []
    for one in sorted(made, key=lambda one: (one.place, one.edit.claim_index, -one.odds, one.edit.text)):
        value = (one.place, one.edit.claim_index, one.edit.new_value)
        ranked.append((words[value], one))
        words[value] += 1
    ranked.sort(key=lambda item: (item[1].place, item[1].edit.claim_index, item[0]))
    return [one for _, one in ranked]


def _reverse(original: str, edit: Edit, claims: Sequence[Claim]) -> Edit:
    """The edit that makes the original of the edited text, whose ``claims`` are given."""
    return replace(
        edit,
        text=original,
        claim_index=next(i for i, claim in enumerate(claims) if claim.key() == edit.after.key()),
        before=edit.after,
        after=edit.before,
        new_value=(edit.before.subject.noun or "") if edit.kind == "object" else edit.words[0],
        words=(edit.words[1], edit.words[0]),
    )


def _point(claim: Claim) -> tuple[object, ...]:
    """What a claim says, however its object is described."""
    other = claim.other.noun if claim.other else None
    return (claim.kind, claim.subject.noun, claim.attribute, claim.value, claim.count, claim.relation, other,
            claim.polarity)  # fmt: skip


@dataclass
class _Images:
    """The images of each part, to be searched for one on which an edited text is right."""

    objects: Mapping[str, Sequence[SeenObject]]
    reliability: Reliability | None
    sure: float
    strata: int
    tried: int
    rng: np.random.Generator
    parts: dict[int, list[str]] = field(init=False)
    used: Counter[str] = field(default_factory=Counter)
    said: dict[str, set[tuple[object, ...]]] = field(default_factory=dict)
    known: dict[tuple[object, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = {}
        for image in sorted(self.objects):
            self.parts.setdefault(stratum_of(image, self.strata), []).append(image)

    def hear(self, image: str, claims: Sequence[Claim]) -> None:
        """Note what a response says of an image."""
        self.said.setdefault(image, set()).update(map(_point, claims))

    def bearing_out(self, image: str, edit: Edit, claims: Sequence[Claim]) -> str | None:
        """Of the drawn images of the same part that bear the edit out, the one used least."""
        names = self.parts.get(stratum_of(image, self.strata), [])
        drawn = [names[i] for i in self.rng.permutation(len(names))[: self.tried]]
        others = [claim for claim in claims if claim.key() != edit.after.key()]
        fit = [name for name in drawn if name != image and self._fits(name, edit, others)]
        if not fit:
            return None
        chosen = min(fit, key=lambda name: self.used[name])
        self.used[chosen] += 1
        return chosen

    def _fits(self, image: str, edit: Edit, others: Sequence[Claim]) -> bool:
        return (
            _point(edit.after) in self.said.get(image, ())
            and self._probability(edit.after, image) >= self.sure
            and self._probability(edit.before, image) <= 1 - self.sure
            and all(self._probability(claim, image) > 1 - self.sure for claim in others)
        )

    def _probability(self, claim: Claim, image: str) -> float:
        key = (claim.key(), image)
        if key not in self.known:
            seen = list(self.objects[image])
            self.known[key] = (
                self.reliability.verify(claim, seen).probability if self.reliability else float(holds(claim, seen))
            )
        return self.known[key]
