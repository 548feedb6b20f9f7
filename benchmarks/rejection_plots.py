"""The two plots of the rejection-sampling benchmark, as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

if TYPE_CHECKING:
    from pathlib import Path

mpl.use("agg")
import matplotlib.pyplot as plt

GREEN, RED, GREY = "#2a9d6a", "#c8553d", "#8a8a8a"
NAMES = {
    "full_rule": ("the full rule", GREEN),
    "groundedness": ("groundedness difference", "#3d6fb6"),
    "no_rule": ("no rule", GREY),
}


def error_plot(result: dict[str, Any], path: Path) -> None:
    """Label error of kept pairs over rounds, with experts and self-labelled."""
    figure, axes = plt.subplots(figsize=(6.4, 3.8), dpi=150)
    arms = (
        ("self_labelled_error_by_round", "labels its own pairs", RED),
        ("our_error_by_round", "with experts", GREEN),
    )
    for name, title, colour in arms:
        points = [(n, one) for n, one in enumerate(result[name], start=1) if one]
        numbers = [n for n, _ in points]
        axes.plot(numbers, [100 * one["value"] for _, one in points], "o-", color=colour, label=title)
        axes.fill_between(
            numbers, [100 * one["low"] for _, one in points], [100 * one["high"] for _, one in points],
            color=colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
    axes.set(
        xlabel="round",
        ylabel="wrong labels among kept pairs, %",
        xticks=range(1, max(len(result[name]) for name, _, _ in arms) + 1),
    )
    axes.set_ylim(bottom=0)
    _finish(figure, axes, path, "Whose labels go wrong")


def curve_plot(result: dict[str, Any], path: Path) -> None:
    """Precision over yield for the three ways to choose."""
    figure, axes = plt.subplots(figsize=(6.4, 3.8), dpi=150)
    for rule, (title, colour) in NAMES.items():
        points = result["curve"].get(rule, [])
        axes.plot([100 * p["taken"] for p in points], [100 * p["precision"] for p in points], color=colour, label=title)
    axes.set(xlabel="share of offered pairs taken, %", ylabel="labels right, %")
    _finish(figure, axes, path, "Precision over yield")


def _finish(figure: Any, axes: Any, path: Path, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
