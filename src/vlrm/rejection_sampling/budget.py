"""Which accepted pairs a round's budget is spent on: quads whole, half hard, enough that nobody edited."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from vlrm.rejection_sampling.rule import Rule

Unit = list[dict[str, Any]]
"""The two pairs of a quad, or one pair: what is kept or refused together."""


def spend(accepted: Sequence[dict[str, Any]], rule: Rule, rng: np.random.Generator) -> set[str]:
    """Ids of the pairs to keep, at most ``rule.budget``.

    Quads get their share first, then pairs of candidates theirs, as far as there are any; what is left goes to all.
    Within each, ``rule.hard_share`` goes to hard pairs (the reward model is wrong or unsure), the rest to random
    ones.
    """
    quads: defaultdict[str, Unit] = defaultdict(list)
    singles: dict[str, list[Unit]] = {"candidates": [], "counterfactual": []}
    for row in accepted:
        if row["quad_id"] is not None:
            quads[row["quad_id"]].append(row)
        else:
            singles[row["source"]].append([row])
    whole = [unit for _, unit in sorted(quads.items()) if len(unit) == 2]
    singles["counterfactual"] += [unit for _, unit in sorted(quads.items()) if len(unit) == 1]
    room = min(rule.budget, len(accepted))
    for_quads = min(2 * len(whole), 2 * math.ceil(rule.quad_share * room / 2))
    for_candidates = min(len(singles["candidates"]), math.ceil(rule.candidates_share * room), room - for_quads)
    taken = _draw(whole, min(for_quads, room), rule, rng)
    taken += _draw(singles["candidates"], for_candidates, rule, rng)
    ids = {row["pair_id"] for unit in taken for row in unit}
    rest = [u for u in whole + singles["candidates"] + singles["counterfactual"] if u[0]["pair_id"] not in ids]
    for unit in _draw(rest, room - len(ids), rule, rng):
        ids.update(row["pair_id"] for row in unit)
    return ids


def _hard_pairs(unit: Unit, rule: Rule) -> int:
    return sum(row["reward_margin"] is not None and row["reward_margin"] < rule.hard_below for row in unit)


def _draw(units: Sequence[Unit], pairs: int, rule: Rule, rng: np.random.Generator) -> list[Unit]:
    """Units of at most ``pairs`` pairs together: hard ones until their share is met, then any in random
    order."""
    order = [units[i] for i in rng.permutation(len(units))]
    wanted = math.ceil(rule.hard_share * pairs)
    taken: list[Unit] = []
    seen: set[str] = set()
    count = hard = 0
    for hard_first in (True, False):
        for unit in order:
            here = _hard_pairs(unit, rule)
            skip = hard_first and (here == 0 or hard >= wanted)
            if skip or count + len(unit) > pairs or unit[0]["pair_id"] in seen:
                continue
            taken.append(unit)
            seen.add(unit[0]["pair_id"])
            count, hard = count + len(unit), hard + here
    return taken
