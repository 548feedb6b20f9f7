"""The tables of docs/results.md about photos, as Markdown, from benchmarks/results/photos.json.

python benchmarks/photos_tables.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from loop_tables import points, table
from photos import RESULT
from photos_arms import HEADS, rows_of_arms
from photos_figures import DIFFERING
from vlrm.evaluation.summary import with_interval

ASKED = {
    "human caption or its counterfactual": ("", "pair_gain", "pair_over_detector"),
    "POPE, random": ("pope_random", "", "pope_random_over_detector"),
    "POPE, popular": ("pope_popular", "", "pope_popular_over_detector"),
    "POPE, adversarial": ("pope_adversarial", "", "pope_adversarial_over_detector"),
}
BEST_OF = {
    "contradicted objects among those named, first sample": "chair_first",
    "the same, best of 8": "chair_best_of_8",
    "the same, best of 8, not read by claim": "chair_best_of_8_plain",
    "the same, chosen by the boxes themselves": "chair_chosen_by_boxes",
    "true objects of best of 8 beside the first sample's": "coverage_of_first",
    "pair accuracy, not read by claim": "pair_accuracy_plain",
    "the same of round 0": "pair_accuracy_round0_plain",
    "pair accuracy, the image blank": "pair_accuracy_blank",
    "pair accuracy, another photo": "pair_accuracy_swapped",
    "POPE, adversarial, the image blank": "pope_adversarial_accuracy_blank",
    "POPE, adversarial, another photo": "pope_adversarial_accuracy_swapped",
    "pair accuracy where the detector errs or ties": "pair_accuracy_where_detector_errs_or_ties",
    "pair accuracy on photos of val2017 alone": "pair_accuracy_val2017",
    "the detector rule on these": "detector_only_accuracy_val2017",
}


def judged(figures: dict[str, Any]) -> str:
    rows = []
    for title, (split, gain, over) in ASKED.items():
        prefix, suffix = (f"{split}_", f"_{split}") if split else ("pair_", "")
        names = (f"{prefix}accuracy", f"{prefix}accuracy_round0", f"detector_only{suffix}_accuracy",
                 f"text_only{suffix}_accuracy")  # fmt: skip
        cells = [with_interval(figures.get(name)) for name in names]
        rows.append([title, *cells, points(figures.get(gain)), points(figures.get(over))])
    heads = ["accuracy, %", "reward model", "round 0", "detector rule", "words alone", "over round 0, points",
             "over the detector, points"]  # fmt: skip
    return table(heads, rows)


def differences(rows: list[dict[str, Any]]) -> str:
    return table(list(DIFFERING.values()), [[str(row[key]) for key in DIFFERING] for row in rows])


def rule(curve: list[dict[str, Any]], tau: float) -> str:
    rows = [
        [one["source"], str(one["offered"]), str(one["kept"]), str(one["judged"]),
         "-" if one["precision"] is None else f"{100 * one['precision']:.1f}"]
        for one in curve
        if one["tau"] == tau
    ]  # fmt: skip
    return table(["source of pair", "offered", f"kept at q+ >= {tau}", "boxes decide", "labels right, %"], rows)


def precision_yield(curve: list[dict[str, Any]]) -> str:
    """For each source and threshold the share of offered pairs that passes it, and how often those labels are right."""
    taus = sorted({one["tau"] for one in curve})
    at = {(one["source"], one["tau"]): one for one in curve}
    rows = []
    for source in dict.fromkeys(one["source"] for one in curve):
        row = [source]
        for tau in taus:
            one = at[source, tau]
            right = "-" if one["precision"] is None else f"{100 * one['precision']:.1f}"
            row.append(f"{100 * one['kept'] / max(1, one['offered']):.0f}: {right}")
        rows.append(row)
    return table(["kept of offered: labels right, %", *(f"q+ >= {tau}" for tau in taus)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=RESULT, help="what benchmarks/photos.py wrote")
    parser.add_argument("--tau", type=float, default=0.75, help="the rule's threshold of the table by source")
    arguments = parser.parse_args()
    result = json.loads(arguments.file.read_text("utf-8"))
    figures = result["figures"]
    others = table(["figure", "%"], [[title, with_interval(figures.get(name))] for title, name in BEST_OF.items()])
    differing = differences(result["against_detector"])
    curve = result["rule_curve"]
    print(judged(figures), others, differing, rule(curve, arguments.tau), precision_yield(curve), sep="\n\n")
    if result.get("arms"):
        print("\n" + table(list(HEADS), rows_of_arms(result["arms"])))
    for name, cost in result["runs"].items():
        print(f"\n{name}: {cost['seconds'] / 60:.0f} min, {cost['peak_memory_mb'] / 1024:.1f} GiB")


if __name__ == "__main__":
    main()
