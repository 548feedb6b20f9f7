"""What annotation costs over the expert's own batched call, and what batches save over single images.

    python benchmarks/annotation.py --images FOLDER [--experts coco_ssd] [--number 32]

Process CPU seconds, the variants interleaved, medians of the rounds: wall time would measure the neighbours. The last
line is a JSON object: ``annotation_throughput_ratio`` is the bare batched call's time over that of ``annotate``, which
also opens, caches and hands out; ``batch_speedup`` is one by one over batched.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from vlrm.experts.annotate import annotate, run_experts
from vlrm.experts.config import build_experts
from vlrm.images import open_image, relative_path, store

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(folder: Path, names: list[str], number: int, batch: int, rounds: int) -> dict[str, float]:
    """CPU seconds an image of each way, and their ratios."""
    experts = build_experts([{"name": name} for name in names])
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        files = sorted(path for path in folder.iterdir() if path.is_file())[:number]
        shas = [store(path, root / "images") for path in files]
        images = [(sha, root / "images" / relative_path(sha, root / "images")) for sha in shas]

        def bare() -> None:
            """Images opened and given to the experts in batches: what nobody can do without."""
            for start in range(0, len(images), batch):
                run_experts(experts, [open_image(path) for _, path in images[start : start + batch]])

        def annotated() -> None:
            list(annotate(images, experts, batch, root / f"cache-{time.monotonic_ns()}"))

        def single() -> None:
            for _, path in images:
                run_experts(experts, [open_image(path)])

        bare()  # loads the networks
        ways = (bare, annotated, single)
        spent: dict[str, list[float]] = {way.__name__: [] for way in ways}
        for _ in range(rounds):
            for way in ways:
                spent[way.__name__].append(_seconds(way) / len(images))
    middle = {name: median(seconds) for name, seconds in spent.items()}
    return {
        **{f"{name}_seconds_per_image": round(seconds, 4) for name, seconds in middle.items()},
        "annotation_throughput_ratio": round(middle["bare"] / middle["annotated"], 3),
        "batch_speedup": round(middle["single"] / middle["bare"], 3),
    }


def _seconds(way: Callable[[], None]) -> float:
    started = time.process_time()
    way()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--experts", nargs="+", default=["coco_ssd"])
    parser.add_argument("--number", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    figures = measure(given.images, given.experts, given.number, given.batch, given.rounds)
    about = {"experts": given.experts, "images": given.number, "batch": given.batch, "machine": platform.machine()}
    print(json.dumps({**about, **figures}))


if __name__ == "__main__":
    main()
