"""Trains the embedded detector from scratch on rendered scenes with exact truth, on one CPU core."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from vlrm.errors import UserError
from vlrm.experts.annotate import run_experts
from vlrm.experts.calibration import reliability_report
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.experts.detector import DEFAULT_WEIGHTS, build_model, letterbox, save_weights
from vlrm.experts.ultralytics_offline import load_ultralytics
from vlrm.scenes import world
from vlrm.scenes.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vlrm.experts.base import Expert

log = logging.getLogger(__name__)
NETWORK = "detector.yaml"
TRAINING_SEEDS, VALIDATION_SEEDS, TEST_SEEDS = 910_000_000, 920_000_000, 930_000_000
"""Offsets of the seeds: no detector scene is ever a scene of prompts, of calibration or of the exam."""


class DetectorTraining(BaseModel):
    """Parameters of :func:`train_detector`, as a pipeline reads them."""

    model_config = ConfigDict(extra="forbid")
    out: Path = DEFAULT_WEIGHTS
    seed: int = 0
    scenes: int = Field(default=1200, ge=1)
    epochs: int = Field(default=10, ge=1)
    validation: int = Field(default=200, ge=1)
    side: int = Field(default=192, ge=32, multiple_of=32)
    batch: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)


def train(parameters: DetectorTraining) -> dict[str, Any]:
    """:func:`train_detector` as one step of a pipeline: typed parameters in, config with figures out."""
    return train_detector(**{name: getattr(parameters, name) for name in DetectorTraining.model_fields})


def train_detector(
    out: Path,
    *,
    seed: int = 0,
    scenes: int = 1200,
    epochs: int = 10,
    validation: int = 200,
    side: int = 192,
    batch: int = 16,
    learning_rate: float = 2e-3,
) -> dict[str, Any]:
    """Train, write ``model.safetensors`` and ``config.json`` into ``out``, and return that config.

    Its figures: ``loss``, one mean training loss per epoch; ``map50`` on the validation scenes that were
    watched while training, as Ultralytics computes it; ``test``, the reliability of all embedded experts on
    as many scenes never seen before, with the weights as they were written.

    Raises:
        UserError: Ultralytics is not installed, or ``out`` cannot be written.
    """
    load_ultralytics()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {out} for the detector cannot be written ({error.strerror}).") from error
    started = time.process_time()
    data = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="vlrm-detector-") as temporary:
        folder = Path(temporary)
        data.update(_write_split(folder, "train", _draw(TRAINING_SEEDS + seed, scenes), side))
        data.update(_write_split(folder, "val", _draw(VALIDATION_SEEDS + seed, validation), side))
        model, losses, map50 = _fit(folder, seed, epochs, side, batch, learning_rate)
    config: dict[str, Any] = {
        "names": list(world.SHAPES),
        "imgsz": side,
        "yaml": NETWORK,
        "training": {
            "seed": seed, "scenes": scenes, "epochs": epochs, "batch": batch, "learning_rate": learning_rate,
            "data_sha256": data.hexdigest(), "cpu_seconds": round(time.process_time() - started),
        },
        "loss": [round(value, 4) for value in losses],
        "map50": round(map50, 4),
    }  # fmt: skip
    save_weights(model, out, config)
    experts = build_experts(
        [
            ExpertConfig(name="detector", settings={"weights": out}),
            *({"name": n} for n in ("colour", "pattern", "size", "ocr")),
        ]
    )
    config["test"] = measure_experts(experts, TEST_SEEDS + seed, validation)
    save_weights(model, out, config)
    return config


def measure_experts(experts: Sequence[Expert], seed: int, count: int, part: world.Part = "iid") -> dict[str, Any]:
    """Reliability of ``experts`` on ``count`` scenes drawn from ``seed``: see :func:`reliability_report`."""
    drawn = list(_draw(seed, count, part))
    evidence = []
    for start in range(0, count, 16):
        evidence.extend(run_experts(experts, [render(scene) for scene in drawn[start : start + 16]]))
    return {"scenes": count, **reliability_report(evidence, [scene.seen() for scene in drawn])}


def _draw(seed: int, count: int, part: world.Part = "iid") -> Iterable[world.Scene]:
    return itertools.islice(world.scenes(seed, part), count)


def _write_split(folder: Path, split: str, drawn: Iterable[world.Scene], side: int) -> bytes:
    """Images and label files in Ultralytics' layout; returns the sha256 of pixels and truth."""
    digest = hashlib.sha256()
    images, labels = folder / "images" / split, folder / "labels" / split
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, scene in enumerate(drawn):
        pixels, _ = letterbox(render(scene), side)
        lines = [
            f"{world.SHAPES.index(o.shape)} {o.x:.5f} {o.y:.5f} {2 * o.radius:.5f} {2 * o.radius:.5f}"
            for o in scene.objects
        ]
        Image.fromarray(pixels).save(images / f"{number:05d}.png", compress_level=1)
        (labels / f"{number:05d}.txt").write_text("\n".join(lines))
        digest.update(pixels.tobytes() + scene.to_json().encode())
    return digest.digest()


def _fit(
    folder: Path, seed: int, epochs: int, side: int, batch: int, learning_rate: float
) -> tuple[torch.nn.Module, list[float], float]:
    """Train with Ultralytics' trainer: the averaged weights, the loss per epoch and the last mAP50."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    class Trainer(DetectionTrainer):
        """Builds our network and writes no checkpoint: those would be pickles."""

        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            return build_model(NETWORK, len(world.SHAPES))

        def save_model(self) -> None:
            return

        def final_eval(self) -> None:
            return

    data = folder / "data.yaml"
    names = dict(enumerate(world.SHAPES))
    data.write_text(json.dumps({"path": str(folder), "train": "images/train", "val": "images/val", "names": names}))
    overrides = {
        "model": str(Path(__file__).with_name(NETWORK)), "data": str(data), "epochs": epochs, "imgsz": side,
        "batch": batch, "nbs": batch, "seed": seed, "device": "cpu", "workers": 0, "amp": False,
        "plots": False, "pretrained": False, "verbose": False, "patience": epochs,
        "project": str(folder), "name": "run", "exist_ok": True,
        "optimizer": "AdamW", "lr0": learning_rate, "lrf": 0.01, "cos_lr": True, "warmup_epochs": 1.0,
        # A shape must be known by its outline: any hue, so that the usual colour of a shape gives no hint.
        "hsv_h": 0.5, "hsv_s": 0.4, "hsv_v": 0.3, "scale": 0.4, "translate": 0.1, "fliplr": 0.5,
        "mosaic": 1.0, "close_mosaic": max(1, epochs // 4),
    }  # fmt: skip
    began = time.process_time()
    losses: list[float] = []

    def report(trainer: Any) -> None:
        losses.append(float(sum(trainer.tloss.values())))
        log.info(
            "detector epoch %d of %d: loss %.3f, mAP50 %.3f, %d CPU-seconds",
            len(losses), epochs, losses[-1], _map50(trainer), time.process_time() - began,
        )  # fmt: skip

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        trainer = Trainer(overrides=overrides)
        for event in trainer.callbacks.values():
            event.clear()  # integrations that would log into the user's MLflow, Comet and others
        trainer.add_callback("on_fit_epoch_end", report)
        trainer.train()
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
    return trainer.ema.ema, losses, _map50(trainer)


def _map50(trainer: Any) -> float:
    return float(trainer.metrics["metrics/mAP50(B)"])
