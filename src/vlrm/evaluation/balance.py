"""Choose pairs so that neither length nor wording gives the order away."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from vlrm.evaluation.baselines import length_margin, text_only_margin
from vlrm.evaluation.outcomes import credit

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_PROMPT = 2


def balanced_choice(
    pool: Sequence[dict[str, Any]],
    wanted: int,
    rng: np.random.Generator,
    taken: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Up to ``wanted`` pairs of ``pool`` (keys chosen, rejected, _of: the prompt), balanced as far as the
    pool allows.

    Takes turns between four kinds of pair: the shorter or the longer side is right, and a text-only
    classifier trained on the rest of the pool has it right or wrong; so either guess stands near one half.
    (Making word differences cancel exactly would over-balance: a classifier then does far *worse* than a coin
    on held-out folds.) At most two pairs share a prompt, those in ``taken`` included.
    """
    if wanted <= 0 or not pool:
        return []
    frame = pl.DataFrame({side: [item[side] for item in pool] for side in ("chosen", "rejected")})
    prompts = np.unique([item["_of"] for item in pool], return_inverse=True)[1]
    shorter = np.sign(length_margin(frame)).astype(int)
    guess = np.nan_to_num(credit(text_only_margin(frame, prompts, seed=0)), nan=0.5)
    waiting: dict[tuple[int, float], list[int]] = {}
    for index in rng.permutation(len(pool)):
        waiting.setdefault((int(shorter[index]), float(guess[index])), []).append(int(index))
    used = Counter(item["_of"] for item in taken)
    tally = np.zeros(2)
    chosen: list[dict[str, Any]] = []
    while waiting and len(chosen) < wanted:
        # The kind of pair that brings both tallies (shorter right, classifier right) nearest to even.
        kind = min(waiting, key=lambda k: (float(np.square(tally + _votes(k)).sum()), -len(waiting[k])))
        item = pool[waiting[kind].pop()]
        if not waiting[kind]:
            del waiting[kind]
        if used[item["_of"]] < PER_PROMPT:
            used[item["_of"]] += 1
            tally += _votes(kind)
            chosen.append(item)
    return chosen


def _votes(kind: tuple[int, float]) -> np.ndarray:
    """+1 where a guess is right, -1 where it is wrong, 0 where it is undecided: (length, classifier)."""
    return np.array([kind[0], 2 * kind[1] - 1])
