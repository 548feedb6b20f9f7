"""What shared prompts save in training and scoring, whether they are exact, and what the LM-head kernels cost.

    python benchmarks/training.py [--repeats 5] [--small] [--only steps scoring trl exact lm_head]

A random Qwen2.5-VL of 30M parameters on one thread; what each figure is, docs/training_benchmark.md says. Ways take
turns; times are process CPU seconds, figures the medians of the repeats. Prints a table and, as its last line, one
JSON object; from 5 repeats on of the whole at full size the same is written to benchmarks/results/training.json.
Needs the extra ``bench`` (trl) for the comparison with TRL, which is null without.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from transformers.utils.logging import disable_progress_bar

from interleaved import Figure, seconds
from measured_on import ROOT, commit, machine, versions
from training_exact import exactness
from training_models import FULL, SMALL, Sizes, family_models, reward_model
from training_steps import pair_steps, scoring
from training_trl import against_trl
from vlrm_kernels.lm_head import benchmark as lm_head
from vlrm_kernels.measuring import peak_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT = ROOT / "benchmarks" / "results" / "training.json"
LEAST_REPEATS = 5
GOALS: dict[str, tuple[str, float]] = {
    "pair_step_speedup_short": ("≥", 1.8),
    "pair_step_speedup_long": ("≥", 1.4),
    "pair_step_speedup_cached_vision": ("≥", 2.7),
    "vs_trl_speedup": ("≥", 1.6),
    "scoring_speedup_k8": ("≥", 5.0),
    "scoring_memory_ratio": ("≤", 0.25),
    "saved_tensor_ratio": ("≤", 0.58),
    "flop_ratio": ("≤", 0.55),
    "max_reward_error": ("≤", 1e-5),
    "max_gradient_error": ("≤", 1e-5),
    "lm_head_memory_ratio_frozen": ("≤", 0.06),
    "lm_head_memory_ratio_trainable": ("≤", 0.2),
    "lm_head_time_ratio": ("≤", 1.1),
}
"""Of each figure, whether it has to be at least or at most what."""


def steps(sizes: Sizes, repeats: int) -> dict[str, Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return pair_steps(reward_model(sizes, Path(folder)), sizes, repeats)


def candidates(sizes: Sizes, repeats: int) -> dict[str, Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return scoring(reward_model(sizes, Path(folder)), sizes, repeats)


def trl(sizes: Sizes, repeats: int) -> dict[str, Figure]:
    return {"vs_trl_speedup": against_trl(sizes, repeats)}


def exact(sizes: Sizes, _: int) -> dict[str, Figure]:
    return exactness(("qwen2_5_vl", "gemma3") if sizes is SMALL else sorted(family_models.BUILD))


def kernels(sizes: Sizes, repeats: int) -> dict[str, Figure]:
    """The loss through the LM head against the form that makes all logits: the kernels' own benchmark, spread kept."""
    setting = lm_head.Setting(tokens=256, words=2000, width=64, pairs=4) if sizes is SMALL else lm_head.CPU
    named = ("naive, frozen", "one pass, frozen", "naive, trainable", "pair by pair, trainable")
    made = lm_head.ways(setting, "cpu")
    ways = {name: made[name] for name in named}
    taken = seconds(ways, repeats)
    peaks = {name: peak_bytes(way) for name, way in ways.items()}
    each = [
        lm_head.ratios([{"way": n, "seconds": taken[n][i], "peak_bytes": peaks[n]} for n in named])
        for i in range(repeats)
    ]
    figures = ("lm_head_memory_ratio_frozen", "lm_head_memory_ratio_trainable", "lm_head_time_ratio")
    more = {name: {"peak_bytes": peaks[name]} for name in named}
    return {name: Figure(tuple(found[name] for found in each), more) for name in figures}


PARTS: dict[str, Callable[[Sizes, int], dict[str, Figure]]] = {
    "exact": exact, "lm_head": kernels, "scoring": candidates, "trl": trl, "steps": steps,
}  # fmt: skip


def met(name: str, figure: Figure, sizes: Sizes) -> bool | None:
    """Whether the goal is met; None where the figure was not measured, or has no goal since the model is tiny."""
    if figure.median is None or (sizes is SMALL and not name.startswith("max_")):
        return None
    way, goal = GOALS[name]
    return figure.median >= goal if way == "≥" else figure.median <= goal


def shown(found: dict[str, Figure], sizes: Sizes) -> Table:
    """The figures beside their goals."""
    table = Table(Column("figure", no_wrap=True), "median", "lowest - highest", "goal", "met")
    for name, (way, goal) in GOALS.items():
        if name not in found:
            continue
        figure = found[name]
        answer = {True: "yes", False: "no", None: "-"}[met(name, figure, sizes)]
        middle, spread = "-", escape(figure.why_not)
        if figure.median is not None and figure.spread is not None:
            middle = f"{figure.median:.3g}"
            spread = " - ".join(f"{value:.3g}" for value in figure.spread) if len(set(figure.spread)) > 1 else ""
        table.add_row(name, middle, spread, f"{way} {goal:g}", answer)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=LEAST_REPEATS)
    parser.add_argument("--small", action="store_true", help="a tiny model: runs every line, times mean nothing")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.repeats < 1:
        parser.error("--repeats has to be at least 1")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)
    disable_progress_bar()
    before, sizes = psutil.getloadavg()[0], SMALL if given.small else FULL
    console, found = Console(), {}
    for part in given.only:
        console.print(f"measuring: {part} ...")
        found |= PARTS[part](sizes, given.repeats)
    console.print(shown(found, sizes))
    result: dict[str, Any] = {name: found[name].median for name in GOALS if name in found}
    result |= {
        "benchmark": "training", "repeats": given.repeats, "size": "small" if given.small else "full", "threads": 1,
        "met": {name: met(name, figure, sizes) for name, figure in found.items()},
        "spread": {name: figure.spread for name, figure in found.items()},
        "details": {name: figure.more for name, figure in found.items()},
        "not_measured": {name: figure.why_not for name, figure in found.items() if figure.values is None},
        "load_before": before, "machine": machine(), "commit": commit(),
        "versions": versions(("vlrm", "torch", "transformers", "peft", "trl")),
    }  # fmt: skip
    whole = not given.small and set(given.only) == set(PARTS) and given.repeats >= LEAST_REPEATS
    if whole or given.out != RESULT:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        part = given.out.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
        part.replace(given.out)
        console.print(f"written to {given.out}")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
