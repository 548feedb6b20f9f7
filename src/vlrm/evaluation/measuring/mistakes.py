"""The most confident mistakes, kept with their texts while the items go by."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.measuring.result import Mistake
from vlrm.evaluation.measuring.verdicts import said_about

if TYPE_CHECKING:
    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.measuring.verdicts import Judged, Verdicts

COUNT = 10
PICTURE_SIDE = 320
LONGEST = 1500
"""Characters of a text on the page: some answers fill pages."""


@dataclass(frozen=True)
class Shown:
    """What is shown of an item besides its texts: its picture (boxes drawn in where experts looked), and the HTML of
    its answers in their order with claims coloured (:func:`vlrm.viewing.claims.coloured`); ``seen``: a line for each
    box."""

    picture: Image.Image | None = None
    claims: tuple[str, str] = ("", "")
    seen: tuple[str, ...] = ()


Show = Callable[["Item"], Shown]


class MistakeWatch:
    """Keeps the ``count`` items with the most negative margins; of equal ones the earlier."""

    def __init__(self, verdicts: Verdicts, count: int = COUNT) -> None:
        self.count, self.seen = count, 0
        self._keys, self._lean, self._scalar = verdicts.keys, verdicts.lean(), verdicts.scalar
        self._worst: list[tuple[float, int, Item]] = []

    def see(self, item: Item, key: int) -> None:
        self.seen += 1
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if item.better is None or place == len(self._keys) or self._keys[place] != key:
            return
        margin = float(self._lean[place]) * (1 if item.better == 0 else -1)
        if not margin < 0 or (len(self._worst) == self.count and -margin <= self._worst[0][0]):
            return
        heapq.heappush(self._worst, (-margin, -self.seen, item))
        if len(self._worst) > self.count:
            heapq.heappop(self._worst)

    def mistakes(self, judged: Judged, temperature: float, show: Show | None) -> list[Mistake]:
        """The worst first. ``temperature``: of the confidence, where the judge gives rewards."""
        from scipy.special import expit

        worst = sorted(self._worst, key=lambda one: one[:2], reverse=True)
        said = said_about(judged, [item.key for _, _, item in worst])
        found = []
        for size, _, item in worst:
            shown = Shown() if show is None else show(item)
            sure = float(expit(size / temperature)) if self._scalar else (1 + size) / 2
            better = int(item.better or 0)
            found.append(
                Mistake(
                    key=item.key, id=item.id, category=item.category, question=_short(item.question),
                    better=_short(item.responses[better]), worse=_short(item.responses[1 - better]),
                    margin=-size, confidence=sure, image_jpeg=_jpeg(shown.picture),
                    claims=(shown.claims[better], shown.claims[1 - better]), seen=list(shown.seen),
                    said=[_short(text) for view, text in said.get(item.key, []) if view == "image"],
                )
            )  # fmt: skip
        return found


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip() + " …"


def _jpeg(picture: Image.Image | None) -> str:
    if picture is None:
        return ""
    small = picture.convert("RGB")
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    stream = BytesIO()
    small.save(stream, format="JPEG", quality=85)
    return base64.b64encode(stream.getvalue()).decode()
