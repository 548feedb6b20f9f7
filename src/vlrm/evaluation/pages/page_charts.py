"""The charts of a benchmark's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.charts import Row, calibration_chart, dot_chart, histogram
from vlrm.evaluation.pages.labels import words
from vlrm.evaluation.report import Chart, Section, triple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.evaluation.measuring.result import Result

MOST = 4
"""Judges in one chart; a chart of more cannot be read."""
BLIND = {
    "blank_accuracy_balanced": "blank, balanced",
    "blank_accuracy": "blank",
    "swapped_accuracy_balanced": "swapped, balanced",
    "swapped_accuracy": "swapped",
    "text_only_balanced": "text only, balanced",
}
LENGTH = {
    "prefers_longer": "prefers the longer",
    "longer_is_better": "longer is better",
    "better_longer_accuracy": "right, longer better",
    "better_shorter_accuracy": "right, shorter better",
}
ORDER = {
    "first_shown": "prefers first shown",
    "order_consistency": "same in both orders",
    "both_orders_accuracy": "right in both orders",
}


def sections(results: Sequence[Result]) -> list[Section]:
    """Those that have a chart."""
    shown = list(results[:MOST])
    text = (
        "Accuracy with 95 % intervals, and the sigmoid of the reward margin as a probability; the scaled one has a "
        "temperature fitted on other images."
    )
    right = Section(
        "Where it is right, and how sure it is", text, [*_where(shown), *_calibration(shown), *_margins(shown)]
    )
    return [one for one in (right, _bias(shown)) if one.charts]


def _where(results: Sequence[Result]) -> list[Chart]:
    names = list(dict.fromkeys(name for one in results for name in one.by_category))
    if len(names) < 2:
        return []
    rows = [Row(words(name), [triple(one.by_category.get(name)) for one in results]) for name in names]
    svg = dot_chart("Accuracy by category", rows, [one.model for one in results], told=0)
    numbers = "" if len(results) == 1 else f" The numbers on the right are those of {results[0].model}."
    return [Chart("By category", svg, f"The dashed line is a coin.{numbers}")]


def _calibration(results: Sequence[Result]) -> list[Chart]:
    charts = []
    for one in results[:2]:
        curves = {"raw": one.calibration_before, "temperature-scaled": one.calibration_after}
        curves = {label: points for label, points in curves.items() if points}
        if curves:
            title = "Calibration" if len(results) == 1 else f"Calibration, {one.model}"
            charts.append(Chart(title, calibration_chart(title, curves), "A dot's area is its number of items."))
    return charts


def _margins(results: Sequence[Result]) -> list[Chart]:
    margins = {
        one.model: [margin / (one.temperature or 1.0) for margin in one.margins]
        for one in results
        if one.scalar and one.margins
    }
    if not margins:
        return []
    svg = histogram("Margins", margins, "margin of the better answer, in units of temperature")
    return [Chart("Margins", svg, "Right of the dashed line the order is right.")]


def _bias(results: Sequence[Result]) -> Section:
    charts = []
    parts: tuple[tuple[str, str, Mapping[str, str], tuple[float, float] | None], ...] = (
        (
            "Without the right image",
            "A judge that looks lies in the band on the rows balanced by the text-only classifier, from either side.",
            BLIND,
            (0.45, 0.55),
        ),
        ("Length", "What is preferred beside what is right; the two rows of accuracy should agree.", LENGTH, None),
        ("Order", "A judge that always says the first has 100, 0 and 0 here.", ORDER, None),
    )
    for title, caption, labels, band in parts:
        rows = [
            Row(label, values)
            for name, label in labels.items()
            if any(values := [triple(one.figures.get(name)) for one in results])
        ]
        if rows:
            svg = dot_chart(title, rows, [one.model for one in results], band=band, told=0)
            charts.append(Chart(title, svg, caption))
    return Section("What else decides", "What a judge should not depend on.", charts)
