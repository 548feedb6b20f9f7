"""The estimate as a table for the terminal: one line a stage and kind of work, and the total."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from vlrm.estimate.extrapolate import Estimate, Line

_RIGHT = ("items", "time", "range", "prompt tokens", "completion tokens", "requests", "disk")


def estimate_table(found: Estimate) -> Table:
    """Stages in the order in which they run."""
    priced = found.total.cost is not None
    table = Table(title="Estimate of kedro run --pipelines iterate", title_justify="left")
    for name in ("stage", "work"):
        table.add_column(name, no_wrap=True)
    for name in (*_RIGHT, *(("cost",) if priced else ())):
        table.add_column(name, justify="right", no_wrap=True)
    stages = list(dict.fromkeys(line.stage for line in found.lines))
    for stage, lines in groupby(
        sorted(found.lines, key=lambda line: stages.index(line.stage)), key=lambda line: line.stage
    ):
        for place, line in enumerate(lines):
            table.add_row("" if place else stage, line.work, f"{line.items:,.0f}", *_cells(line, priced))
        table.add_section()
    table.add_row("total", "", "", *_cells(found.total, priced), style="bold")
    return table


def _cells(line: Line, priced: bool) -> list[str]:
    tokens = [f"{value:,.0f}" if value else "" for value in (line.prompt_tokens, line.completion_tokens, line.requests)]
    if line.seconds is None:
        time, spread = "not measured", ""
    else:
        time = clock(line.seconds)
        spread = between(line.low, line.high) if line.high > line.low else ""
    cost = [f"{line.cost:,.2f}" if line.cost is not None else ""] if priced else []
    return [time, spread, *tokens, _bytes(line.disk), *cost]


def clock(seconds: float) -> str:
    """``4.2 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def between(low: float, high: float) -> str:
    """``8-12 s``, ``11-18 min`` or ``1.1-1.3 h``: both ends in the unit of the higher one."""
    if high < 60:
        return f"{low:.0f}-{high:.0f} s"
    if high < 3600:
        return f"{low / 60:.0f}-{high / 60:.0f} min"
    return f"{low / 3600:.1f}-{high / 3600:.1f} h"


def _bytes(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return ""
