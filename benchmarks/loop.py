"""The loop benchmark: full runs on several seeds, the ablation on some of them, and figures over seeds.

    python benchmarks/loop.py --seeds 5 --ablate-seeds 2 --jobs 2

Every seed has a data folder of its own (FOLDER/seed-N): champions, caches and reports of seeds must not meet. A run
that was interrupted goes on where it was, since finished stages are skipped by hash. The last line is the result as
one JSON object; the same is written to benchmarks/results/loop.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from measured_on import commit, machine, versions
from runs import Job, line_of, run_jobs, seed_folder
from vlrm.ablation.arms import ARMS
from vlrm.ablation.compare import Ablations, compare, measure
from vlrm.ablation.labels import label_rounds, pairs_of_arms
from vlrm.ablation.summary import arms_table, labels_table, remarks
from vlrm.evaluation import best_of_n
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.outcomes import Outcomes, frame_of
from vlrm.evaluation.over_seeds import FIGURES, SeedFigures, goals_reached, over_seeds, seed_run
from vlrm.evaluation.summary import with_interval

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "loop.json"
VERSIONED = ("vlrm", "torch", "transformers", "peft", "kedro", "numpy", "scikit-learn")


def run_all(arguments: argparse.Namespace, console: Console) -> None:
    """Every seed's loop, then the ablation of the first seeds."""
    jobs = [Job(seed, "iterate", seed_folder(arguments, seed)) for seed in range(arguments.seeds)]
    words: tuple[str, ...] = ()
    if arguments.arms != list(ARMS):
        words = ("--namespaces", ",".join(f"ablation.{name}" for name in arguments.arms))
    jobs += [Job(seed, "ablate", seed_folder(arguments, seed), words) for seed in range(arguments.ablate_seeds)]
    run_jobs(jobs, arguments, console)


def report_part(exam: pa.Table, scores: Path) -> Outcomes:
    items = pa.Table.from_pylist([row for row in exam.to_pylist() if row["split"] == "report"], exam.schema)
    names, table = set(items["item_id"].to_pylist()), pq.read_table(scores)
    said = [row for row in table.to_pylist() if row["item_id"] in names]
    return Outcomes.read(items, pa.Table.from_pylist(said, table.schema))


def loop_figures(arguments: argparse.Namespace) -> SeedFigures:
    """The full loop over all seeds."""
    runs = []
    for seed in range(arguments.seeds):
        line = line_of(arguments, seed)
        exam = pq.read_table(line / "00" / "exam.parquet")
        rounds = []
        for folder in sorted(line.glob("[0-9][0-9]")):
            metrics = json.loads((folder / "metrics.json").read_text("utf-8"))["metrics"]
            rounds.append((report_part(exam, folder / "scores.parquet"), metrics["readout"]))
        runs.append(seed_run(rounds, baseline_figures(rounds[-1][0], seed=seed)[1]))
    return over_seeds(runs)


def best_of_n_figures(arguments: argparse.Namespace) -> list[best_of_n.BestOfNSeeds]:
    """The last round's curves over all seeds."""
    files = [line_of(arguments, seed) / "best_of_n.json" for seed in range(arguments.seeds)]
    points = [json.loads(file.read_text("utf-8"))["points"] for file in files]
    return best_of_n.over_seeds([[best_of_n.BestOfN.model_validate(one) for one in curve] for curve in points])


def ablation_figures(arguments: argparse.Namespace) -> Ablations | None:
    """The arms over the seeds that have them; labels are held against truth only where all arms ran."""
    measured, labels, last = [], [], Path()
    for seed in range(arguments.ablate_seeds):
        line = line_of(arguments, seed)
        exam, last = pq.read_table(line / "00" / "exam.parquet"), sorted(line.glob("[0-9][0-9]"))[-1]
        zero, full = (report_part(exam, folder / "scores.parquet") for folder in (line / "00", last))
        # An arm has scores in the one round that it ended with.
        arms = {
            name: report_part(exam, next((line / "ablation" / name).glob("*/scores.parquet")))
            for name in arguments.arms
        }
        measured.append(measure(zero, full, arms, baseline_figures(full, seed=seed)[1]))
        if arguments.arms == list(ARMS):
            labels.append(frame_of(pq.read_table(line / "ablation" / "labels.parquet")))
    if not measured:
        return None
    if not labels:
        kept = sum(pq.read_metadata(file).num_rows for file in last.parent.glob("[0-9][0-9]/pairs.parquet"))
        return compare(measured, rounds=int(last.name), pairs={"full": kept}, labels=[])
    checked = label_rounds(labels)
    return compare(measured, rounds=int(last.name), pairs=pairs_of_arms(checked), labels=checked)


