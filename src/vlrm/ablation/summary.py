"""How an ablation run ends: the arms beside the full loop, and label errors by round, as terminal tables."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

from vlrm.ablation.compare import HEADLINE, figure_of
from vlrm.evaluation.summary import with_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.ablation.compare import Ablations, Figures
    from vlrm.ablation.labels import LabelRound
    from vlrm.evaluation.figures import Figure

COLUMNS = {
    "hallucination_accuracy": "pair accuracy",
    "quad_accuracy": "quads",
    "organic_accuracy": "organic",
    "prior_breaking_accuracy": "prior-breaking",
    "blank_image_accuracy": "blank image",
}
COMPARED = ("full", "self_labelled")
"""Whose label errors stand side by side: with experts and without."""
ERROR = "label_error"


def arms_table(found: Ablations) -> Table:
    """One line an arm: its figures in percent, and how far it is from the full loop, in points."""
    judged = ", judged by evidence" if found.by_evidence else ""
    title = f"Arms beside the full loop, plain reading of the report split{judged}, % (95 % interval)"
    table = Table(title=title, title_justify="left")
    table.add_column("arm")
    table.add_column("pairs", justify="right")
    columns = [name for name in COLUMNS if found.measures(name)]
    for name in columns:
        table.add_column(COLUMNS[name], justify="right")
    table.add_column("minus full, points", justify="right")
    zero = _points(figure_of(found.gain, HEADLINE), sign=-1)
    table.add_row("round 0", "-", *_cells(found.round_zero, columns), zero)
    table.add_row("full loop", str(found.pairs), *_cells(found.full, columns), "", end_section=True)
    for role, arms in groupby(found.arms, key=lambda arm: arm.role):
        table.add_row(f"[dim]{role}s[/dim]")
        for arm in arms:
            pairs = "-" if arm.pairs is None else str(arm.pairs)
            table.add_row(
                arm.name, pairs, *_cells(arm.figures, columns), _points(figure_of(arm.against_full, HEADLINE))
            )
        table.add_section()
    return table


def labels_table(labels: Sequence[LabelRound]) -> Table | None:
    """Label error by round with experts and without, in percent; None where no truth is known."""
    if all(one.figures.get(ERROR) is None for one in labels):
        return None
    table = Table(title="Kept pairs whose label exact truth contradicts, % (95 % interval)", title_justify="left")
    table.add_column("round", justify="right")
    for title in ("with experts", "self-labelled"):
        table.add_column(title, justify="right")
    by_place = {(one.arm, one.round): one for one in labels}
    for number in sorted({one.round for one in labels if one.arm in COMPARED}):
        cells = [by_place.get((arm, number)) for arm in COMPARED]
        table.add_row(str(number), *("-" if one is None else _percent(one.figures.get(ERROR)) for one in cells))
    return table


def remarks(found: Ablations) -> list[str]:
    """What a reader should not have to look for: the gap recovered, and ablations that do not lose."""
    said = []
    if found.by_evidence:
        said.append(
            "Truth is unknown about these images: every figure is agreement with the experts that labelled the pairs, "
            "and they may err. The arms that need exact truth are left out."
        )
    gap = found.gap_recovered.get(HEADLINE)
    if gap is not None:
        said.append(
            f"Gap recovered, (full - round 0) / (exact labels - round 0): "
            f"{gap.value:.2f} ({gap.low:.2f} to {gap.high:.2f})"
        )
    elif "exact_labels" in {arm.name for arm in found.arms}:
        said.append("Gap recovered: undefined, because exact labels did not improve on round 0.")
    even = [arm.name for arm in found.arms if arm.role == "ablation" and arm.loses is False]
    if even:
        said.append(f"Not clearly below the full loop in pair accuracy: {', '.join(even)}.")
    return said


def _cells(figures: Figures, columns: Sequence[str]) -> list[str]:
    return [_short(figure_of(figures, name)) for name in columns]


def _short(figure: Figure | None) -> str:
    """``73.3 (64-82)`` in percent: eight columns have to stand side by side."""
    if figure is None:
        return "-"
    return f"{100 * figure.value:.1f} ({100 * figure.low:.0f}-{100 * figure.high:.0f})"


def _percent(figure: Figure | None) -> str:
    return with_interval(figure.model_dump() if figure is not None else None)


def _points(figure: Figure | None, sign: int = 1) -> str:
    if figure is None:
        return "-"
    value, low, high = (round(sign * 100 * v, 1) + 0.0 for v in (figure.value, figure.low, figure.high))
    return f"{value:+.1f} ({min(low, high):+.1f} to {max(low, high):+.1f})"
