"""The promotion gate: a challenger becomes champion when it is surely better on the gate split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Decision:
    """``difference`` is challenger minus champion in the share of gate pairs ranked right, with its
    interval."""

    promote: bool
    reasons: tuple[str, ...]
    items: int
    challenger: float
    champion: float | None
    difference: float | None
    low: float | None
    high: float | None


LEAST = 30
"""Gate pairs below which nobody is promoted."""


def decide(
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    groups: Mapping[str, str] | None = None,
    *,
    verified: bool = True,
    allow_unverified: bool = False,
    opponent: str = "the champion",
    min_items: int = LEAST,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Decision:
    """Compare two models that sat the same exam.

    :param challenger: item id -> 1 ranked right, 0.5 tied, 0 ranked wrong, on the gate split.
    :param champion: the same for the present champion, scored afresh on the same items; None when there
        is none.
    :param groups: item id -> group (image or quad); groups are resampled whole. By default each item is
        its own.
    :param verified: whether truth about the gate items is known; without it ``allow_unverified`` must be
        said.
    :param opponent: what the reasons call the model that ``champion`` holds.
    :returns: promote when the paired bootstrap's lower bound (percentile, ``level`` two-sided) is above 0.
    :raises ValueError: when the two did not sit the same items.
    """
    items = sorted(challenger)
    mean = float(np.mean([challenger[i] for i in items])) if items else float("nan")
    against: list[str] = []
    if not verified and not allow_unverified:
        against.append("no truth is known about the gate pairs: say allow_unverified=true to promote all the same")
    if len(items) < min_items:
        against.append(f"the gate has {len(items)} pairs, fewer than {min_items}")
    if champion is None:
        reasons = against or ["there is no champion yet"]
        return Decision(not against, tuple(reasons), len(items), mean, None, None, None, None)
    if champion.keys() != challenger.keys():
        missing = len(champion.keys() ^ challenger.keys())
        raise ValueError(f"champion and challenger did not sit the same exam: {missing} items only one of them has")
    if not items:
        return Decision(False, tuple(against), 0, mean, None, None, None, None)
    gain = np.array([challenger[i] - champion[i] for i in items])
    low, high = interval(gain, [(groups or {}).get(i, i) for i in items], resamples, level, seed)
    difference = float(gain.mean())
    said = f"{difference:+.3f} [{low:+.3f}, {high:+.3f}] on {len(items)} gate pairs"
    if low <= 0:
        against.append(f"not surely better than {opponent}: {said}")
    reasons = against or [f"surely better than {opponent}: {said}"]
    return Decision(not against, tuple(reasons), len(items), mean, mean - difference, difference, low, high)


def interval(gain: np.ndarray, groups: list[str], resamples: int, level: float, seed: int) -> tuple[float, float]:
    """Percentile interval of the mean of ``gain`` (N,), resampling whole groups (Davison and Hinkley
    1997, 5.3)."""
    _, code = np.unique(np.array(groups), return_inverse=True)
    totals, sizes = np.bincount(code, weights=gain), np.bincount(code)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 500):  # in blocks, so that a large gate does not need resamples x groups at once
        drawn = rng.integers(0, len(totals), (min(500, resamples - start), len(totals)))
        means[start : start + len(drawn)] = totals[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
