"""How a run ends: the terminal table and the JSON summary, one line a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from vlrm.evaluation.naming import evidence_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.report_data import RoundReport

SUMMARY = (
    "hallucination_accuracy",
    "reasoning_consistency",
    "quad_accuracy",
    "organic_accuracy",
    "prior_breaking_accuracy",
    "blank_image_accuracy",
)
TERMINAL = {
    "hallucination_accuracy": "hallucination accuracy",
    "reasoning_consistency": "reasoning consistency",
    "quad_accuracy": "quads",
    "prior_breaking_accuracy": "prior-breaking",
    "blank_image_accuracy": "blank-image accuracy",
}


BY_EVIDENCE = tuple(
    evidence_name(name)
    for name in (
        "hallucination_accuracy",
        "reasoning_consistency",
        "quad_accuracy",
        "organic_accuracy",
        "edited_accuracy",
        "blank_image_accuracy",
    )
)
"""What stands beside the figures of truth, which are null then, where evidence judged the exam."""
EVIDENCE_TERMINAL = {
    "evidence_pair_accuracy": "evidence pairs",
    "evidence_quad_accuracy": "evidence quads",
    "evidence_organic_accuracy": "evidence organic",
    "evidence_reasoning_consistency": "evidence consistency",
    "evidence_blank_image_accuracy": "evidence blank image",
}


def with_interval(figure: Mapping[str, float] | None) -> str:
    """``93.1 (90.2-95.4)`` in percent; a dash where nothing was measured."""
    if figure is None:
        return "-"
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def terminal_table(rounds: Sequence[Mapping[str, Any]]) -> Table:
    """One line a round of :func:`summary_json`: pairs offered and kept, headline figures in percent with intervals."""
    by_evidence = any("evidence_pair_accuracy" in one for one in rounds)
    columns = EVIDENCE_TERMINAL if by_evidence else TERMINAL
    against = "agreement with the experts' evidence (truth is unknown), " if by_evidence else ""
    table = Table(title=f"Rounds on the report split, {against}% (95 % interval)", title_justify="left")
    table.add_column("round", justify="right")
    table.add_column("pairs offered", justify="right")
    table.add_column("kept", justify="right")
    for title in columns.values():
        table.add_column(title, justify="right")
    for one in rounds:
        figures = [with_interval(one[name]) for name in columns]
        table.add_row(str(one["round"]), str(one["pairs_offered"]), str(one["pairs_kept"]), *figures)
    return table


def summary_json(
    rounds: Sequence[RoundReport],
    seconds: float,
    peak_memory_mb: float,
    champion: str | None,
    by_evidence: bool = False,
) -> dict[str, Any]:
    """The run as JSON: figures as value, low and high (shares, not percent).

    Where no truth is known (``by_evidence``) they are null, and the agreement with the experts stands beside them.
    """
    names = SUMMARY + (BY_EVIDENCE if by_evidence else ())
    return {
        "rounds": [
            {"round": one.round, "pairs_offered": one.pairs_offered, "pairs_kept": one.pairs_kept}
            | {name: _plain(one.figure(name)) for name in names}
            for one in rounds
        ],
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb,
        "champion": champion,
    }


def _plain(figure: Figure | None) -> dict[str, float] | None:
    return None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}
