"""Judges that look at nothing: position, length and chance. What a real judge does not beat, it has not understood."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.evaluation.judges.protocol import TIE, Judgement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item

RULES = ("first", "last", "shorter", "longer", "random")
VERSION = 1
"""Part of the fingerprint: to be raised when a rule changes."""


class Trivial:
    """A rule over positions or lengths.

    ``first`` and ``last`` answer by the order shown, so they contradict themselves when it is turned round: an
    evaluator that never turns it gives them 99.6 % on VL-RewardBench. Lengths are in Unicode characters; equal ones
    are a tie, which earns one half. ``random`` draws once for each item, whatever the order, by the seed and the
    item's key.
    """

    looks = False

    def __init__(self, name: str, seed: int = 0) -> None:
        if name not in RULES:
            raise UserError(f"There is no trivial judge {name!r}: known are {', '.join(RULES)}.")
        self.name = name
        self.seed = seed
        self.ordered = name in ("first", "last")
        drawn = f"-{seed}" if name == "random" else ""
        self.fingerprint = hashlib.sha256(f"trivial-{name}-{VERSION}{drawn}".encode()).hexdigest()
        self._rule: Callable[[Item], int] = {
            "first": lambda item: 0, "last": lambda item: 1, "shorter": _shorter,
            "longer": lambda item: _other(_shorter(item)), "random": self._drawn,
        }[name]  # fmt: skip

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """One judgement of each item, or one for each order."""
        return [self._judged(item) for item in items]

    def _judged(self, item: Item) -> list[Judgement]:
        preferred = self._rule(item)
        judged = [Judgement(0, 0, preferred)]
        if self.ordered:
            judged.append(Judgement(1, 0, _other(preferred)))
        return judged

    def _drawn(self, item: Item) -> int:
        return hashlib.sha256(f"{self.seed} {item.key}".encode()).digest()[0] & 1


def trivial(name: str, seed: int = 0) -> Trivial:
    """The trivial judge of that name; UserError where there is none."""
    return Trivial(name, seed)


def _shorter(item: Item) -> int:
    first, second = map(len, item.responses)
    return TIE if first == second else int(second < first)


def _other(preferred: int) -> int:
    return preferred if preferred == TIE else 1 - preferred