def costs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of work and peak memory of every run. The seconds are the stages' own, so that a resumed run counts."""
    found = []
    for seed in range(arguments.seeds):
        spent = {"iterate": 0.0, "ablate": 0.0}
        for manifest in line_of(arguments, seed).glob("**/manifest.json"):
            for name, stage in json.loads(manifest.read_text("utf-8"))["stages"].items():
                spent["ablate" if name.startswith("ablation.") else "iterate"] += stage["seconds"]
        peaks = json.loads((seed_folder(arguments, seed) / "peak_memory.json").read_text())
        found += [
            {"seed": seed, "pipeline": name, "seconds": round(seconds, 1), "peak_memory_mb": peaks.get(name)}
            for name, seconds in spent.items()
            if seconds
        ]
    return found


def show(found: SeedFigures, arms: Ablations | None, result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"The loop over {found.seeds} seeds, report split, % (95 % interval)", title_justify="left")
    table.add_column("figure")
    for number in range(len(found.rounds)):
        table.add_column(f"round {number}", justify="right")
    table.add_column("gain, points", justify="right")
    for name in FIGURES:
        cells = [figures.get(name) for figures in found.rounds]
        shown = [with_interval(cell.model_dump() if cell else None) for cell in cells]
        gain = found.gains.get(name)
        told = f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})" if gain else "-"
        table.add_row(name.replace("_", " "), *shown, told)
    console.print(table)
    goals = Table(title="Goals", title_justify="left")
    for title in ("goal", "measured", "met"):
        goals.add_column(title)
    for one in result["goals"]:
        goals.add_row(one["goal"], with_interval(one["measured"]), "yes" if one["met"] else "no")
    console.print(goals)
    best = Table(title="Best of N, claims an answer, mean (lowest to highest seed)", title_justify="left")
    for title in ("choice", "N", "false", "true"):
        best.add_column(title, justify="right")
    for one in result["best_of_n"]:
        counts = ["{:.2f} ({:.2f} to {:.2f})".format(*one[key]) for key in ("false_claims", "true_claims")]
        best.add_row(one["choice"], str(one["n"]), *counts)
    console.print(best)
    if arms is not None:
        console.print(arms_table(arms))
        if labels := labels_table(arms.labels):
            console.print(labels)
        for remark in remarks(arms):
            console.print(remark)
    spent = Table(title="Runs", title_justify="left")
    for title in ("seed", "pipeline", "seconds", "peak memory, MB"):
        spent.add_column(title, justify="right")
    for run in result["runs"]:
        spent.add_row(*(str(run[key]) for key in ("seed", "pipeline", "seconds", "peak_memory_mb")))
    console.print(spent)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="full runs, of seeds 0..N-1")
    parser.add_argument("--ablate-seeds", type=int, default=2, help="seeds that the ablation runs on as well")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM", help="default: all")
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="runs at once; with 2 each has one thread")
    parser.add_argument("--data", default="data/bench", help="folder of the runs")
    parser.add_argument("--env", help="Kedro environment, such as ci for small runs")
    parser.add_argument("--params", nargs="*", default=[], metavar="KEY=VALUE", help="more parameters of every run")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the result is written")
    arguments = parser.parse_args()
    if not 1 <= arguments.seeds or not 0 <= arguments.ablate_seeds <= arguments.seeds:
        parser.error("--seeds must be at least 1, and --ablate-seeds between 0 and --seeds")
    return arguments


def main() -> None:
    arguments, began = parse(), time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=170)
    run_all(arguments, console)
    found, arms = loop_figures(arguments), ablation_figures(arguments)
    result = {
        "benchmark": "loop", "env": arguments.env or "base", "params": arguments.params, "jobs": arguments.jobs,
        "machine": machine(), "versions": versions(VERSIONED), "commit": commit(),
        "loop": found.model_dump(), "goals": [one.model_dump() for one in goals_reached(found)],
        "best_of_n": [one.model_dump() for one in best_of_n_figures(arguments)],
        "ablations": arms.model_dump() if arms else None,
        "runs": costs(arguments), "wall_seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    show(found, arms, result, console)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    console.print(f"Result    {arguments.out}")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
