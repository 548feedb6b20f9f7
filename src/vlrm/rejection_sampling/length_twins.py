"""Pairs of unequal length, kept by twos in which the longer answer is right once: length then says nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vlrm.rejection_sampling.offer import PAIRED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.rejection_sampling.rule import Rule

ALIKE = 0.25
"""How far the log length ratios of two twins may differ, their signs aside."""
Sized = tuple[float, str, dict[str, Any]]
"""Size of a pair's log length ratio, its id, the pair."""


def match_lengths(rows: list[dict[str, Any]], rule: Rule) -> None:
    """Un-refuse pairs of candidates that fail nothing but ``length``, two by two.

    One twin's chosen side is longer, the other's shorter by about the same ratio (:data:`ALIKE`), neither more than
    ``rule.length_widest`` times. ``twin_id`` names the other; pairs without a twin stay refused. To drop them all
    would leave out most of what nobody edited: whole answers of one prompt are seldom of one length.

    There are more pairs of one direction than of the other, so some stay without a twin. Those that the reward model
    has wrong are matched first: the budget looks for them (``rule.hard_share``), and by later rounds they are few.
    """
    widest = math.log(rule.length_widest)
    longer: list[Sized] = []
    shorter: list[Sized] = []
    for row in rows:
        if row["refused"] == "length" and row["source"] in PAIRED:
            ratio = math.log(row["length_ratio"])
            if abs(ratio) <= widest:
                (longer if ratio > 0 else shorter).append((abs(ratio), row["pair_id"], row))
    longer.sort(key=lambda item: item[:2])
    shorter.sort(key=lambda item: item[:2])
    for wrong_first, wrong_second in ((True, True), (False, True), (True, False), (False, False)):
        _match(_open(longer, wrong_first), _open(shorter, wrong_second))


def _open(sized: Sequence[Sized], wrong: bool) -> list[Sized]:
    """Those without a twin so far; ``wrong``: that the reward model has wrong."""
    return [item for item in sized if item[2]["twin_id"] is None and (not wrong or is_wrong(item[2]))]


def is_wrong(row: Mapping[str, Any]) -> bool:
    """Whether the reward model of the round before prefers the rejected side; not where it was not asked."""
    return row["reward_margin"] is not None and row["reward_margin"] < 0


def _match(longer: Sequence[Sized], shorter: Sequence[Sized]) -> None:
    """As many as can be of two sorted lists."""
    i = j = 0
    while i < len(longer) and j < len(shorter):
        (a, _, first), (b, _, second) = longer[i], shorter[j]
        if abs(a - b) <= ALIKE:
            first["refused"] = second["refused"] = None
            first["twin_id"], second["twin_id"] = second["pair_id"], first["pair_id"]
            i, j = i + 1, j + 1
        elif a < b:
            i += 1
        else:
            j += 1


def drop_lone_twins(rows: list[dict[str, Any]]) -> None:
    """A pair whose twin was refused after all is refused for its length again."""
    refused = {row["pair_id"]: row["refused"] for row in rows}
    for row in rows:
        if row["twin_id"] is not None and (row["refused"] is not None or refused[row["twin_id"]] is not None):
            row["refused"] = row["refused"] or "length"
            row["twin_id"] = None
