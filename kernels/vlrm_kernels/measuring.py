"""Time and peak memory of ways to compute the same thing, interleaved, on this machine's CPU or GPU."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vlrm_kernels.roofline import Cost

ROOT = Path(__file__).parents[2]


def device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def seconds(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each way; rounds go through all ways in turn, after one that warms up.

    On a CPU the process's CPU time, which other processes disturb less than the clock; on a GPU the clock between
    synchronisations.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    gpu = device() == "cuda"
    for turn in range(repeats + 1):
        for name, way in ways.items():
            if gpu:
                torch.cuda.synchronize()
            start = time.perf_counter() if gpu else time.process_time()
            way()
            if gpu:
                torch.cuda.synchronize()
            end = time.perf_counter() if gpu else time.process_time()
            if turn:
                taken[name].append(end - start)
    return {name: statistics.median(each) for name, each in taken.items()}


def peak_bytes(way: Callable[[], Any]) -> int:
    """Most memory that a second call of ``way`` holds beyond what was there before it, by PyTorch's allocator.

    The call has to free what it made, gradients too: else what the first call left is freed in the second, uncounted.
    """
    way()
    if device() == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        way()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        way()
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    if not events:
        raise RuntimeError(
            "peak_bytes: PyTorch's profiler recorded no memory events; it has to be the only one running"
        )
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def measured(ways: Mapping[str, Callable[[], Any]], repeats: int) -> list[dict[str, Any]]:
    """A row a way: median seconds and peak bytes."""
    taken = seconds(ways, repeats)
    return [{"way": name, "seconds": taken[name], "peak_bytes": peak_bytes(way)} for name, way in ways.items()]


def table(rows: Sequence[Mapping[str, Any]], costs: Mapping[str, Cost] | None = None) -> str:
    """Measured rows as Markdown; beside them the roofline where ``costs`` knows the way."""
    lines = [
        "| way | ms | peak MB |" + (" roofline ms |" if costs else ""),
        "|---|---|---|" + ("---|" if costs else ""),
    ]
    for row in rows:
        cells = f"{row['way']} | {row['seconds'] * 1e3:.4g} | {row['peak_bytes'] / 1e6:.3g} |"
        if costs:
            cells += f" {costs[row['way']].seconds() * 1e3:.3g} |" if row["way"] in costs else " |"
        lines.append(f"| {cells}")
    return "\n".join(lines)


def where() -> dict[str, Any]:
    """Machine, load, threads and versions, as every benchmark of the repository records them."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from measured_on import commit, machine, versions

    gpu = torch.cuda.get_device_name() if device() == "cuda" else None
    names = ["torch", "triton", "liger-kernel", "liger_kernel"]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "device": device(), "gpu": gpu, "threads": torch.get_num_threads(), "load_average": load,
        "machine": machine(), "versions": versions(names), "commit": commit(),
    }  # fmt: skip


def write(name: str, result: Mapping[str, Any]) -> Path:
    """Write a result as JSON under benchmarks/results, one file a kernel and a kind of device."""
    file = ROOT / "benchmarks" / "results" / f"kernel_{name}_{device()}.json"
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    partial.replace(file)
    return file
