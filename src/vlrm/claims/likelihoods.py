"""Counts of symbols on calibration claims, and the likelihood ratios they give."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlrm.claims.symbols import Observed

LIMIT = 4.0
"""No family moves the log-odds by more than this."""
SHRINK = 8.0
"""A label's own counts weigh as much as the kind's once it was seen this often; more where most labels are rare."""
ATTRIBUTES = ("colour", "size", "pattern")


def _pair() -> list[float]:
    return [0.0, 0.0]


@dataclass
class Counts:
    """How often each symbol was observed of false and of true claims, in all and by label."""

    symbols: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(_pair))
    labels: defaultdict[str, defaultdict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(_pair))
    )
    totals: list[float] = field(default_factory=_pair)

    def add(self, symbol: str, label: str, truth: bool) -> None:
        self.symbols[symbol][truth] += 1
        self.labels[label][symbol][truth] += 1
        self.totals[truth] += 1

    def probability(self, symbol: str, label: str, truth: bool, shrink: float = SHRINK) -> float:
        """P(symbol | truth, label), the label's counts shrunk to the kind's."""
        known = self.symbols[symbol][truth] if symbol in self.symbols else 0.0
        general = (known + 0.5) / (self.totals[truth] + 1)
        own = self.labels.get(label)
        if own is None:
            return general
        total = sum(pair[truth] for pair in own.values())
        here = own[symbol][truth] if symbol in own else 0.0
        return (here + shrink * general) / (total + shrink)

    def to_dict(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "labels": self.labels, "totals": self.totals}

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Counts:
        counts = Counts(totals=list(raw["totals"]))
        counts.symbols.update({s: list(v) for s, v in raw["symbols"].items()})
        for label, own in raw["labels"].items():
            counts.labels[label].update({s: list(v) for s, v in own.items()})
        return counts


class Likelihoods:
    """Log-likelihood ratios of observed symbols, by statistics table and family."""

    def __init__(self, shrink: float = SHRINK) -> None:
        self.shrink = shrink
        self.counts: defaultdict[str, defaultdict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
        self._known: dict[tuple[str, str, str, str], float] = {}

    def add(self, observed: Observed, truth: bool) -> None:
        self._known.clear()
        for family, (symbol, label) in observed.symbols.items():
            self.counts[observed.table][family].add(symbol, label, truth)

    def ratios(self, observed: Observed) -> dict[str, float]:
        """Per family, log P(symbol | true) - log P(symbol | false), at most :data:`LIMIT` either way."""
        return {
            family: self._ratio(observed.table, family, symbol, label)
            for family, (symbol, label) in observed.symbols.items()
        }

    def _ratio(self, table: str, family: str, symbol: str, label: str) -> float:
        key = (table, family, symbol, label)
        if key not in self._known:
            self._known[key] = self._compute(*key)
        return self._known[key]

    def _compute(self, table: str, family: str, symbol: str, label: str) -> float:
        if table not in self.counts or family not in self.counts[table]:
            return 0.0
        counts = self.counts[table][family]
        if min(counts.totals) == 0:
            return 0.0
        if table.startswith("attribute_") and family in ATTRIBUTES and symbol != "unknown":
            true, false = self._exclusive(counts, symbol, label)
        else:
            true, false = (counts.probability(symbol, label, truth, self.shrink) for truth in (True, False))
        return max(-LIMIT, min(LIMIT, math.log(true) - math.log(false)))

    def _exclusive(self, counts: Counts, symbol: str, label: str) -> tuple[float, float]:
        """One categorical over the values that exclude each other.

        An object has one value, so "not red" means one of the others: the likelihood of a symbol under a false claim
        is its mean over the other values, each taken from true claims of that value. The posteriors of all values
        therefore come from one confusion table and move against each other.
        """
        values = sorted({name.partition(":")[0] for name in counts.symbols} | set(counts.labels))
        values = [value for value in values if value != "unknown"]
        seen, _, score = symbol.partition(":")
        same = different = 0.0
        for own_value, own in counts.labels.items():
            for name, pair in own.items():
                if name != "unknown" and name.endswith(f":{score}"):
                    if name.partition(":")[0] == own_value:
                        same += pair[True]
                    else:
                        different += pair[True]
        total = counts.totals[True] + 1
        others = max(1, len(values) - 1)

        def given(value: str) -> float:
            general = (same + 0.5) / total if value == seen else (different + 0.5) / total / others
            own = counts.labels.get(value)
            if own is None:
                return general
            here = own[symbol][True] if symbol in own else 0.0
            return (here + self.shrink * general) / (sum(pair[True] for pair in own.values()) + self.shrink)

        rest = [given(value) for value in values if value != label]
        return given(label), sum(rest) / len(rest) if rest else given(label)

    def to_dict(self) -> dict[str, Any]:
        return {t: {f: c.to_dict() for f, c in families.items()} for t, families in self.counts.items()}

    @staticmethod
    def from_dict(raw: dict[str, Any], shrink: float = SHRINK) -> Likelihoods:
        result = Likelihoods(shrink)
        for table, families in raw.items():
            for family, counts in families.items():
                result.counts[table][family] = Counts.from_dict(counts)
        return result
