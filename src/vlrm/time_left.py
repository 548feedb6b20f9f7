"""How long a stage, and a run, still need, by what they have taken so far."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vlrm.stages import ROUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COUNT = re.compile(r"(\d+) of (\d+)")
_SURE = 10.0
"""Seconds that a count has to be watched before anything is told from it."""


class StageTime:
    """Time left of one stage, from the counts in what it says ("step 13 of 35"); a new count starts anew."""

    def __init__(self) -> None:
        self._first: tuple[int, int, float] | None = None

    def left(self, text: str, now: float) -> float | None:
        """Seconds, at the pace since the count was first heard; None where nothing is counted or it is too early."""
        found = _COUNT.search(text)
        if found is None:
            return None
        done, of = int(found[1]), int(found[2])
        if self._first is None or of != self._first[1] or done < self._first[0]:
            self._first = done, of, now
        began, _, since = self._first
        return (of - done) * (now - since) / (done - began) if done > began and now - since >= _SURE else None


class RunTime:
    """Time left of a run: each stage takes as long as the same stage did in the newest round before.

    A later round learns from more pairs, so this is rather too little.

    :param waiting: names of the stages that are to be done.
    :param taken: seconds of those that are done, by name, in the order of the rounds.
    """

    def __init__(self, waiting: Iterable[str], taken: Mapping[str, float]) -> None:
        self._waiting = set(waiting)
        self._known = {_any_round(name): seconds for name, seconds in taken.items()}
        self.workers = 1
        """How many stages run at a time."""

    def done(self, name: str, seconds: float | None) -> None:
        """``seconds`` None: its results were taken over, which says nothing of how long it takes."""
        self._waiting.discard(name)
        if seconds is not None:
            self._known[_any_round(name)] = seconds

    def left(self) -> float | None:
        """Seconds; None while a round has a stage that was never timed. Stages of no round are short: none counted."""
        rounds = [_any_round(name) for name in self._waiting if ROUND.search(name)]
        if not rounds or any(name not in self._known for name in rounds):
            return None
        return sum(self._known[name] for name in rounds) / self.workers


def said(seconds: float) -> str:
    """ "about 40 s", "about 12 min", "about 2 h 05 min"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60:02d} min"


def _any_round(name: str) -> str:
    return ROUND.sub("round", name)
