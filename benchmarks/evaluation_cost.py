"""The part of the evaluation benchmark about cost: memory over many items, and what examining adds to the scorer."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured_on import ROOT
from vlrm.evaluation.benchmarks.run import run
from vlrm.evaluation.benchmarks.suites import load
from vlrm.evaluation.judges.scalar import ScalarJudge
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.judges.protocol import Judgement

FEW, MANY = 10_000, 100_000
SCORED = 512
"""Items whose scoring is timed, two answers each."""
REPEATS = 5
BASE = ROOT / "data" / "06_models" / "embedded" / "vlm"
WORDS = ("red", "blue", "green", "ball", "cube", "star", "left", "right", "above", "below", "large", "small", "near")


def memory_growth() -> dict[str, float]:
    """Peak resident megabytes of judging and measuring 10,000 and 100,000 items, each in a process of its own."""
    peaks = {}
    with tempfile.TemporaryDirectory(prefix="vlrm-evaluation-") as place:
        for number in (FEW, MANY):
            file = Path(place) / f"{number}.jsonl"
            _write(file, number)
            command = [sys.executable, __file__, str(file), str(Path(place) / f"out-{number}")]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "benchmarks")
            peaks[number] = float(done.stdout.split()[-1])
    return {"rss_growth_mb": round(peaks[MANY] - peaks[FEW], 1), "peak_mb_10k": peaks[FEW], "peak_mb_100k": peaks[MANY]}


def _write(file: Path, number: int) -> None:
    """Pairs of sentences, all different, about an image each."""
    with file.open("w", encoding="utf-8") as lines:
        for i in range(number):
            said = [" ".join(WORDS[(i * k + j) % len(WORDS)] for j in range(20 + (i * k) % 11)) for k in (3, 7)]
            row = {"id": str(i), "image": f"{i}.png", "question": f"What is in image {i}?", "chosen": said[0],
                   "rejected": f"{said[1]}.", "category": f"part {i % 4}"}  # fmt: skip
            lines.write(json.dumps(row) + "\n")


def _examine(file: Path, out: Path) -> float:
    """Judge and measure a file by a rule that needs no image; megabytes resident at most."""
    import psutil

    from vlrm.evaluation.judges.trivial import trivial
    from vlrm.evaluation.measuring.figures import figures_of
    from vlrm.memory import peak_mb, watching

    judge = trivial("shorter", 0)
    with watching(0.05):
        done = run(judge, load("own", file), out)
        figures_of(load("own", file), done.file, "own", model=judge.name)
        peak = peak_mb()
    return float(max(peak, psutil.Process().memory_info().rss / 2**20))


def overhead() -> dict[str, Any]:
    """What reading items and writing results add to the bare scorer, in processor time.

    The zero-shot reward of the shipped base scores :data:`SCORED` pairs about as many rendered scenes: given to the
    scorer from Python (which opens the images), and examined from a file; in turn, :data:`REPEATS` times after one
    for warming up.
    """
    with tempfile.TemporaryDirectory(prefix="vlrm-evaluation-") as place:
        folder = Path(place)
        file = _scenes(folder)
        config = ModelConfig(base=str(BASE), likelihood_scale=1, yes_scale=0.5, verify_form=0, readout="likelihood")
        RewardModel(Vlm.load(BASE, folder), config).save(folder / "model")
        judge = _Kept(ScalarJudge(folder / "model", "a reward model", folder, critiques=0))
        items = list(load("own", file))
        seconds: dict[str, list[float]] = {"bare": [], "examined": []}
        for repeat in range(REPEATS + 1):
            rows = [(folder / str(item.image), item.question, text) for item in items for text in item.responses]
            started = time.process_time()
            for start in range(0, len(rows), 512):
                judge.inner.scorer.rewards(rows[start : start + 512], critiques=0)
            seconds["bare"].append(time.process_time() - started)
            started = time.process_time()
            run(judge, load("own", file), folder / f"out-{repeat}", folder)
            seconds["examined"].append(time.process_time() - started)
    ratios = [b / a - 1 for a, b in zip(seconds["bare"][1:], seconds["examined"][1:], strict=True)]
    return {
        "scoring_overhead": round(statistics.median(ratios), 4),
        "scoring_overhead_spread": [round(min(ratios), 4), round(max(ratios), 4)],
        "bare_cpu_seconds": [round(one, 3) for one in seconds["bare"][1:]],
        "examined_cpu_seconds": [round(one, 3) for one in seconds["examined"][1:]],
    }


class _Kept:
    """A judge that is loaded once for several runs."""

    looks, ordered = True, False

    def __init__(self, inner: ScalarJudge) -> None:
        self.inner, self.name, self.fingerprint = inner, inner.name, inner.fingerprint

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        return self.inner.judge(items, images)


def _scenes(folder: Path) -> Path:
    """Pairs about rendered scenes, and their images, in ``folder``."""
    file = folder / "pairs.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for i, scene in enumerate(islice(scenes(0), SCORED)):
            render(scene).save(folder / f"{i}.png")
            first = scene.objects[0]
            row = {
                "id": str(i), "image": f"{i}.png", "question": "What do you see?",
                "chosen": f"There is a {first.colour} {first.shape}.", "rejected": "There is nothing on the table.",
            }  # fmt: skip
            lines.write(json.dumps(row) + "\n")
    return file


if __name__ == "__main__":
    print(_examine(Path(sys.argv[1]), Path(sys.argv[2])))
