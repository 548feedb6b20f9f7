"""Small inline SVG charts: no script, no network; colours are CSS variables, so they follow light and
dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = 460
CHARACTER = 7.6
"""Generous width of a character at the charts' font size: fonts differ between machines."""
COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)")
Point = tuple[float, float, float, float]
"""x, value, low, high."""


@dataclass(frozen=True)
class Row:
    """One line of a dot chart: a label and a value with its interval for each series (None: not measured)."""

    label: str
    values: Sequence[tuple[float, float, float] | None]


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    css = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(text)}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, style: str = "grid", more: str = "") -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="{style}"{more}/>'


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def number(value: float) -> str:
    return f"{value:.3g}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within [low, high], about ``wanted`` of them."""
    if high <= low:
        return [low]
    raw = (high - low) / wanted
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * f for f in (1, 2, 2.5, 5, 10) if base * f >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _legend(names: Sequence[str], top: float) -> tuple[list[str], float]:
    """Legend entries in rows, and the height they take."""
    parts, x, y = [], 8.0, top
    for index, name in enumerate(names):
        width = 28 + 1.15 * CHARACTER * len(name)  # phones draw letters larger
        if x + width > WIDTH and x > 8:
            x, y = 8.0, y + 19
        parts.append(f'<circle cx="{x + 5:.1f}" cy="{y - 4:.1f}" r="5" style="fill:{COLOURS[index]}"/>')
        parts.append(_text(x + 15, y, name))
        x += width
    return parts, y - top + 22


def line_chart(
    title: str,
    series: dict[str, list[Point]],
    *,
    x_labels: dict[float, str],
    is_share: bool = True,
    chance: float | None = None,
    x_title: str = "",
) -> str:
    """Lines with interval bars. ``x_labels``: position on the axis -> what is written there."""
    parts, used = _legend(list(series), 14)
    lows = [p[2] for points in series.values() for p in points]
    highs = [p[3] for points in series.values() for p in points]
    low, high = (max(0.0, math.floor(min(lows) * 10) / 10), 1.0) if is_share else (0.0, max(highs) * 1.05 or 1.0)
    left, right, top, bottom = 52.0, WIDTH - 16.0, used + 8, used + 220
    span = max(x_labels) - min(x_labels) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + 14 + (right - left - 28) * (x - min(x_labels)) / span
        return across, bottom - (bottom - top) * (y - low) / (high - low)

    for tick in ticks(low, high):
        y = place(min(x_labels), tick)[1]
        parts += [
            _line(left, y, right, y),
            _text(left - 6, y + 4, percent(tick) if is_share else number(tick), "end"),
        ]
    if chance is not None and low <= chance <= high:
        y = place(min(x_labels), chance)[1]
        parts.append(_line(left, y, right, y, "chance"))
    for x, label in x_labels.items():
        parts.append(_text(place(x, low)[0], bottom + 18, label, "middle"))
    parts.append(_text((left + right) / 2, bottom + 36, x_title, "middle", "soft"))
    # Side by side within a few pixels: intervals of two series at one place would hide each other.
    shifts = np.linspace(-2.5, 2.5, len(series)) * max(1, len(series) - 1) if len(series) > 1 else [0.0]
    for index, (points, shift) in enumerate(zip(series.values(), shifts, strict=True)):
        colour = COLOURS[index]
        spots = [(place(x, v)[0] + shift, place(x, v)[1], place(x, lo)[1], place(x, hi)[1]) for x, v, lo, hi in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in spots)
        parts.append(f'<polyline points="{path}" class="curve" style="stroke:{colour}"/>')
        for x, y, lo, hi in spots:
            parts.append(_line(x, lo, x, hi, "bar", f' style="stroke:{colour}"'))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" style="fill:{colour}"/>')
    return _svg(title, bottom + 44, parts)


def dot_chart(
    title: str,
    rows: Sequence[Row],
    names: Sequence[str],
    *,
    band: tuple[float, float] | None = None,
    chance: float | None = 0.5,
    told: int = -1,
) -> str:
    """A line per row from 0 to 100 % with a dot and an interval per series. ``band``: where a value should
    lie; ``told``: the series whose values are written at the right."""
    parts, used = _legend(names, 14) if len(names) > 1 else ([], 4.0)
    step = 14 + 11 * len(names)
    left = 24 + CHARACTER * max(len(row.label) for row in rows)
    right, top = WIDTH - 54.0, used + 4
    bottom = top + step * len(rows)

    def across(value: float) -> float:
        return left + (right - left) * value

    if band is not None:
        start, width = across(band[0]), across(band[1]) - across(band[0])
        parts.append(f'<rect x="{start:.1f}" y="{top}" width="{width:.1f}" height="{bottom - top}" class="band"/>')
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_line(across(tick), top, across(tick), bottom))
        parts.append(_text(across(tick), bottom + 17, f"{100 * tick:.0f}", "middle"))
    if chance is not None:
        parts.append(_line(across(chance), top, across(chance), bottom, "chance"))
    for place, row in enumerate(rows):
        middle = top + step * (place + 0.5)
        parts.append(_text(left - 10, middle + 4, row.label, "end"))
        offsets = [11 * (i - (len(row.values) - 1) / 2) for i in range(len(row.values))]
        for index, (values, offset) in enumerate(zip(row.values, offsets, strict=True)):
            if values is None:
                continue
            value, low, high = values
            y, colour = middle + offset, COLOURS[index]
            parts.append(_line(across(low), y, across(high), y, "bar", f' style="stroke:{colour}"'))
            parts.append(f'<circle cx="{across(value):.1f}" cy="{y:.1f}" r="4" style="fill:{colour}"/>')
            if index == told % len(row.values):
                parts.append(_text(right + 10, middle + 4, percent(value)))
    return _svg(title, bottom + 26, parts)


