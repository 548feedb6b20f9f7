"""Which objects are seen together: what makes an object that is not there a plausible thing to say."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from vlrm.schema import SeenObject

SMOOTHING = 0.5
STEEP = 2.0
"""How much the odds count beside the balance of words."""


class CoOccurrence:
    """Counts of nouns, and of pairs of nouns, over images.

    They come from what experts report, never from what responses say: a policy's own habits would make its
    hallucinations look plausible.
    """

    def __init__(self, images: Iterable[Sequence[SeenObject]], score: float = 0.4) -> None:
        self.images = 0
        self.single: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        for objects in images:
            nouns = {thing.noun for thing in objects if thing.score >= score}
            self.images += 1
            self.single.update(nouns)
            self.pairs.update((a, b) for a in nouns for b in nouns if a != b)

    def log_odds(self, noun: str, others: Collection[str]) -> float:
        """How much likelier an image with ``others`` shows ``noun`` than any image does: log units in [-STEEP, STEEP].

        The mean over ``others`` of log P(noun | other) / P(noun), smoothed; 0 when nothing else is seen.
        """
        known = [other for other in others if self.single[other] and other != noun]
        if not known or not self.images:
            return 0.0
        base = (self.single[noun] + SMOOTHING) / (self.images + 2 * SMOOTHING)
        ratios = [
            math.log((self.pairs[other, noun] + SMOOTHING * base) / (self.single[other] + SMOOTHING) / base)
            for other in known
        ]
        return max(-STEEP, min(STEEP, sum(ratios) / len(ratios)))
