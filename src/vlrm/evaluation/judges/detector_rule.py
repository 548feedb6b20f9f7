"""The experts as a judge: what they see in the image says which answer is right, and no language model is asked."""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from vlrm.answers.words import words_of
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.evaluation.judges.protocol import TIE, Judgement
from vlrm.experts.annotate import run_experts
from vlrm.experts.config import build_experts
from vlrm.experts.measured import needs_measuring, shipped
from vlrm.schema import seen_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.experts.config import ExpertConfig
    from vlrm.schema import SeenObject

EXPERTS: tuple[dict[str, Any], ...] = ({"name": "coco_ssd"},)
"""Those of the environment photos."""
HELD = 4096
"""Images whose objects are remembered; the questions about one image stand together in benchmarks."""
VERSION = 1
"""Part of the fingerprint: to be raised when the rule changes."""


class DetectorRule:
    """Evidence answers, by the experts' measured reliability (:class:`vlrm.claims.reliability.Reliability`).

    A yes-or-no question is answered by the claim that "yes" makes: its log-likelihood ratio under the evidence, without
    a prior, so the difference of the two rewards is that ratio, and where evidence says nothing (nouns no expert knows)
    it is a tie. Of a pair the answer with fewer expected false claims wins: the experts as the reward.
    """

    name = "detector_rule"
    looks = True
    ordered = False

    def __init__(
        self, experts: Sequence[ExpertConfig | dict[str, Any]] = EXPERTS, reliability: Reliability | None = None
    ) -> None:
        """``reliability``: as measured of these experts; by default what is shipped with the detector.

        Raises:
            UserError: an expert is unknown or not installed, or nothing is known of its reliability.
        """
        self.experts = build_experts(experts)
        if reliability is None:
            known = shipped(self.experts)
            if known is None:
                raise needs_measuring(self.experts)
            reliability = Reliability.from_json(known.verification)
        self.reliability = reliability
        self.words = words_of(self.experts)
        about = {
            "version": VERSION,
            "experts": [[expert.name, expert.fingerprint] for expert in self.experts],
            "reliability": reliability.to_json(),
        }
        self.fingerprint = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        self._seen: OrderedDict[bytes, list[SeenObject]] = OrderedDict()

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """One judgement of each item; each distinct image is looked at once."""
        names = [None if image is None else _name(image) for image in images]
        fresh = {
            name: image
            for name, image in zip(names, images, strict=True)
            if name is not None and image is not None and name not in self._seen
        }
        for name, evidence in zip(fresh, run_experts(self.experts, list(fresh.values())) if fresh else (), strict=True):
            self._seen[name] = seen_objects(evidence)
        judged = [
            [Judgement(0, 0, None, problem="It has no image that experts could look at.")] if name is None
            else [self._judged(item, self._seen[name])]
            for item, name in zip(items, names, strict=True)
        ]  # fmt: skip
        while len(self._seen) > HELD:
            self._seen.popitem(last=False)
        return judged

    def _judged(self, item: Item, objects: Sequence[SeenObject]) -> Judgement:
        if item.task == "yes_no":
            ratio = self._ratio(item, objects)
            if ratio is None:
                return Judgement(0, 0, None, problem="No claim can be read from the question.")
            rewards = (ratio / 2, -ratio / 2)
        else:
            rewards = (self._groundedness(item, 0, objects), self._groundedness(item, 1, objects))
        preferred = TIE if rewards[0] == rewards[1] else int(rewards[1] > rewards[0])
        return Judgement(0, 0, preferred, *rewards)

    def _ratio(self, item: Item, objects: Sequence[SeenObject]) -> float | None:
        """log P(evidence | yes) / P(evidence | no), of the least likely of the claims that "yes" makes."""
        claims = extract_claims("Yes.", item.question, self.words)
        ratios = [sum(self.reliability.verify(claim, objects).families.values()) for claim in claims]
        return min(ratios, default=None)

    def _groundedness(self, item: Item, side: int, objects: Sequence[SeenObject]) -> float:
        claims = extract_claims(item.responses[side], item.question, self.words)
        # exact, so that the order of the claims decides no tie
        return math.fsum(self.reliability.verify(claim, objects).probability - 1 for claim in claims)


def _name(image: Image.Image) -> bytes:
    """By content: the blank and the swapped view of an item show other pixels under the item's own name."""
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).digest()
