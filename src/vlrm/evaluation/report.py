"""Render the report: one self-contained HTML page of tables and inline SVG, without scripts or network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vlrm.evaluation.charts import (
    Row,
    calibration_chart,
    dot_chart,
    histogram,
    line_chart,
    waterfall_chart,
)
from vlrm.evaluation.naming import evidence_name
from vlrm.evaluation.report_critiques import critique_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.evaluation.best_of_n import BestOfN
    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.report_data import ReportData, RoundReport

TABLE = {
    "hallucination_accuracy": "Hallucination detection",
    "reasoning_consistency": "Reasoning consistency (all six)",
    "reasoning_member_accuracy": "Consistency, single members",
    "plain_consistency": "Consistency without critiques",
    "quad_accuracy": "Quads, both images",
    "organic_accuracy": "Organic pairs",
    "edited_accuracy": "Edited pairs",
    "prior_breaking_accuracy": "Prior-breaking",
    "prior_conforming_accuracy": "Prior-conforming",
    "unseen_combination_accuracy": "Unseen combinations",
    "majority_verdict_accuracy": "Majority verdict of critiques",
    "critique_wrong_accuracy": "Where critiques are wrong",
    "experts_wrong_or_silent_accuracy": "Where experts are wrong or silent",
    "blank_image_accuracy": "Blank image",
    "swapped_image_accuracy": "Swapped image",
    "ece_before": "Calibration error, raw",
    "ece_after": "Calibration error, scaled",
}
NO_GAIN = {"blank_image_accuracy", "swapped_image_accuracy", "majority_verdict_accuracy"}
"""Figures that are better near one half, or belong to the critic: a gain in them is neither up nor down."""
CURVES = {
    "hallucination_accuracy": "hallucination",
    "reasoning_consistency": "consistency",
    "quad_accuracy": "quads",
    "prior_breaking_accuracy": "prior-breaking",
    "blank_image_accuracy": "blank image",
}
LEAD = ("hallucination_accuracy", "reasoning_consistency", "quad_accuracy", "prior_breaking_accuracy")
FLOORS = {
    "text_only": "text only",
    "text_only_balanced": "same, balanced",
    "shorter": "shorter wins",
    "longer": "longer wins",
}


def _shown(data: ReportData, labels: Mapping[str, str]) -> dict[str, str]:
    """Names of figures and their labels; those that evidence judged are shown under the names that say so."""
    if not data.by_evidence:
        return dict(labels)
    names = [evidence_name(name) for name in labels]
    return {name: name.replace("_", " ").capitalize() for name in names}


@dataclass(frozen=True)
class Chart:
    title: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    text: str
    charts: list[Chart]


def render_report(context: ReportData) -> str:
    """The page as text. Shows whatever ``context`` holds; sections without data are left out."""
    environment = Environment(
        loader=PackageLoader("vlrm.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    sections = [
        section
        for section in (
            _curve(context),
            _groups(context),
            _bias(context),
            _selection(context),
            best_of_n_section(context.best_of_n),
        )
        if section.charts
    ]
    page = environment.get_template("report.html.j2")
    return page.render(
        data=context, lead=_lead(context), table=_table(context), sections=sections,
        critiques=critique_tables(context.rounds),
    )  # fmt: skip


def cell_of(figure: Figure | None, sign: str = "") -> dict[str, str]:
    """A figure in per cent and its interval, as the cells of tables show them; with ``sign="+"`` in points."""
    if figure is None:
        return {"value": "–", "interval": ""}
    low, high = (f"{100 * bound:{sign}.0f}" for bound in (figure.low, figure.high))
    return {
        "value": f"{100 * figure.value:{sign}.1f}",
        "interval": f"{low} to {high}" if sign else f"{low}–{high}",
    }


def _lead(data: ReportData) -> list[tuple[str, str, str]]:
    if not data.rounds:
        return []
    last = data.rounds[-1]
    tiles = []
    for name, label in _shown(data, {name: TABLE[name] for name in LEAD}).items():
        figure, gain = last.figure(name), data.gains.get(name)
        if figure is None:
            continue
        detail = f"{100 * figure.low:.0f}–{100 * figure.high:.0f} %"
        if gain is not None:
            detail += f", {100 * gain.value:+.1f} points on round 0"
        tiles.append((label, f"{100 * figure.value:.1f} %", detail))
    if data.seconds is not None:
        memory = "" if data.peak_memory_mb is None else f"peak memory {data.peak_memory_mb / 1024:.1f} GiB"
        tiles.append(("Run time", f"{data.seconds / 60:.1f} min", memory))
    if data.champion is not None:
        tiles.append(("Champion", data.champion, "in the model registry"))
    return tiles


def _table(data: ReportData) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for label, field in (("Pairs offered", "pairs_offered"), ("Pairs kept", "pairs_kept")):
        counts = [f"{getattr(one, field):,}".replace(",", " ") if one.round else "–" for one in data.rounds]
        cells = [{"value": count, "interval": ""} for count in counts]
        rows.append({"label": label, "cells": cells, "gain": {"value": "", "interval": ""}, "direction": ""})
    without_gain = _shown(data, dict.fromkeys(NO_GAIN, ""))
    for name, label in _shown(data, TABLE).items():
        figures = [one.figure(name) for one in data.rounds]
        if not any(figures):
            continue
        gain = data.gains.get(name)
        direction = ""
        if gain is not None and name not in without_gain:
            direction = "up" if gain.low > 0 else "down" if gain.high < 0 else ""
        shown = cell_of(gain, "+") if gain is not None else {"value": "", "interval": ""}
        rows.append({"label": label, "cells": [cell_of(f) for f in figures], "gain": shown, "direction": direction})
    return rows


def triple(figure: Figure | None) -> tuple[float, float, float] | None:
    """A figure as charts take it."""
    return None if figure is None else (figure.value, figure.low, figure.high)


def _measured(data: ReportData) -> list[RoundReport]:
    return [one for one in data.rounds if one.metrics is not None]


def _ends(data: ReportData) -> list[RoundReport]:
    """Round 0 (or the first measured) and the last: what most charts compare."""
    measured = _measured(data)
    return measured if len(measured) < 2 else [measured[0], measured[-1]]


def _curve(data: ReportData) -> Section:
    measured, charts = _measured(data), []
    if measured:
        series = {
            label: [(float(r.round), f.value, f.low, f.high) for r in measured if (f := r.figure(name)) is not None]
            for name, label in _shown(data, CURVES).items()
        }
        series = {label: points for label, points in series.items() if points}
        labels = {float(r.round): str(r.round) for r in measured}
        if series:
            svg = line_chart("Figures over rounds", series, x_labels=labels, chance=0.5, x_title="round")
            charts.append(Chart("Over the rounds", svg, "Bars are 95 % intervals; the dashed line is a coin."))
        ends = _ends(data)
        margins = {f"round {r.round}": r.margins for r in ends if r.margins}
        if margins:
            svg = histogram("Margins of report pairs", margins, "margin of the better answer, in units of temperature")
            charts.append(Chart("Margins", svg, "Right of the dashed line the order is right."))
        last = ends[-1]
        curves = {"raw": last.calibration_before, "temperature-scaled": last.calibration_after}
        curves = {label: points for label, points in curves.items() if points}
        if curves:
            svg = calibration_chart(f"Calibration, round {last.round}", curves)
            charts.append(Chart(f"Calibration, round {last.round}", svg, "A dot's area is its number of pairs."))
    return Section("What was learned", "Every figure comes from pairs that no round trained on.", charts)


def _groups(data: ReportData) -> Section:
    ends, charts = _ends(data), []
    names = [f"round {one.round}" for one in ends]
    for attribute, title in (
        ("by_kind", "By kind of claim"),
        ("by_part", "By part"),
        ("by_source", "By source"),
    ):
        tables: list[dict[str, Figure]] = [getattr(one.metrics, attribute) for one in ends]
        labels = sorted({label for table in tables for label in table})
        if len(labels) > 1:
            rows = [Row(label.replace("_", " "), [triple(t.get(label)) for t in tables]) for label in labels]
            charts.append(Chart(title, dot_chart(title, rows, names)))
    text = "Pair accuracy with 95 % intervals; the number on the right is the last round's."
    return Section("Where it is right", text, charts)


def _bias(data: ReportData) -> Section:
    ends, charts = _ends(data), []
    names = [f"round {one.round}" for one in ends]
    without = {
        f"{view}_image_accuracy{suffix}": f"{view}{label}"
        for view in ("blank", "swapped")
        for suffix, label in (("", ""), ("_single", ", single pairs"), ("_all", ", all pairs"))
    }
    rows = [
        Row(label, values)
        for name, label in _shown(data, without).items()
        if any(values := [triple(one.figure(name)) for one in ends])
    ]
    if rows:
        svg = dot_chart("Accuracy without the right image", rows, names, band=(0.45, 0.55))
        caption = "The first row of each is the text-balanced subset: it should lie in the band, from either side."
        charts.append(Chart("Without the right image", svg, caption))
    floors = [
        Row(label, [triple(data.baselines[name])])
        for name, label in _shown(data, FLOORS).items()
        if data.baselines.get(name)
    ]
    if floors:
        svg = dot_chart("What no image is needed for", floors, ["floor"], band=(0.48, 0.52))
        caption = "1-2-gram logistic regression on pair differences, 5-fold by image; and the two rules of length."
        charts.append(Chart("Without any image", svg, caption))
    text = "A reward model that looks falls to a coin when the image is blank or another one."
    return Section("Modality bias", text, charts)


def _selection(data: ReportData) -> Section:
    charts = []
    for one in data.rounds:
        steps: dict[str, tuple[int, int]] = {}
        for row in (row for row in one.waterfall if row.test != "offered"):
            refused, left = steps.get(row.test, (0, 0))
            steps[row.test] = (refused + row.refused, left + row.left)
        if steps:
            title = f"Round {one.round}"
            svg = waterfall_chart(f"Acceptance waterfall, {title}", [(test, *counts) for test, counts in steps.items()])
            charts.append(Chart(title, svg))
    text = "Pairs left after each test, all sources together; the pale part is what the test refused. Kept of those "
    return Section("Which pairs were kept", text + "offered, by source: " + _by_source(data) + ".", charts)


def _by_source(data: ReportData) -> str:
    """ "round 1: candidates 16 of 180, counterfactual 173 of 418; round 2: ..."."""
    told = []
    for one in (one for one in data.rounds if one.waterfall):
        left = {(row.source, row.test): row.left for row in one.waterfall}
        sources = dict.fromkeys(row.source for row in one.waterfall)
        shares = (f"{name} {left[name, 'kept']:,} of {left[name, 'offered']:,}" for name in sources)
        told.append(f"round {one.round}: {', '.join(shares)}")
    return "; ".join(told)


def best_of_n_section(points: Sequence[BestOfN]) -> Section:
    """False and true claims an answer over N, one line for each way to choose."""
    sizes = sorted({point.n for point in points})
    charts = []
    for field, title in (("false_claims", "False claims"), ("true_claims", "True claims")):
        series: dict[str, list[tuple[float, float, float, float]]] = {}
        for index, n in enumerate(sizes):
            for point in (point for point in points if point.n == n):
                figure: Figure = getattr(point, field)
                series.setdefault(point.choice, []).append((float(index), figure.value, figure.low, figure.high))
        if series:
            labels = {float(i): str(n) for i, n in enumerate(sizes)}
            svg = line_chart(f"{title} per answer", series, x_labels=labels, is_share=False, x_title="N candidates")
            charts.append(Chart(f"{title} per answer", svg))
    return Section(
        "Best of N",
        "The candidate with the highest reward among the first N, beside the floors and an oracle.",
        charts,
    )
