"""The tables of docs/results.md, as Markdown, from benchmarks/results/loop.json.

python benchmarks/loop_tables.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from loop import RESULT
from vlrm.evaluation.summary import with_interval

Figure = dict[str, float]

ROUNDS = {
    "pair accuracy (hallucination detection)": "hallucination_accuracy",
    "reasoning consistency (all six)": "reasoning_consistency",
    "consistency without critiques (all three)": "plain_consistency",
    "quads, both images (coin 25)": "quad_accuracy",
    "organic pairs": "organic_accuracy",
    "edited pairs": "edited_accuracy",
    "prior-breaking": "prior_breaking_accuracy",
    "prior-conforming": "prior_conforming_accuracy",
    "unseen combinations": "unseen_combination_accuracy",
    "where the critique is wrong": "critique_wrong_accuracy",
    "majority verdict of the critiques": "majority_verdict_accuracy",
    "blank image (right: 45-55)": "blank_image_accuracy",
    "swapped image (right: 45-55)": "swapped_image_accuracy",
}
KINDS = {
    "attributes": "kind_attribute",
    "existence": "kind_existence",
    "counts": "kind_count",
    "relations": "kind_relation",
    "labels": "kind_text",
    "several kinds at once": "kind_mixed",
}
ARM = ("hallucination_accuracy", "quad_accuracy", "organic_accuracy", "prior_breaking_accuracy")


def points(figure: Figure | None) -> str:
    """``+10.1 (+8.1 to +12.2)``, in percentage points."""
    if figure is None:
        return "-"
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * figure[key] for key in ("value", "low", "high")))


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_round(loop: dict[str, Any]) -> str:
    rounds, gains = loop["rounds"], loop["gains"]
    rows = [
        [title, *(with_interval(one.get(name)) for one in rounds), points(gains.get(name))]
        for title, name in ROUNDS.items()
    ]
    return table(["figure, %", *(f"round {n}" for n in range(len(rounds))), "gain, points"], rows)


def by_kind(loop: dict[str, Any]) -> str:
    first, last, gains = loop["rounds"][0], loop["rounds"][-1], loop["gains"]
    rows = [
        [title, with_interval(first[name]), with_interval(last[name]), points(gains[name]), str(gains[name]["n"])]
        for title, name in KINDS.items()
        if gains.get(name)
    ]
    heads = ["pairs that differ in", "round 0", f"round {len(loop['rounds']) - 1}", "gain, points", "pairs"]
    return table(heads, rows)


def by_arm(ablations: dict[str, Any]) -> str:
    def cells(figures: dict[str, Figure]) -> list[str]:
        return [f"{100 * figures[name]['value']:.1f}" for name in ARM]

    rows = [["round 0", *cells(ablations["round_zero"]), ""], ["full loop", *cells(ablations["full"]), ""]]
    rows += [
        [one["name"], *cells(one["figures"]), points(one["against_full"]["hallucination_accuracy"])]
        for one in ablations["arms"]
    ]
    heads = ["arm", "pairs", "quads", "organic", "prior-breaking", "minus the full loop, points"]
    return table(heads, rows)


def labels(ablations: dict[str, Any]) -> str:
    """Labels that exact truth contradicts, %, by arm and round."""
    found: dict[str, list[str]] = {}
    for one in ablations["labels"]:
        error = one["figures"].get("label_error")
        found.setdefault(one["arm"], []).append("-" if error is None else f"{100 * error['value']:.1f}")
    return table(
        ["arm", "labels wrong, %, round by round"], [[arm, ", ".join(values)] for arm, values in found.items()]
    )


def best_of_n(rows: list[dict[str, Any]]) -> str:
    shown = [
        [one["choice"], str(one["n"]), f"{one['false_claims'][0]:.2f}", f"{one['true_claims'][0]:.2f}"] for one in rows
    ]
    return table(["choice", "N", "false claims", "true claims"], shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=RESULT, help="what benchmarks/loop.py wrote")
    result = json.loads(parser.parse_args().file.read_text("utf-8"))
    print(by_round(result["loop"]), by_kind(result["loop"]), best_of_n(result["best_of_n"]), sep="\n\n")
    if result["ablations"]:
        print("", by_arm(result["ablations"]), labels(result["ablations"]), sep="\n\n")


if __name__ == "__main__":
    main()
