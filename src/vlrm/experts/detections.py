"""What detectors share: a detection, the surer of overlapping ones, and detections written as evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vlrm.experts.base import overlap
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vlrm.experts.base import Expert
    from vlrm.schema import Box


class Detection(NamedTuple):
    """A label at a place; ``box`` in fractions of the image, ``score`` in [0, 1]."""

    label: str
    box: Box
    score: float


def clipped(box: Sequence[float]) -> Box | None:
    """A box inside the image, rounded to four digits; None when nothing of it is left."""
    x0, y0, x1, y1 = (round(min(max(float(value), 0.0), 1.0), 4) for value in box)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def surest(found: Iterable[Detection]) -> list[Detection]:
    """From the surest down; ties by label and place, so that the order never hangs on who came first."""
    return sorted(found, key=lambda one: (-one.score, one.label, one.box))


def suppress(found: Iterable[Detection], most: float, inside: float = 1.0) -> list[Detection]:
    """Of two detections of one label the surer stays when they are of the same thing.

    That is when their boxes overlap by ``most`` or more (intersection over union), or when ``inside`` or more of
    the less sure one lies within the surer one (1: never by this rule alone).
    """
    kept: list[Detection] = []
    for one in surest(found):
        rivals = [other for other in kept if other.label == one.label]
        if all(overlap(one.box, o.box) < most and (inside >= 1 or within(one.box, o.box) < inside) for o in rivals):
            kept.append(one)
    return kept


def within(box: Box, other: Box) -> float:
    """The share of ``box``'s area that lies in ``other``."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0.0) * max(height, 0.0) / area if width > 0 and height > 0 else 0.0


def as_evidence(found: Iterable[Detection], expert: Expert, most: int) -> list[Evidence]:
    """At most ``most`` objects as evidence, with ids d1, d2 ... from the surest down."""
    return [
        Evidence(f"d{number}", "object", one.label, one.box, round(one.score, 4), expert.name, expert.fingerprint)
        for number, one in enumerate(surest(found)[:most], start=1)
    ]
