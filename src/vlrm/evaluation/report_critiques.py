"""The report's table of critiques: how good they are, with the evidence and as the reward model reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.critiques.quality import MEASURES, Quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.report_data import RoundReport

KINDS = {
    "with_evidence": "Written with the evidence",
    "targets": "Those of them that became targets",
    "on_policy": "Without it, as the reward model reads them",
}


@dataclass(frozen=True)
class CritiqueTable:
    """One kind of critiques; ``rows``: a label, then a value and an interval a round."""

    title: str
    rounds: list[int]
    rows: list[tuple[str, list[tuple[str, str]]]]


def critique_tables(rounds: Sequence[RoundReport]) -> list[CritiqueTable]:
    """A table for each kind of critiques that any round has."""
    tables = []
    for kind, title in KINDS.items():
        found = {one.round: getattr(one.critiques, kind) for one in rounds if one.critiques is not None}
        if any(quality.critiques for quality in found.values()):
            tables.append(CritiqueTable(title, list(found), _rows(list(found.values()))))
    return tables


def _rows(qualities: list[Quality]) -> list[tuple[str, list[tuple[str, str]]]]:
    rows = [("critiques", [(str(quality.critiques), "") for quality in qualities])]
    for name, label in MEASURES.items():
        figures = [quality.figures.get(name) for quality in qualities]
        if any(figures):
            rows.append((label, [_share(figure) for figure in figures]))
    rows.append(("tokens, mean and 95th percentile", [_length(quality) for quality in qualities]))
    for reason in sorted({reason for quality in qualities for reason in quality.refused}):
        counts = [(str(quality.refused.get(reason, 0)), "") for quality in qualities]
        rows.append((f"refused: {reason.replace('_', ' ')}", counts))
    return rows


def _share(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "–", ""
    return f"{100 * figure.value:.1f}", f"{100 * figure.low:.0f}–{100 * figure.high:.0f}"


def _length(quality: Quality) -> tuple[str, str]:
    if quality.tokens_mean is None or quality.tokens_p95 is None:
        return "–", ""
    return f"{quality.tokens_mean:.0f}", f"{quality.tokens_p95:.0f}"
