"""Trains in the processes of ``accelerate launch``: the job in a folder, its steps told, the weights brought back."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from vlrm.devices import dtype_of
from vlrm.errors import UserError
from vlrm.reward.checkpoints import put_weights, weights_of
from vlrm.reward.critic import CriticExample
from vlrm.reward.learning import make_trainable
from vlrm.reward.model import RewardModel
from vlrm.reward.objective import PairObjective
from vlrm.reward.rows import TrainingPair
from vlrm.reward.settings import RewardTraining
from vlrm.reward.step_log import StepLog
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.reward.rows import CritiqueTexts

JOB, START, STEPS, TRAINED, ERRORS = "job.json", "start", "steps.jsonl", "trained.safetensors", "errors.txt"
EVERY = 0.2
"""Seconds between two looks at how far the processes are."""


def train_in_processes(
    model: RewardModel,
    pairs: Sequence[TrainingPair],
    critiques: CritiqueTexts,
    targets: Sequence[CriticExample],
    settings: RewardTraining,
    seed: int,
    progress: Callable[[StepLog], None],
    validation: Sequence[TrainingPair] = (),
    checkpoints: Path | None = None,
) -> None:
    """Train ``model`` as ``settings.launch`` says and put the trained weights into it.

    Raises:
        UserError: the processes ended without a model; with their last words.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / START)
        facts = {
            "base": model.backbone.name_or_path, "images": str(model.vlm.images), "seed": seed,
            "settings": settings.model_dump(mode="json"), "critiques": dict(critiques),
            "checkpoints": None if checkpoints is None else str(checkpoints),
        }  # fmt: skip
        rows = {
            "pairs": [dataclasses.asdict(pair) for pair in pairs],
            "targets": [dataclasses.asdict(target) for target in targets],
            "validation": [dataclasses.asdict(pair) for pair in validation],
        }
        (folder / JOB).write_text(json.dumps(facts | rows))
        _run(command(settings, folder), folder, progress)
        make_trainable(model, settings, seed)
        from safetensors.torch import load_file

        put_weights(PairObjective(model, settings), load_file(folder / TRAINED))


def command(settings: RewardTraining, folder: Path) -> list[str]:
    """What is run: also what a user on several machines runs on each of them."""
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(settings.launch),
        "--num_processes", str(settings.processes), "--module", "vlrm.reward.worker", str(folder),
    ]  # fmt: skip


def work_through(folder: Path) -> None:
    """What each process does: rebuild the model, train it together with the others, and the first one saves it."""
    from accelerate import PartialState
    from safetensors.torch import save_file

    from vlrm.reward.train import fit

    job = json.loads((folder / JOB).read_text())
    settings = RewardTraining(**job["settings"])
    start = RewardModel.read_config(folder / START)
    dtype = dtype_of(start.dtype, torch.device("cpu"))  # accelerate moves it to each process's device
    vlm = Vlm.load(job["base"], Path(job["images"]), dtype, max_pixels=start.max_pixels)
    model = RewardModel.load(folder / START, vlm)
    make_trainable(model, settings, job["seed"])
    objective = PairObjective(model, settings)
    with (folder / STEPS).open("a") as steps:

        def progress(log: StepLog) -> None:  # called in the first process only
            print(json.dumps(dataclasses.asdict(log)), file=steps, flush=True)

        fit(
            objective, [TrainingPair(**row) for row in job["pairs"]], job["critiques"],
            [CriticExample(**row) for row in job["targets"]], job["seed"], progress,
            [TrainingPair(**row) for row in job["validation"]], job["checkpoints"] and Path(job["checkpoints"]),
        )  # fmt: skip
    weights = weights_of(objective)
    if PartialState().is_main_process:
        save_file(weights, folder / TRAINED)
    PartialState().wait_for_everyone()


def _run(told: list[str], folder: Path, progress: Callable[[StepLog], None]) -> None:
    with (folder / ERRORS).open("w") as errors, subprocess.Popen(told, stdout=errors, stderr=errors) as running:  # noqa: S603
        heard = 0
        try:
            while True:
                ended = running.poll() is not None
                steps = _lines(folder / STEPS)
                for line in steps[heard:]:
                    progress(StepLog(**json.loads(line)))
                heard = len(steps)
                if ended:
                    break
                time.sleep(EVERY)
        finally:
            running.terminate()
    if running.returncode != 0 or not (folder / TRAINED).exists():
        raise UserError(f"the processes that trained ended without a model: {_last_words(folder / ERRORS)}")


def _lines(file: Path) -> list[str]:
    """Whole lines so far."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def _last_words(file: Path) -> str:
    """The last error that is the training's own, not the launcher's report of it."""
    said = re.findall(r"(?:^|: )([\w.]*(?:Error|Exception): \S.*)$", file.read_text(), re.MULTILINE)
    return str(said[-1]).strip() if said else "they said nothing; run the command of docs/training.md by hand"
