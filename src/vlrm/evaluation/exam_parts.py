"""The exam in parts that can be sat beside each other: which items, under which view, with critiques or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Part = Literal["gate", "pairs", "wordings", "blind"]
"""The gate; of the report split the pairs that stand alone, the wordings of groups, and both without their image."""
CRITICISED = 160
"""Report pairs, beside the groups, read with critiques where the readout is plain, unless told otherwise; of a blind
view where critiques are the readout."""
FLIPPED = 60
"""Report pairs whose critiques are read with their checks flipped, for the verdict-flip sensitivity."""

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Reading:
    """EXAM rows read under one view; the critiques of the first ``flipped`` are read once more, turned round."""

    items: Items
    view: str
    with_critiques: bool
    flipped: int = 0


def readings(
    part: Part, exam: Items, seed: int, by_critiques: bool = False, criticised: int = CRITICISED
) -> list[Reading]:
    """What one part reads. Where the readout is plain, critiques serve the figures about critiques, and a sample of
    ``criticised`` pairs is read with them; ``by_critiques``: they are the readout."""
    if part == "gate":
        return _some([item for item in exam if item["split"] == "gate"], "image", None)
    pairs, wordings = _report(exam, seed)
    read = len(pairs) if by_critiques else min(criticised, len(pairs))
    flipped = min(FLIPPED, read)
    if part == "pairs":
        return _some(pairs, "image", None if by_critiques else criticised, flipped)
    if part == "wordings":
        return _some(wordings, "image", None)
    # Beside the flipped critiques stand critiques of a swapped image, whatever the readout.
    everything = pairs + [item for item in wordings if item["group_id"] == item["item_id"]]
    return [
        *_some(everything, "blank", CRITICISED if by_critiques else 0),
        *_some(everything, "swapped", CRITICISED if by_critiques else flipped),
    ]


def _report(exam: Items, seed: int) -> tuple[Items, Items]:
    """The report split in random order: pairs that stand alone, and the wordings of groups."""
    report = [item for item in exam if item["split"] == "report"]
    shuffled: Sequence[dict[str, Any]] = [report[i] for i in np.random.default_rng(seed).permutation(len(report))]
    return (
        [item for item in shuffled if item["group_id"] is None],
        [item for item in shuffled if item["group_id"] is not None],
    )


def _some(items: Items, view: str, criticised: int | None, flipped: int = 0) -> list[Reading]:
    """The first ``criticised`` (None: all) with critiques, the others without."""
    found = [Reading(items[:criticised], view, True, flipped)]
    if criticised is not None:
        found.append(Reading(items[criticised:], view, False))
    return [one for one in found if one.items]
