"""A training of the tests' small case in a process of its own: ``FOLDER OUT [STEP]`` dies by SIGKILL after STEP."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.reward.checkpoints import weights_of
from vlrm.reward.objective import PairObjective
from vlrm.reward.train import train_reward_model

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    die_after = int(sys.argv[3]) if len(sys.argv) > 3 else None
    chosen = settings(epochs=2.4, checkpoint_steps=2, patience=9, validation_steps=1, accumulation=2)
    images = stored(folder / "images")
    model = reward_model(folder / "base", folder / "images")
    pairs = pairs_about(images)
    logs = []

    def progress(log) -> None:
        logs.append(log)
        if log.step == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    train_reward_model(
        model, pairs, critiques(), targets(images), chosen, 7, progress, validation=pairs[:3], work=folder / "work"
    )
    save_file(weights_of(PairObjective(model, chosen)), out)
    print(*[f"{log.step}:{log.loss.hex()}" for log in logs])