def histogram(title: str, samples: Mapping[str, Sequence[float]], x_title: str, bins: int = 28) -> str:
    """Overlaid histograms as shares of each sample; the line at zero parts right from wrong."""
    parts, used = _legend(list(samples), 14)
    every = np.concatenate([np.asarray(values, dtype=float) for values in samples.values()])
    # The outermost half percent would squeeze the rest; it is gathered in the outer bins.
    low, high = np.quantile(every, [0.005, 0.995])
    low, high = min(float(low), -0.1), max(float(high), 0.1)
    edges = np.linspace(low, high, bins + 1)
    shares = {
        name: np.histogram(np.clip(values, low, high), edges)[0] / max(1, len(values))
        for name, values in samples.items()
    }
    top_share = max(float(s.max()) for s in shares.values()) or 1.0
    left, right, top, bottom = 52.0, WIDTH - 16.0, used + 8, used + 190

    def across(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    for tick in ticks(0, top_share, 4):
        y = bottom - (bottom - top) * tick / top_share
        parts += [_line(left, y, right, y), _text(left - 6, y + 4, f"{100 * tick:.3g} %", "end")]
    for index, share in enumerate(shares.values()):
        heights = bottom - (bottom - top) * share / top_share
        corners = [f"{across(edges[0]):.1f},{bottom:.1f}"]
        for i, y in enumerate(heights):
            corners += [f"{across(edges[i]):.1f},{y:.1f}", f"{across(edges[i + 1]):.1f},{y:.1f}"]
        corners.append(f"{across(edges[-1]):.1f},{bottom:.1f}")
        colour = COLOURS[index]
        parts.append(f'<polygon points="{" ".join(corners)}" class="area" style="fill:{colour};stroke:{colour}"/>')
    parts.append(_line(across(0), top, across(0), bottom, "chance"))
    for tick in ticks(low, high):
        parts.append(_text(across(tick), bottom + 17, number(tick), "middle"))
    parts.append(_text((left + right) / 2, bottom + 36, x_title, "middle", "soft"))
    return _svg(title, bottom + 44, parts)


def calibration_chart(title: str, curves: dict[str, list[tuple[float, float, int]]]) -> str:
    """Accuracy against confidence; the diagonal is perfect, a dot's area is its number of pairs."""
    parts, used = _legend(list(curves), 14)
    left, right, top = 52.0, WIDTH - 28.0, used + 8
    bottom = top + 230

    def place(sure: float, right_share: float) -> tuple[float, float]:
        return left + (right - left) * (sure - 0.5) * 2, bottom - (bottom - top) * right_share

    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = place(0.5, tick)[1]
        parts += [_line(left, y, right, y), _text(left - 6, y + 4, percent(tick), "end")]
    for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        parts.append(_text(place(tick, 0)[0], bottom + 17, percent(tick), "middle"))
    parts.append(_line(*place(0.5, 0.5), *place(1, 1), "chance"))
    most = max((n for points in curves.values() for _, _, n in points), default=1)
    for index, points in enumerate(curves.values()):
        spots = [(*place(sure, share), n) for sure, share, n in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in spots)
        parts.append(f'<polyline points="{path}" class="curve thin" style="stroke:{COLOURS[index]}"/>')
        for x, y, n in spots:
            radius = 2.5 + 7 * math.sqrt(n / most)
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="soft-dot" style="fill:{COLOURS[index]}"/>'
            )
    parts.append(_text((left + right) / 2, bottom + 36, "confidence in the preferred side", "middle", "soft"))
    return _svg(title, bottom + 44, parts)


def waterfall_chart(title: str, steps: Sequence[tuple[str, int, int]]) -> str:
    """Acceptance waterfall. ``steps``: (test, refused by it, left after it) in the order applied."""
    start = steps[0][1] + steps[0][2] if steps else 0
    rows = [("offered", 0, start), *steps]
    left, right, step = 24 + CHARACTER * max(len(test) for test, _, _ in rows), WIDTH - 58.0, 26
    parts = []
    for place, (test, refused, remain) in enumerate(rows):
        y = 6 + step * place
        scale = (right - left) / max(1, start)
        parts.append(_text(left - 10, y + 14, test.replace("_", " "), "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{scale * remain:.1f}" height="18" class="kept"/>')
        parts.append(
            f'<rect x="{left + scale * remain:.1f}" y="{y}" width="{scale * refused:.1f}" height="18" class="refused"/>'
        )
        parts.append(_text(left + scale * (remain + refused) + 6, y + 14, f"{remain:,}".replace(",", " ")))
    return _svg(title, 10 + step * len(rows), parts)
