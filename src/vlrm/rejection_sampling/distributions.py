"""How many claims of a response are false, as a distribution, and which of two responses has more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]


def false_count(probabilities_false: Sequence[float] | Floats) -> Floats:
    """Poisson-binomial: entry k is the chance that exactly k of the claims are false; length n + 1."""
    distribution = np.ones(1)
    for chance in probabilities_false:
        longer = np.zeros(len(distribution) + 1)
        longer[:-1] = distribution * (1 - chance)
        longer[1:] += distribution * chance
        distribution = longer
    return distribution


def compare(
    p_false_chosen: Sequence[float] | Floats, p_false_rejected: Sequence[float] | Floats
) -> tuple[float, float]:
    """(q+, q-): the chances that the rejected side has more, or fewer, false claims than the chosen one.

    Only claims that differ belong here: what both sides claim is false of both or of neither.
    """
    chosen, rejected = false_count(p_false_chosen), false_count(p_false_rejected)
    below = np.concatenate([[0.0], np.cumsum(chosen)])
    above = np.concatenate([[0.0], np.cumsum(rejected)])
    size_c, size_r = len(chosen), len(rejected)
    q_plus = float(rejected @ below[np.minimum(np.arange(size_r), size_c)])
    q_minus = float(chosen @ above[np.minimum(np.arange(size_c), size_r)])
    return min(1.0, q_plus), min(1.0, q_minus)


def expert_margin(q_plus: float, q_minus: float) -> float:
    """log((q+ + .01) / (q- + .01)): how sure the evidence is, finite on both ends."""
    return float(np.log((q_plus + 0.01) / (q_minus + 0.01)))
