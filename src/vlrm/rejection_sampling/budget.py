"""Which accepted pairs a round's budget is spent on: quads whole, half hard, enough that nobody edited."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from vlrm.rejection_sampling.length_twins import is_wrong
from vlrm.rejection_sampling.offer import PAIRED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from vlrm.rejection_sampling.rule import Rule

MIXED = ("kind", "source")
"""What ``rule.target_mix`` names."""
Unit = list[dict[str, Any]]
"""The two pairs of a quad, or one pair: what is kept or refused together."""


def spend(accepted: Sequence[dict[str, Any]], rule: Rule, rng: np.random.Generator) -> set[str]:
    """Ids of the pairs to keep, at most ``rule.budget``.

    Quads get their share first, then pairs of candidates theirs, as far as there are any; what is left goes to all.
    Within each, ``rule.hard_share`` goes to hard pairs (the reward model is wrong or unsure), the rest to random
    ones. A kind or source named in ``rule.target_mix`` gets no more than its share, unless nothing else is left.
    """
    by_id = {row["pair_id"]: row for row in accepted}
    quads: defaultdict[str, Unit] = defaultdict(list)
    singles: dict[str, list[Unit]] = {"candidates": [], "counterfactual": []}
    for row in accepted:
        if row["quad_id"] is not None:
            quads[row["quad_id"]].append(row)
        elif row["twin_id"] is None:
            singles[_edited(row)].append([row])
        elif row["twin_id"] > row["pair_id"]:
            singles[_edited(row)].append([row, by_id[row["twin_id"]]])
    whole = [unit for _, unit in sorted(quads.items()) if len(unit) == 2]
    singles["counterfactual"] += [unit for _, unit in sorted(quads.items()) if len(unit) == 1]
    room = min(rule.budget, len(accepted))
    for_quads = min(2 * len(whole), 2 * math.ceil(rule.quad_share * room / 2))
    of_candidates = sum(map(len, singles["candidates"]))
    # One more than its share: units of two may not fill it exactly.
    for_candidates = min(of_candidates, math.ceil(rule.candidates_share * room) + 1, room - for_quads)
    left = {kind: share * rule.budget for kind, share in rule.target_mix.items()}
    everything = whole + singles["candidates"] + singles["counterfactual"]
    ids: set[str] = set()
    for units, pairs, mix in (
        (whole, for_quads, left),
        (singles["candidates"], for_candidates, left),
        (everything, room, left),
        (everything, room, {}),
    ):
        fresh = [unit for unit in units if unit[0]["pair_id"] not in ids]
        for unit in _draw(fresh, min(pairs, room - len(ids)), rule, rng, mix):
            ids.update(row["pair_id"] for row in unit)
    return ids


def _edited(row: dict[str, Any]) -> str:
    """Pairs of two answers that nobody edited count as candidates, whatever they were written about."""
    return "candidates" if row["source"] in PAIRED else "counterfactual"


def _hard_pairs(unit: Unit, rule: Rule) -> int:
    return sum(row["reward_margin"] is not None and row["reward_margin"] < rule.hard_below for row in unit)


def _wrong_pairs(unit: Unit) -> int:
    return sum(map(is_wrong, unit))


def _draw(
    units: Sequence[Unit], pairs: int, rule: Rule, rng: np.random.Generator, left: dict[str, float]
) -> list[Unit]:
    """Units of at most ``pairs`` pairs together: hard ones until their share is met, those that the reward model has
    wrong before those it is unsure of; then any in random order.

    ``left``: how many more pairs of a kind or source there may be; what is drawn is taken off it.
    """
    order = [units[i] for i in rng.permutation(len(units))]
    wanted = math.ceil(rule.hard_share * pairs)
    taken: list[Unit] = []
    seen: set[str] = set()
    count = hard = 0
    wrong_first = sorted(order, key=lambda unit: -_wrong_pairs(unit) / len(unit))
    for hard_first in (True, False):
        for unit in wrong_first if hard_first else order:
            here = _hard_pairs(unit, rule)
            skip = hard_first and (here == 0 or hard >= wanted)
            full = any(left.get(row[name], math.inf) < 1 for row in unit for name in MIXED)
            if skip or full or count + len(unit) > pairs or unit[0]["pair_id"] in seen:
                continue
            for row in unit:
                for kind in left.keys() & {row[name] for name in MIXED}:
                    left[kind] -= 1
            taken.append(unit)
            seen.add(unit[0]["pair_id"])
            count, hard = count + len(unit), hard + here
    return taken
