"""The tables of a benchmark's page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlrm.evaluation.pages.labels import (
    LOWER_IS_BETTER,
    NEITHER,
    SIGNED,
    YES_NO,
    baseline_label,
    groups_of,
    words,
)
from vlrm.evaluation.report import cell_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.measuring.result import Baseline, Comparison, Difference, Result

Cell = dict[str, str]


@dataclass(frozen=True)
class Line:
    """One row: ``floor`` for what stands beside the judges, ``title`` for a heading over the rows that follow."""

    label: str
    cells: list[Cell] = field(default_factory=list)
    floor: bool = False
    title: bool = False


@dataclass(frozen=True)
class Table:
    """``heads``: of the columns, the first of the labels."""

    title: str
    heads: list[str]
    lines: list[Line]
    note: str = ""


def headline(results: Sequence[Result]) -> Table:
    """Every judge and every floor: overall, macro, by category, and the order-consistency of the judges."""
    categories = [name for name in results[0].by_category if any(name in one.by_category for one in results)]
    if len(categories) < 2:
        categories = []
    ordered = any("order_consistency" in one.figures for one in results)
    macro = [] if len(categories) < 2 else ["Macro"]
    heads = ["Judge", "Overall", *macro, *map(words, categories), *(["Same in both orders"] if ordered else [])]

    def line(label: str, overall: Figure | None, macros: Figure | None, by: dict[str, Figure], result: Result | None,
             ) -> Line:  # fmt: skip
        figures = [overall, *([macros] if macro else []), *(by.get(name) for name in categories)]
        if ordered:
            figures.append(None if result is None else result.figures.get("order_consistency"))
        return Line(label, [cell_of(figure) for figure in figures], floor=result is None)

    lines = [
        line(one.model, one.figures.get("accuracy"), one.figures.get("accuracy_macro"), one.by_category, one)
        for one in results
    ]
    floors: dict[str, Baseline] = {}
    for one in results:
        floors = one.baselines | floors
    named = {one.model for one in results}
    lines += [
        line(baseline_label(name), floor.accuracy, floor.macro, floor.by_category, None)
        for name, floor in floors.items()
        if name not in named
    ]
    note = (
        "In per cent, below each figure its 95 % interval, bootstrapped by image. A tie counts one half, what cannot "
        "be read is wrong. Grey rows are what to compare with: rules and a classifier of words, which look at no image."
    )
    return Table("Accuracy", heads, lines, note)


def all_figures(results: Sequence[Result]) -> Table:
    """Every other figure that any judge has; accuracy and macro stand in the headline."""
    names = {name for one in results for name in one.figures} - {"accuracy", "accuracy_macro"}
    lines = []
    for title, group in groups_of(names).items():
        lines.append(Line(title, title=True))
        for name, label in group.items():
            sign = "+" if name in SIGNED else ""
            lines.append(Line(label, [cell_of(one.figures.get(name), sign) for one in results]))
    return Table("Every figure", ["Figure", *(one.model for one in results)], lines)


def yes_no(results: Sequence[Result]) -> Table | None:
    """Accuracy, precision, recall, F1 and yes-ratio by part; None where nothing of yes or no was asked."""
    lines = []
    positive = "no" if any("no.f1" in one.figures for one in results) else "yes"
    for one in results:
        parts = list(dict.fromkeys(name.rpartition(".")[0] for name in one.figures if "." in name))
        if parts and len(results) > 1:
            lines.append(Line(one.model, title=True))
        for part in parts:
            label = "all" if part == positive else words(part)
            lines.append(Line(label, [cell_of(one.figures.get(f"{part}.{name}")) for name in YES_NO]))
    note = f"Precision, recall and F1 are of the answer {positive}."
    return Table("Questions of yes or no", ["Part", *YES_NO.values()], lines, note) if lines else None


def differences(comparison: Comparison) -> Table:
    """Figures of two judges, the first less the second, and the p-value of the difference."""
    first, second = comparison.first, comparison.second
    names = set(comparison.differences) | (set(first.figures) & set(second.figures) & LOWER_IS_BETTER)
    lines = []
    for title, group in groups_of({name for name in names if "." not in name}).items():
        lines.append(Line(title, title=True))
        lines += [_compared(label, name, comparison) for name, label in group.items()]
    if len(comparison.by_category) > 1:
        lines.append(Line("By category", title=True))
        for name, found in comparison.by_category.items():
            cells = [cell_of(first.by_category.get(name)), cell_of(second.by_category.get(name))]
            lines.append(Line(words(name), [*_difference(found), *cells]))
    return Table("Side by side", ["Figure", "Difference", "p", first.model, second.model], lines)


def _compared(label: str, name: str, comparison: Comparison) -> Line:
    sign = "+" if name in SIGNED else ""
    cells = [cell_of(one.figures.get(name), sign) for one in (comparison.first, comparison.second)]
    found = comparison.differences.get(name)
    better = "" if name in NEITHER else "-" if name in LOWER_IS_BETTER else "+"
    return Line(label, [*(_difference(found, better) if found else [cell_of(None)] * 2), *cells])


def _difference(found: Difference, better: str = "+") -> list[Cell]:
    figure = found.figure
    way = "up" if figure.low > 0 else "down" if figure.high < 0 else ""
    if better == "-" and way:
        way = "down" if way == "up" else "up"
    style = f"gain {way if better else ''}".strip()
    return [cell_of(figure, "+") | {"style": style}, {"value": p_text(found.p_value), "interval": ""}]


def p_text(p_value: float) -> str:
    return "< .001" if p_value < 0.001 else f"{p_value:.3f}".lstrip("0") if p_value < 1 else "1"
