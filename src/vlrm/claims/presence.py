"""How likely a noun is there, from the score it is seen with: for detectors that also report traces of objects."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.claims.likelihoods import LIMIT
from vlrm.claims.symbols import SCORE_EDGES
from vlrm.schema import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vlrm.schema import SeenObject

CLEAR = SCORE_EDGES[0]
"""From this score on a noun counts as one of the things that a photo clearly shows."""
WIDE = 5.0
"""Standard deviation of the prior of a slope, the feature having one: next to none."""
SPREAD = 1.0
"""The same of a label's own offset. 0.7 to 1.4 do as well by cross-validation on the calibration photos."""
DIGITS = 4
Scene = tuple["Sequence[SeenObject]", "Sequence[SeenObject]"]
"""What is there, and the evidence."""


@dataclass(frozen=True)
class Presence:
    """log P(evidence | there) / P(evidence | not there), linear in what is seen.

    Platt's logistic of a detector's score, with two additions: how many other nouns are clearly seen (a faint sighting
    among many things is more often real), and an offset of each label, shrunk to 0, which is all that is known of a
    label that no calibration photo shows. Counts in bins of the score (:mod:`vlrm.claims.likelihoods`) need far more
    examples of each label for the same.
    """

    floor: float
    """The score of what is not seen at all: the least that any noun was seen with."""
    intercept: float
    score: float
    """Per unit of the score's log-odds."""
    company: float
    """Per unit of log(1 + number of other nouns clearly seen)."""
    labels: dict[str, float]
    """The offset of every noun that the detectors can report."""

    @staticmethod
    def fit(scenes: Sequence[Scene], labels: Sequence[str]) -> Presence | None:
        """Ridge logistic regression on all labels of all images; None where the detectors report no traces.

        Half of the weight is on labels that are there. In an image with k of them one that is not there weighs as often
        as it is drawn among k, by the number of images that show it: models invent what is usual.
        """
        from sklearn.linear_model import LogisticRegression

        known = [({thing.noun for thing in truth} & set(labels), best_scores(seen)) for truth, seen in scenes]
        floor = min((score for _, best in known for score in best.values() if score > 0), default=1.0)
        rows = list(_rows(known, labels))
        truths = np.array([there for _, there, _, _ in rows])
        if floor >= TRACE or len(set(truths)) < 2:
            return None
        columns = np.array([_features(label, best, floor) for label, _, _, best in rows])
        middle, scale = columns.mean(0), columns.std(0) + 1e-9
        own = np.array([[label == other for other in labels] for label, _, _, _ in rows])
        weights = np.array([weight for _, _, weight, _ in rows])
        half = weights.sum() / 2
        weights[truths] *= half / weights[truths].sum()
        weights[~truths] *= half / weights[~truths].sum()
        model = LogisticRegression(C=1.0, max_iter=3000)
        model.fit(np.hstack([(columns - middle) / scale * WIDE, own * SPREAD]), truths, sample_weight=weights)
        slopes, offsets = model.coef_[0, :2] * WIDE / scale, model.coef_[0, 2:] * SPREAD
        return Presence(
            floor=floor,
            intercept=round(float(model.intercept_[0] - slopes @ middle), DIGITS),
            score=round(float(slopes[0]), DIGITS),
            company=round(float(slopes[1]), DIGITS),
            labels={label: round(float(offset), DIGITS) for label, offset in zip(labels, offsets, strict=True)},
        )

    def ratio(self, noun: str, objects: Sequence[SeenObject]) -> float:
        """Of ``noun`` in an image with the evidence ``objects``, at most :data:`LIMIT` either way."""
        score, company = _features(noun, best_scores(objects), self.floor)
        ratio = self.intercept + self.score * score + self.company * company + self.labels[noun]
        return max(-LIMIT, min(LIMIT, ratio))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Presence:
        return Presence(**raw)


def best_scores(objects: Sequence[SeenObject]) -> dict[str, float]:
    """The score of each noun's surest sighting."""
    best: dict[str, float] = {}
    for thing in objects:
        best[thing.noun] = max(best.get(thing.noun, 0.0), thing.score)
    return best


def _features(noun: str, best: Mapping[str, float], floor: float) -> tuple[float, float]:
    score = min(max(best.get(noun, 0.0), floor), 1 - floor)
    company = sum(other >= CLEAR for name, other in best.items() if name != noun)
    return math.log(score / (1 - score)), math.log1p(company)


def _rows(
    known: Sequence[tuple[set[str], dict[str, float]]], labels: Sequence[str]
) -> Iterator[tuple[str, bool, float, dict[str, float]]]:
    """(label, whether it is there, weight, the image's scores) of all that has a weight."""
    common = Counter(noun for there, _ in known for noun in there)
    for there, best in known:
        usual = sum(common[label] for label in labels if label not in there)
        for label in labels:
            if label in there:
                yield label, True, 1.0, best
            elif common[label]:
                yield label, False, min(1.0, len(there) * common[label] / usual), best
