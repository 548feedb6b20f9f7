"""How far the samples of one response's critiques agree: a confidence that costs nothing more than the samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Verdicts = dict[str, Counter[str]]


def verdicts_by_response(rows: Iterable[Mapping[str, Any]]) -> Verdicts:
    """How often each verdict was given of each response, by critiques that parsed."""
    found: Verdicts = defaultdict(Counter)
    for row in rows:
        if row["verdict"] is not None:
            found[row["response_id"]][row["verdict"]] += 1
    return dict(found)


def agreement(verdict: str | None, verdicts: Counter[str]) -> float | None:
    """Share of the response's other parsed critiques with this one's ``verdict``; None without any other."""
    others = verdicts.total() - 1
    return (verdicts[verdict] - 1) / others if verdict is not None and others > 0 else None


def majority_share(verdicts: Counter[str]) -> float | None:
    """Share of a response's parsed critiques that give its commonest verdict; None below two."""
    return max(verdicts.values()) / verdicts.total() if verdicts.total() > 1 else None
