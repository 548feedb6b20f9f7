"""Rejection sampling over five rounds and several seeds: how right the kept pairs are, with experts and without.

    python benchmarks/rejection_sampling.py --seeds 3 --jobs 2

For each seed the loop of five rounds, then the arm that labels its own pairs. Runs lie in FOLDER/seed-N, as those of
benchmarks/loop.py, and go on where they were interrupted. The last line is the result as one JSON object; the same is
written to benchmarks/results/rejection_sampling.json, the two plots beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from loop import report_part
from measured_on import ROOT, commit, machine, versions
from rejection_plots import curve_plot, error_plot
from rejection_shortcuts import shortcut_figures, shortcuts_by_round
from runs import Job, line_of, run_jobs, seed_folder
from sampling import measure as draw_in_all_ways
from vlrm.ablation.labels import label_rows
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.bootstrap import hierarchical_mean, image_clusters
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.over_seeds import OVER_VERDICT, SeedFigures, over_seeds, seed_run
from vlrm.evaluation.selection_quality import by_source, curves, judged_by_truth, mean_curves, strictly
from vlrm.evaluation.summary import with_interval
from vlrm.prompts import scenes_by_image
from vlrm.rejection_sampling.amplification import grown, merged, overall
from vlrm.rejection_sampling.shortcuts import in_quads
from vlrm.schema import QUESTION

if TYPE_CHECKING:
    import numpy as np

RESULT = ROOT / "benchmarks" / "results" / "rejection_sampling.json"
VERSIONED = ("vlrm", "torch", "transformers", "peft", "kedro", "numpy", "scikit-learn")
SELF = "ablation.self_labelled"
YIELDS = [round(0.05 * step, 2) for step in range(1, 15)]


def run_all(arguments: argparse.Namespace, console: Console) -> None:
    jobs = []
    for seed in range(arguments.seeds):
        folder = seed_folder(arguments, seed)
        jobs.append(Job(seed, "iterate", folder))
        jobs.append(Job(seed, "ablate", folder, ("--namespaces", SELF)))
    arguments.params = [f"rounds={arguments.rounds}", *arguments.params]
    run_jobs(jobs, arguments, console)


def truth_of(line: Path, number: int) -> dict[str, Any]:
    """The scenes of one round, its quads' among them."""
    tables = [line / f"{number:02d}" / f"{name}.parquet" for name in ("scenes", "quad_scenes")]
    tables += [line / SELF.replace(".", "/") / f"{number:02d}" / "scenes.parquet"]
    found = [pq.read_table(path) for path in tables if path.exists()]
    return scenes_by_image(pa.concat_tables(found)) if found else {}


def judged_rounds(line: Path, rounds: int) -> list[pl.DataFrame]:
    """Every round's offered pairs with what exact truth says of their labels, and their ``cluster`` among all."""
    tables = [
        judged_by_truth(pq.read_table(line / f"{n:02d}" / "pairs_judged.parquet"), truth_of(line, n), n)
        for n in range(1, rounds + 1)
    ]
    return clustered(tables)


