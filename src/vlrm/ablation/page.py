"""The ablation report: one self-contained HTML page, tables and inline SVG, without scripts or network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vlrm.ablation.compare import FIGURES, HEADLINE, figure_of
from vlrm.ablation.summary import COMPARED, ERROR, remarks
from vlrm.evaluation.charts import Row, dot_chart, line_chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.ablation.compare import Ablations, Figures
    from vlrm.evaluation.figures import Figure

LABELS = {
    "hallucination_accuracy": "Pair accuracy",
    "plain_consistency": "Consistency",
    "quad_accuracy": "Quads, both images",
    "organic_accuracy": "Organic pairs",
    "edited_accuracy": "Edited pairs",
    "prior_breaking_accuracy": "Prior-breaking",
    "prior_conforming_accuracy": "Prior-conforming",
    "unseen_combination_accuracy": "Unseen combinations",
    "relation_accuracy": "Relations",
    "blank_image_accuracy": "Blank image",
    "critique_wrong_accuracy": "Critiques wrong",
    "experts_wrong_or_silent_accuracy": "Experts wrong or silent",
}
ROLES = {"ablation": "Ablations", "floor": "Floors", "ceiling": "Ceilings"}
SERIES = dict(zip(COMPARED, ("with experts", "self-labelled"), strict=True))


def render_ablations(found: Ablations) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("vlrm", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("ablation/ablations.html.j2")
    columns = [name for name in FIGURES if found.measures(name)]
    by_truth = any(one.figures.get(ERROR) for one in found.labels)
    return page.render(
        found=found,
        columns=[LABELS[name] for name in columns],
        groups=_groups(found, columns),
        charts=_charts(found),
        gaps=[(LABELS[name], figure) for name, figure in found.gap_recovered.items()],
        labels=[(one, [_cell(one.figures.get(name)) for name in ERRORS]) for one in found.labels if by_truth],
        errors=list(ERRORS.values()),
        remarks=remarks(found),
    )


ERRORS = {
    "label_error": "Label error",
    "label_error_candidates": "Same, candidates only",
    "tied": "No right label",
    "mined": "Model before had it wrong",
    "mined_error": "Label error among those",
}


def _groups(found: Ablations, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The table's parts: the loop, then the arms by role; ``columns``: of FIGURES."""
    loop = [
        _row("round 0", "is the base model's best zero-shot readout", None, found.round_zero, {}, columns),
        _row("full loop", "is the last round's reward model", found.pairs, found.full, {}, columns),
    ]
    groups = [{"title": "The loop", "rows": loop}]
    for role, title in ROLES.items():
        rows = [
            _row(arm.name.replace("_", " "), arm.what, arm.pairs, arm.figures, arm.against_full, columns)
            for arm in found.arms
            if arm.role == role
        ]
        groups.append({"title": title, "rows": rows})
    return [group for group in groups if group["rows"]]


def _row(
    name: str, what: str, pairs: int | None, figures: Figures, against: Figures, columns: Sequence[str]
) -> dict[str, Any]:
    cells = [_cell(figure_of(figures, key)) | {"gain": _gain(figure_of(against, key))} for key in columns]
    return {"name": name, "what": what, "pairs": "–" if pairs is None else str(pairs), "cells": cells}


def _cell(figure: Figure | None) -> dict[str, Any]:
    if figure is None:
        return {"value": "–", "interval": ""}
    return {"value": f"{100 * figure.value:.1f}", "interval": f"{100 * figure.low:.0f}–{100 * figure.high:.0f}"}


def _gain(figure: Figure | None) -> dict[str, str] | None:
    if figure is None:
        return None
    direction = "up" if figure.low > 0 else "down" if figure.high < 0 else ""
    interval = f"{100 * figure.low:+.0f} to {100 * figure.high:+.0f}"
    return {"text": f"{100 * figure.value:+.1f} ({interval})", "direction": direction}


def _charts(found: Ablations) -> list[dict[str, str]]:
    named = [("round 0", found.round_zero), ("full loop", found.full)]
    named += [(arm.name.replace("_", " "), arm.figures) for arm in found.arms]
    charts = []
    for name in (HEADLINE, "quad_accuracy", "prior_breaking_accuracy", "organic_accuracy"):
        rows = [Row(label, [_triple(figure_of(figures, name))]) for label, figures in named if figure_of(figures, name)]
        if rows:
            chance = 0.25 if name == "quad_accuracy" else 0.5
            svg = dot_chart(LABELS[name], rows, ["accuracy"], chance=chance)
            charts.append({"title": LABELS[name], "svg": svg, "caption": "The dashed line is a coin."})
    return charts + _label_chart(found)


def _label_chart(found: Ablations) -> list[dict[str, str]]:
    series: dict[str, list[tuple[float, float, float, float]]] = {}
    for one in found.labels:
        figure = one.figures.get(ERROR)
        if one.arm in SERIES and figure is not None:
            point = (float(one.round), figure.value, figure.low, figure.high)
            series.setdefault(SERIES[one.arm], []).append(point)
    if not series:
        return []
    numbers = sorted({point[0] for points in series.values() for point in points})
    svg = line_chart("Label error by round", series, x_labels={n: f"{n:.0f}" for n in numbers}, x_title="round")
    caption = "Kept pairs whose label exact truth contradicts; nothing of it is seen in training."
    return [{"title": "Label error by round", "svg": svg, "caption": caption}]


def _triple(figure: Figure | None) -> tuple[float, float, float] | None:
    return None if figure is None else (figure.value, figure.low, figure.high)
