"""An item as the experts see it: their boxes drawn into the image, each answer with its claims coloured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.answers.words import words_of
from vlrm.claims.extract import extract_claims
from vlrm.claims.table import claim_row
from vlrm.evaluation.measuring.mistakes import PICTURE_SIDE, Shown
from vlrm.experts.annotate import run_experts
from vlrm.schema import seen_objects
from vlrm.viewing.claims import coloured
from vlrm.viewing.pictures import legend, with_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.claims.reliability import Reliability
    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.experts.base import Expert
    from vlrm.schema import SeenObject

FAINT = 0.3
"""Objects that no claim cites are drawn from this score on: a detector's doubts would cover the image."""
MOST = 8
"""Boxes in one image."""


class EvidenceView:
    """Shows items. ``reliability``: as measured of ``experts``; verdicts are theirs, and may err."""

    def __init__(self, experts: Sequence[Expert], reliability: Reliability) -> None:
        self.experts, self.reliability = experts, reliability
        self.words = words_of(experts)

    def shown(self, item: Item, picture: Image.Image | None) -> Shown:
        """``picture``: the item's image; without one nothing is known but the texts."""
        if picture is None:
            return Shown()
        objects = seen_objects(run_experts(self.experts, [picture])[0])
        cited: set[str] = set()
        first, second = (self._answer(item, text, objects, cited) for text in item.responses)
        surest = sorted(objects, key=lambda one: (one.evidence_id not in cited, -one.score))
        drawn = [one for one in surest[:MOST] if one.evidence_id in cited or one.score >= FAINT]
        boxes = with_boxes(picture, drawn, PICTURE_SIDE) if drawn else picture
        return Shown(boxes, (first, second), tuple(legend(drawn)))

    def _answer(self, item: Item, text: str, objects: Sequence[SeenObject], cited: set[str]) -> str:
        """HTML of an answer; what its claims cite is added to ``cited``."""
        rows = []
        for index, claim in enumerate(extract_claims(text, item.question, self.words)):
            verification = self.reliability.verify(claim, list(objects))
            cited.update(verification.evidence_ids)
            rows.append(claim_row(item.key, index, "", claim, verification))
        return coloured(text, rows)
