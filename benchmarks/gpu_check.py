"""What a person with a GPU runs first (``make gpu-check``): is everything equal there, and how fast is it?

Repeats the equality tests of attention, rewards and kernels on the device, times attention and kernels, and prints one
table with the roofline of an H100 beside the times. ``--allow-cpu`` runs the equality part where there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from gpu_parts import Check, checks, one_call, padded
from measured_on import machine, versions
from vlrm.reward.attention import Segments
from vlrm_kernels import measuring
from vlrm_kernels.lm_head import benchmark as lm_head
from vlrm_kernels.lm_head import cost as lm_head_cost
from vlrm_kernels.pair_margin import benchmark as pair_margin
from vlrm_kernels.reward_head import benchmark as reward_head
from vlrm_kernels.reward_head import cost as reward_head_cost
from vlrm_kernels.roofline import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADS, GROUPS, WIDTH = 28, 4, 128
"""Of Qwen2.5-VL-7B's attention."""
PAIRS = {"short answers": (1350, (60, 60)), "long answers": (1350, (450, 450))}
"""A pair about an image of 1,280 tokens: its prompt, and its answers."""
AT_ONCE = 8
"""Pairs in a row."""


@dataclass(frozen=True)
class Timing:
    """Median seconds of one way, and what an H100 could do at best: a model, not a measurement."""

    what: str
    seconds: float
    roofline: float | None


def attention_cost(trees: list[tuple[int, tuple[int, ...]]]) -> Cost:
    """Attention forward and backward over segments, bf16.

    A query that sees n keys takes 4 n E operations forward and 2.5 times as many backward (FlashAttention forms the
    scores again: 5 matrix products for 2). Bytes: queries, keys, values and outputs once forward; backward they are
    read and their gradients read or written.
    """
    seen = sum(  # queries times the keys each sees
        p * (p + 1) / 2 + sum(a * p + a * (a + 1) / 2 for a in answers) for p, answers in trees
    )
    length = sum(p + sum(answers) for p, answers in trees)
    once = 2.0 * length * WIDTH * (2 * HEADS + 2 * GROUPS)
    return Cost("attention", 3 * once, 3.5 * 4 * seen * WIDTH * HEADS, 0, once)


def attention_times(repeats: int) -> Iterator[Timing]:
    """A packed row of pairs in bf16, forward and backward, beside the same pairs padded."""
    device = torch.device("cuda")
    for name, pair in PAIRS.items():
        trees = [pair] * AT_ONCE
        segments = Segments.of(trees, device)
        leaves = [
            torch.randn(1, n, segments.length, WIDTH, device=device, dtype=torch.bfloat16, requires_grad=True)
            for n in (HEADS, GROUPS, GROUPS)
        ]
        alone = [(p, (a,)) for p, answers in trees for a in answers]
        for way, run, work in (("segments", one_call, trees), ("padded", padded, alone)):
            what = f"attention, {AT_ONCE} pairs, {name}, {way}"
            yield timed(what, _step(run, leaves, segments), attention_cost(work), repeats)


def _step(run: Callable[..., Any], leaves: list[Any], segments: Any) -> Callable[[], None]:
    def step() -> None:
        output = run(leaves, segments)
        torch.autograd.grad(output, leaves, torch.ones_like(output))

    return step


def kernel_times(repeats: int) -> Iterator[Timing]:
    """The kernels' own benchmarks at the sizes of a 7B model, each beside its cost sheet's roofline."""
    size = lm_head.GPU
    costs = {c.name: c for c in lm_head_cost.costs(size.tokens, size.words, size.width, size.pairs)}
    for name, step in lm_head.ways(size, "cuda").items():
        yield timed(f"LM head, {name}", step, costs.get(name), repeats)
    torch.cuda.empty_cache()
    head = reward_head
    costs = {c.name: c for c in reward_head_cost.costs(head.T, head.N, head.D, head.H)}
    for name, step in head.ways("cuda").items():
        yield timed(f"reward head, {name}", step, costs.get(name), repeats)
    for name, make in (("eager", pair_margin.eager), ("operator", pair_margin.fused)):
        yield timed(f"pair margin, 1024 pairs, {name}", make(1024, "cuda"), None, repeats)


def timed(what: str, step: Callable[[], Any], cost: Cost | None, repeats: int) -> Timing:
    """Median time of a step; no number where it does not fit into the device's memory."""
    best = None if cost is None else cost.seconds()
    try:
        return Timing(what, measuring.seconds({what: step}, repeats)[what], best)
    except torch.cuda.OutOfMemoryError:
        return Timing(f"{what}: out of memory", float("nan"), best)


def table(found: list[Check], times: list[Timing]) -> Table:
    shown = Table(title="vlrm on " + (torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"))
    for name in ("what", "error", "bound", "ms", "H100 at best, ms", ""):
        shown.add_column(name, justify="left" if name == "what" else "right")
    for one in found:
        verdict = "[green]equal[/green]" if one.holds else "[red]NOT EQUAL[/red]"
        shown.add_row(one.what, f"{one.error:.1e}", f"{one.bound:.0e}", "", "", verdict)
    for timing in times:
        best = "" if timing.roofline is None else f"{timing.roofline * 1e3:.3g}"
        share = "" if timing.roofline is None else f"{timing.roofline / timing.seconds:.0%}"
        shown.add_row(timing.what, "", "", f"{timing.seconds * 1e3:.3g}", best, share)
    return shown


def main() -> int:
    """Exit code 0 where everything is equal, on a GPU or with leave to use the CPU; else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--allow-cpu", action="store_true", help="without a GPU, exit 0 if the equality part holds")
    parser.add_argument("--repeats", type=int, default=20, help="steps of which the median time counts")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "140")), highlight=False)
    gpu = torch.cuda.is_available()
    if not gpu:
        console.print(
            "PyTorch sees no CUDA device here, so nothing is timed and only the equality part runs, on the CPU."
        )
    found = checks(torch.device("cuda" if gpu else "cpu"))
    times = [*attention_times(given.repeats), *kernel_times(given.repeats)] if gpu else []
    console.print(table(found, times))
    known = versions(["torch", "triton", "transformers", "peft"])
    console.print(f"{machine()['cpu']}; " + ", ".join(f"{name} {version}" for name, version in known.items()))
    failed = [one.what for one in found if not one.holds]
    console.print(f"Not equal: {'; '.join(failed)}." if failed else f"All {len(found)} comparisons are equal.")
    return 1 if failed or not (gpu or given.allow_cpu) else 0


if __name__ == "__main__":
    sys.exit(main())
