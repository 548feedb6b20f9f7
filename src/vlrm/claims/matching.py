"""Chooses among edits so that no word speaks for the originals or for the edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def matched(
    exchanges: Sequence[tuple[Hashable, Hashable]],
    limits: Sequence[tuple[Sequence[Hashable], int]] = (),
    worth: Sequence[float] | None = None,
) -> list[int]:
    """The places of as many edits as can be kept when each word is taken out as often as it is put in.

    An edit is an edge from word to word and a matched set a circulation; the largest is an integer programme, whose
    relaxation is all but integral.

    Args:
        exchanges: (what the original says, what the edit says) of each edit, with the kind of claim in both.
        limits: (a key of each edit, how many edits of one key may be kept); say, one edit of each claim.
        worth: of each edit, positive: the kept edits' sum is what is maximised (their number without it).

    Raises:
        RuntimeError: the solver gave up (it is given no time limit; keeping nothing is always possible).
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_matrix

    size = len(exchanges)
    if not size:
        return []
    words = {word: place for place, word in enumerate(dict.fromkeys(w for pair in exchanges for w in pair))}
    rows, columns, values = [], [], []
    for place, (old, new) in enumerate(exchanges):
        rows += [words[old], words[new]]
        columns += [place, place]
        values += [1.0, -1.0]
    high = [0.0] * len(words)
    for keys, most in limits:
        first = len(high)
        numbers = {key: first + number for number, key in enumerate(dict.fromkeys(keys))}
        rows += [numbers[key] for key in keys]
        columns += range(size)
        values += [1.0] * size
        high += [float(most)] * len(numbers)
    low = [0.0] * len(words) + [-np.inf] * (len(high) - len(words))
    matrix = coo_matrix((values, (rows, columns)), shape=(len(high), size)).tocsr()
    found = milp(
        c=-np.asarray(worth if worth is not None else np.ones(size)), constraints=LinearConstraint(matrix, low, high),
        bounds=Bounds(0, 1), integrality=np.ones(size), options={"mip_rel_gap": 0.01},
    )  # fmt: skip
    if found.x is None:
        raise RuntimeError(f"The matching of {size} edits has no solution: {found.message}")
    return [int(place) for place in np.flatnonzero(found.x > 0.5)]
