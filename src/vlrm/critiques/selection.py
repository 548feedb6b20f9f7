"""Which critiques become targets of the language-model loss: those that agree with the evidence, balanced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vlrm.critiques import grammar, parser
from vlrm.schema import CRITIQUES, Claim, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

SURE = 0.9


@dataclass(frozen=True)
class Accepted:
    """The accepted critiques and how many were refused for which reason."""

    table: pa.Table
    counts: dict[str, int]


def select_critiques(critiques: pa.Table, claims: pa.Table, seed: int, sure: float = SURE) -> Accepted:
    """Keep critiques that parse, whose verdict the evidence shares, and whose every check agrees with it.

    ``right`` needs P(no false claim) >= ``sure``, ``wrong`` needs P(some false claim) >= ``sure``. Both verdicts
    are kept in equal number, the surplus dropped at random.
    """
    judged: dict[str, list[tuple[Claim, float]]] = {}
    for row in claims.to_pylist():
        judged.setdefault(row["response_id"], []).append((claim_from_json(row["claim"]), row["probability"]))
    counts: Counter[str] = Counter()
    kept: dict[str, list[dict[str, Any]]] = {parser.RIGHT: [], parser.WRONG: []}
    for row in critiques.to_pylist():
        reason = row["reason"] or _disagreement(row["text"], row["verdict"], judged.get(row["response_id"], []), sure)
        counts[reason or "agrees"] += 1
        if reason is None:
            kept[row["verdict"]].append(row)
    rng = np.random.default_rng(seed)
    number = min(map(len, kept.values()))
    chosen = [rows[i] for rows in kept.values() for i in sorted(rng.permutation(len(rows))[:number])]
    counts["balanced_away"] = sum(map(len, kept.values())) - len(chosen)
    counts["kept"] = len(chosen)
    return Accepted(pa.Table.from_pylist(chosen, CRITIQUES), dict(sorted(counts.items())))


def _disagreement(text: str, verdict: str, judged: Sequence[tuple[Claim, float]], sure: float) -> str | None:
    if not judged:
        return "no_claim"
    all_true = float(np.prod([p for _, p in judged]))
    if (all_true if verdict == parser.RIGHT else 1 - all_true) < sure:
        return "verdict_against_evidence"
    said = said_holds(judged)
    critique = parser.parse(text, evidence_count=99)
    if isinstance(critique, parser.Refusal):
        return critique.reason
    if any(said.get(grammar.fewest_words(statement), holds) != holds for statement, holds in critique.checks):
        return "check_against_evidence"
    return None


def said_holds(judged: Sequence[tuple[Claim, float]]) -> dict[str, bool]:
    """Statement in the critique's words -> whether the evidence holds it likelier than not."""
    return dict(grammar.statements([(claim, p > 0.5) for claim, p in judged]))


def as_target(text: str) -> str:
    """The critique as it is learned: references removed, since no evidence will be there to cite."""
    return grammar.without_references(text)