def clustered(rounds: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The rounds' tables, each with the image clusters of its rows as ``cluster``; no two rounds share an image."""
    found, known = [], 0
    for table in rounds:
        numbers = image_clusters(table) + known
        known = int(numbers.max(initial=known - 1)) + 1
        found.append(table.with_columns(pl.Series("cluster", numbers)))
    return found


def together(rounds: list[list[pl.DataFrame]]) -> list[list[pl.DataFrame]]:
    """Each seed's rounds as one table, for figures of all rounds."""
    return [[pl.concat(tables)] for tables in rounds]


def self_labelled_rounds(line: Path) -> list[pl.DataFrame]:
    """The labels of every round of the arm that labels its own pairs; it may have more rounds than the loop."""
    folder = line / SELF.replace(".", "/")
    numbers = sorted(int(path.parent.name) for path in folder.glob("[0-9][0-9]/pairs.parquet"))
    return clustered(
        [
            pl.DataFrame(label_rows(pq.read_table(folder / f"{n:02d}" / "pairs.parquet"), truth_of(line, n), "self", n))
            for n in numbers
        ]
    )


def over(rounds: list[list[pl.DataFrame]], value: Any) -> list[Figure | None]:
    """One figure a round from tables [seed][round], with intervals over seeds and images."""
    found = []
    for tables in zip(*rounds, strict=False):  # as many as every seed has
        found.append(hierarchical_mean([value(t) for t in tables], [t["cluster"].to_numpy() for t in tables]))
    return found


def kept(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("refused").is_null())


def share_kept(table: pl.DataFrame) -> np.ndarray:
    return table["refused"].is_null().cast(pl.Float64).to_numpy()


def wrong_before(table: pl.DataFrame) -> np.ndarray:
    return (table["reward_margin"] < 0).cast(pl.Float64).to_numpy()


def critic_figures(arguments: argparse.Namespace) -> SeedFigures:
    """The reward model's figures round by round over the seeds."""
    runs = []
    for seed in range(arguments.seeds):
        line = line_of(arguments, seed)
        exam = pq.read_table(line / "00" / "exam.parquet")
        outcomes = []
        for n in range(arguments.rounds + 1):
            metrics = json.loads((line / f"{n:02d}" / "metrics.json").read_text("utf-8"))["metrics"]
            outcomes.append((report_part(exam, line / f"{n:02d}" / "scores.parquet"), metrics["readout"]))
        runs.append(seed_run(outcomes, baseline_figures(outcomes[-1][0], seed=seed)[1]))
    return over_seeds(runs)


def label_figures(arguments: argparse.Namespace) -> dict[str, Any]:
    """Hallucinated labels by round, all seeds together, and those whose rate has surely grown."""
    tables = [
        merged([pq.read_table(line_of(arguments, seed) / f"{n:02d}" / "label_rates.parquet")
                for seed in range(arguments.seeds)])
        for n in range(1, arguments.rounds + 1)
    ]  # fmt: skip
    places = ("sampled", "chosen", "rejected")
    return {
        "hallucinated_by_round": {where: [overall(table, where) for table in tables] for where in places},
        "labels_grown": [one.model_dump() for where in places[:2] for one in grown(tables, where)],
    }


def bounds(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The threshold of each seed with the error that is stated for it."""
    lines = [line_of(arguments, seed) for seed in range(arguments.seeds)]
    return [json.loads((line / "00" / "rule_calibration.json").read_text("utf-8")) for line in lines]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    seeds = [line_of(arguments, seed) for seed in range(arguments.seeds)]
    judged = [judged_rounds(line, arguments.rounds) for line in seeds]
    chosen = [[kept(table) for table in rounds] for rounds in judged]
    alone = [self_labelled_rounds(line) for line in seeds]
    everything = [pl.concat(rounds) for rounds in chosen]
    accuracy = over(chosen, lambda t: strictly(t["right"]))
    whole = together(chosen)
    hard = [[t.filter(pl.col("reward_margin") < 0) for t in rounds] for rounds in whole]
    shares = shortcut_figures(arguments, everything)
    words = [shares[name] for name in ("text_only_reward", "text_only_classifier")]
    models = critic_figures(arguments)
    drawn = [curves(table, n) for rounds in judged for n, table in enumerate(rounds)]
    answers = [[table.filter(pl.col("source") != QUESTION) for table in rounds] for rounds in judged]
    return {
        "kept_accuracy_by_round": accuracy,
        # Of pairs of answers: claim questions are offered only where the evidence is sure.
        "kept_share": over(together(answers), share_kept)[0],
        "kept_share_by_round": over(answers, share_kept),
        "kept_share_with_questions": over(together(judged), share_kept)[0],
        "by_source": by_source(pl.concat([table for rounds in judged for table in rounds])),
        "candidates_share": over(whole, lambda t: (t["source"] == "candidates").cast(pl.Float64).to_numpy())[0],
        "quad_share": over(whole, lambda t: in_quads(t).cast(pl.Float64).to_numpy())[0],
        # The higher of the two counts, as the text-only classifier is defined (docs/rejection_sampling.md).
        "text_only_accuracy": max((one for one in words if one), key=lambda one: abs(one.value - 0.5), default=None),
        **shares,
        "shortcuts_by_round": shortcuts_by_round(judged),
        "length_only_accuracy": shares["length_only"],
        "hard_share": over(whole, wrong_before)[0],
        "hard_share_by_round": over(chosen, wrong_before),
        "hard_accuracy": over(hard, lambda t: strictly(t["right"]))[0],
        "critique_wrong_accuracy": models.rounds[-1]["critique_wrong_accuracy"],
        "above_majority_verdict": models.rounds[-1][OVER_VERDICT],
        "pair_accuracy_by_round": [figures["hallucination_accuracy"] for figures in models.rounds],
        "our_error_by_round": over(chosen, lambda t: 1 - t["right"].cast(pl.Float64).to_numpy()),
        "self_labelled_error_by_round": over(alone, lambda t: 1 - t["right"].cast(pl.Float64).to_numpy()),
        "thresholds": bounds(arguments),
        "curve": mean_curves(drawn, YIELDS),
        **label_figures(arguments),
    }


def sampling_speedup(samples: int = 8, repeats: int = 3) -> float:
    """How much less time one call for all samples of a prompt takes than a call for each, the embedded model."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = draw_in_all_ways("embedded", samples, repeats, Path(folder))["seconds"]
    return statistics.median(a / b for a, b in zip(seconds["calls"], seconds["shared"], strict=True))


def plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return value.model_dump()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def show(result: dict[str, Any], console: Console) -> None:
    rounds = Table(title="Round by round, % (95 % interval)", title_justify="left")
    lines = {
        "labels right, kept pairs": "kept_accuracy_by_round",
        "kept of offered": "kept_share_by_round",
        "kept pairs the model before had wrong": "hard_share_by_round",
        "label error, with experts": "our_error_by_round",
        "label error, self-labelled": "self_labelled_error_by_round",
    }
    rounds.add_column("figure")
    for n in range(max(len(result[name]) for name in lines.values())):
        rounds.add_column(f"round {n + 1}", justify="right")
    for title, name in lines.items():
        rounds.add_row(title, *(with_interval(one) for one in result[name]))
    console.print(rounds)
    table = Table(title="All rounds together, % (95 % interval)", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    names = ("kept_share", "candidates_share", "quad_share", "hard_share", "hard_accuracy", "text_only_reward",
             "text_only_classifier", "length_only", "critique_wrong_accuracy", "above_majority_verdict")  # fmt: skip
    for name in names:
        table.add_row(name.replace("_", " "), with_interval(result[name]))
    console.print(table)
    curve = Table(title="Labels right at each share of offered pairs taken, %", title_justify="left")
    curve.add_column("rule")
    for taken in YIELDS:
        curve.add_column(f"{100 * taken:.0f}", justify="right")
    for rule, points in result["curve"].items():
        cells = {point["taken"]: f"{100 * point['precision']:.1f}" for point in points}
        curve.add_row(rule.replace("_", " "), *(cells.get(taken, "") for taken in YIELDS))
    console.print(curve)
    console.print(f"Sampling eight candidates of a prompt at once: {result['sampling_speedup_k8']:.1f} times as fast")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="full runs, of seeds 0..N-1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="runs at once; with 2 each has one thread")
    parser.add_argument("--data", default="data/bench", help="folder of the runs")
    parser.add_argument("--env", help="Kedro environment, such as ci for small runs")
    parser.add_argument("--params", nargs="*", default=[], metavar="KEY=VALUE", help="more parameters of every run")
    parser.add_argument("--only-measure", action="store_true", help="run nothing, measure what earlier runs left")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the result is written")
    return parser.parse_args()


def main() -> None:
    arguments, began = parse(), time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=170)
    if not arguments.only_measure:
        run_all(arguments, console)
    result = {
        "benchmark": "rejection_sampling", "env": arguments.env or "base", "params": arguments.params,
        "seeds": arguments.seeds, "rounds": arguments.rounds, "machine": machine(), "versions": versions(VERSIONED),
        "commit": commit(), **plain(measure(arguments)), "sampling_speedup_k8": sampling_speedup(),
        "wall_seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    show(result, console)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    error_plot(result, arguments.out.with_name(f"{arguments.out.stem}_errors.png"))
    curve_plot(result, arguments.out.with_name(f"{arguments.out.stem}_curve.png"))
    console.print(f"Result    {arguments.out}")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
