"""What it costs to draw K samples of one prompt: in one call, which reads the prompt once, against K calls.

    python benchmarks/sampling.py [--repeats 5] [--samples 8]

Two models: the embedded one, and a random Qwen2.5-VL of 6M parameters whose prompt holds an image of 484 tokens (its
features computed once beforehand, so that only the language model is timed). Three ways take turns in each repeat, in
one process on one thread: K calls of one sample, one call that reads the prompt for each row (plain generation), and
one call that reads it once. All must write the same tokens. Process seconds, median with the lowest and the highest;
peak memory is what a fresh process holds above the loaded model. The last line is the result as one JSON object; the
same is written to benchmarks/results/sampling.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

from measured_on import commit, machine, versions
from vlrm import chat
from vlrm.policy.decoding import continuations
from vlrm.policy.protocol import Sampling, row_seed
from vlrm.prompts import store_scene
from vlrm.scenes.questions import ask
from vlrm.scenes.world import scenes
from vlrm.vlm import Vlm

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "data" / "06_models" / "embedded" / "vlm"
RESULT = ROOT / "benchmarks" / "results" / "sampling.json"
SEED = 778_000_000
"""Far from the seeds of training, prompts and exam."""
PROMPTS = 6
"""Prompts a repeat goes through on the embedded model, whose answers differ in length."""
IMAGE, GRID = 10, 44
WAYS = ("calls", "rows", "shared")
Inputs = Callable[[int], dict[str, Any]]
"""Model inputs of one prompt on so many rows."""


def embedded(folder: Path) -> tuple[Any, list[Inputs], Sampling]:
    """The embedded model and questions about drawn scenes."""
    vlm = Vlm.load(MODEL, folder)
    rng = np.random.default_rng(SEED)
    shown = [(store_scene(s, folder)[1], ask(s, rng).text) for s in islice(scenes(SEED), PROMPTS)]
    texts = [vlm.text(chat.ask(question), reply=True) for _, question in shown]
    rows = vlm.token_ids(texts, [image for image, _ in shown])

    def inputs(image: str, ids: list[int]) -> Inputs:
        return lambda count: vlm.inputs([image] * count, [ids] * count, side="left")

    prompts = [inputs(image, ids) for (image, _), ids in zip(shown, rows, strict=True)]
    return vlm.model, prompts, Sampling(temperature=0.7)


def long_image(_: Path) -> tuple[Any, list[Inputs], Sampling]:
    """A random Qwen2.5-VL and a prompt of 484 image tokens and 40 others, continued by 24 tokens."""
    torch.manual_seed(0)
    text = {
        "vocab_size": 8192, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "eos_token_id": None, "bos_token_id": None,
        "pad_token_id": 0, "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e6},
    }  # fmt: skip
    sight = {"depth": 1, "hidden_size": 64, "num_heads": 2, "intermediate_size": 128, "out_hidden_size": 256}
    ids = {"image_token_id": IMAGE, "video_token_id": 11, "vision_start_token_id": 12, "vision_end_token_id": 13}
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=sight, **ids)).eval()
    features = torch.randn(GRID * GRID // 4, 256)

    def inputs(count: int) -> dict[str, Any]:
        row = torch.tensor([12] + [IMAGE] * len(features) + [13] + list(range(100, 138)))
        tokens = row.repeat(count, 1)
        return {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "image_grid_thw": torch.tensor([[1, GRID, GRID]] * count),
            "mm_token_type_ids": (tokens == IMAGE).int(),
            "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=[features] * count)},
        }

    return model, [inputs], Sampling(max_new_tokens=24)


SETUPS = {"embedded": embedded, "qwen2_5_vl_random": long_image}


def draw(way: str, model: Any, inputs: Inputs, seeds: list[int], sampling: Sampling) -> list[Tensor]:
    """A sample for each seed, in one of the three ways."""
    if way == "calls":
        return [continuations(model, inputs(1), None, [seed], sampling, None)[0] for seed in seeds]
    if way == "rows":
        written = continuations(model, inputs(len(seeds)), None, seeds, sampling, None)
        pad = model.generation_config.pad_token_id
        return [row[: int((row != pad).sum())] for row in written]
    return continuations(model, inputs(1), [0] * len(seeds), seeds, sampling, None)


@torch.no_grad()
def measure(name: str, samples: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Seconds of each way in each repeat, and whether all wrote the same tokens."""
    model, prompts, sampling = SETUPS[name](folder)
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    equal = True
    for repeat in range(repeats + 1):  # the first one warms up
        turn = [*WAYS[repeat % 3 :], *WAYS[: repeat % 3]]
        written: dict[str, list[list[int]]] = {}
        for way in turn:
            start = time.process_time()
            found = [
                draw(way, model, inputs, [row_seed(repeat, i, k) for k in range(samples)], sampling)
                for i, inputs in enumerate(prompts)
            ]
            if repeat:
                took[way].append(time.process_time() - start)
            written[way] = [row.tolist() for rows in found for row in rows]
        equal &= written["calls"] == written["rows"] == written["shared"]
    return {"seconds": took, "same_tokens": equal, "tokens": float(np.mean([len(row) for row in written["shared"]]))}


@torch.no_grad()
def peak(name: str, way: str, samples: int, folder: Path) -> float:
    """MB that a first draw of ``samples`` needs above what the process holds with the model loaded."""
    model, prompts, sampling = SETUPS[name](folder)
    draw(way, model, prompts[0], [0], sampling.model_copy(update={"max_new_tokens": 1}))
    process, highest, done = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    draw(way, model, prompts[0], list(range(samples)), sampling)
    done.set()
    watcher.join()
    return max(0, highest - before) / 1e6


def peak_apart(name: str, way: str, samples: int) -> float:
    """:func:`peak` in a process of its own."""
    command = [sys.executable, __file__, "--peak", name, way, "--samples", str(samples)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def table(name: str, samples: int, found: dict[str, Any]) -> dict[str, Any]:
    """Print one model's rows; its speed-ups are of each repeat, so that the machine's moods cancel."""
    print(f"{name}: {samples} samples of {found['tokens']:.1f} tokens, same tokens: {found['same_tokens']}")
    for way in WAYS:
        took = found["seconds"][way]
        ratios = sorted(a / b for a, b in zip(found["seconds"]["calls"], took, strict=True))
        found.setdefault("speedup", {})[way] = [statistics.median(ratios), ratios[0], ratios[-1]]
        print(
            f"  {way:7s} {statistics.median(took):7.3f} s ({min(took):.3f}-{max(took):.3f})"
            f"  {statistics.median(ratios):5.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})  {found['peak_mb'][way]:7.1f} MB"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--peak", nargs=2, metavar=("MODEL", "WAY"), help="only measure this peak, in this process")
    parser.add_argument("--models", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if given.peak:
            print(peak(*given.peak, given.samples, Path(folder)))
            return
        result: dict[str, Any] = {"benchmark": "sampling", "samples": given.samples, "repeats": given.repeats}
        for name in given.models:
            found = measure(name, given.samples, given.repeats, Path(folder))
            found["peak_mb"] = {way: peak_apart(name, way, given.samples) for way in WAYS}
            result[name] = table(name, given.samples, found)
    if "embedded" in result:
        result[f"sampling_speedup_k{given.samples}"] = result["embedded"]["speedup"]["shared"][0]
    result |= {
        "machine": machine(), "versions": versions(("vlrm", "torch", "transformers")), "commit": commit(),
        "load_before": psutil.getloadavg()[1],
    }  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
