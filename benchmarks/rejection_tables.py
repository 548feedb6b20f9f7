"""The tables of docs/rejection_sampling.md, as Markdown, from benchmarks/results/rejection_sampling.json.

python benchmarks/rejection_tables.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from loop_tables import table
from rejection_sampling import RESULT
from vlrm.evaluation.summary import with_interval

ROUNDS = {
    "labels right among kept pairs": "kept_accuracy_by_round",
    "kept of offered pairs of answers": "kept_share_by_round",
    "kept pairs that the model before had wrong": "hard_share_by_round",
    "label error, with experts": "our_error_by_round",
    "label error, self-labelled": "self_labelled_error_by_round",
}
TOGETHER = {
    "kept of offered pairs of answers": "kept_share",
    "kept of all that is offered": "kept_share_with_questions",
    "pairs of candidates among kept": "candidates_share",
    "pairs whose whole quad was kept": "quad_share",
    "had wrong before": "hard_share",
    "of those, labels right": "hard_accuracy",
    "text-only reward model trained on the kept pairs, on held-out ones": "text_only_reward",
    "1-2-gram classifier": "text_only_classifier",
    "length only": "length_only",
    "whole answers: text-only reward model": "text_only_reward_answers",
    "whole answers: 1-2-gram classifier": "text_only_classifier_answers",
    "whole answers: length only": "length_only_answers",
    "accuracy where the critique is wrong": "critique_wrong_accuracy",
    "the whole above the critiques' majority, points": "above_majority_verdict",
}
BLIND = {
    "text_only": "1-2-grams, out of fold by image",
    "shorter": "the shorter is better",
    "text_only_answers": "1-2-grams, whole answers",
    "shorter_answers": "the shorter is better, whole answers",
}
SOURCES = {
    "all": "all pairs",
    "candidates": "pairs of candidates",
    "counterfactual": "counterfactuals and quads",
    "question": "claim questions",
}


def by_round(result: dict[str, Any]) -> str:
    count = max(len(result[name]) for name in ROUNDS.values())
    rows = []
    for title, name in ROUNDS.items():
        cells = [with_interval(one) for one in result[name]]
        rows.append([title, *cells, *[""] * (count - len(cells))])
    return table(["%, 95 % interval", *(f"round {n + 1}" for n in range(count))], rows)


def by_words(result: dict[str, Any]) -> str:
    """What each round's own check finds: the mean over seeds."""
    found = result.get("shortcuts_by_round")
    if not found:
        return ""
    rows = [[title, *(f"{100 * one:.1f}" for one in found[name])] for name, title in BLIND.items() if name in found]
    return table(["% ordered rightly", *(f"round {n + 1}" for n in range(len(next(iter(found.values())))))], rows)


def by_source(result: dict[str, Any]) -> str:
    rows = [
        [SOURCES.get(name, name), f"{one['offered']:,}", f"{one['kept']:,} ({100 * one['share']:.1f} %)",
         *(f"{100 * one[name]:.1f} %" if name in one else "" for name in ("accuracy", "wrong_before"))]
        for name, one in result["by_source"].items()
    ]  # fmt: skip
    return table(["source", "offered", "kept", "labels right", "had wrong before"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=RESULT, help="what benchmarks/rejection_sampling.py wrote")
    result = json.loads(parser.parse_args().file.read_text("utf-8"))
    together = [[title, with_interval(result[name])] for title, name in TOGETHER.items() if name in result]
    print(
        by_round(result), table(["all rounds together", "%"], together), by_words(result), by_source(result), sep="\n\n"
    )
    print("\nReward model, pair accuracy by round:", ", ".join(map(with_interval, result["pair_accuracy_by_round"])))


if __name__ == "__main__":
    main()
