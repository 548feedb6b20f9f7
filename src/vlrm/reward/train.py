"""Trains a round's reward model: LoRA, head and scales from where round 0 stands, on all pairs kept so far."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.reward.batches import MicroBatch, TrainingPlan
from vlrm.reward.learning import check_ready, make_trainable
from vlrm.reward.model import Row
from vlrm.reward.objective import PairObjective, image_contrast
from vlrm.reward.settings import LINEAR, RewardTraining
from vlrm.reward.step_log import StepLog
from vlrm.reward.trainer import RewardTrainer, arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.reward.critic import CriticExample
    from vlrm.reward.model import RewardModel
    from vlrm.reward.rows import CritiqueTexts, TrainingPair

__all__ = ["LINEAR", "RewardTraining", "StepLog", "image_contrast", "train_reward_model"]
SHARED = ("processes", "accumulation", "launch", "checkpoint_steps")
"""Settings that say by whom a step is made and how often it is kept, not what comes out."""
VALIDATION_PAIRS = 8
"""Pairs of one forward pass of validation."""


def train_reward_model(
    model: RewardModel,
    pairs: Sequence[TrainingPair],
    critiques: CritiqueTexts,
    targets: Sequence[CriticExample],
    settings: RewardTraining,
    seed: int,
    progress: Callable[[StepLog], None],
    *,
    validation: Sequence[TrainingPair] = (),
    work: Path | None = None,
) -> Path | None:
    """Train ``model`` in place (docs/training.md).

    Args:
        validation: pairs for ``settings.patience``, read without critiques.
        work: where ``settings.checkpoint_steps`` keeps checkpoints, in a folder named after what is trained on what;
            a training that was killed goes on from there.

    Returns:
        The folder of its checkpoints if it wrote any: to be removed once the model is saved.

    Raises:
        UserError: the loss stayed unsound after ``settings.restores`` restored steps; a mode or launch configuration
            that cannot be had here; processes that ended without a model.
    """
    folder = None
    targets = targets if settings.language_model > 0 else ()  # read for nothing otherwise
    if work is not None and settings.checkpoint_steps is not None:
        folder = work / fingerprint(model, pairs, critiques, targets, validation, settings, seed)[:16]
    check_ready(settings)
    if settings.launch is not None:
        from vlrm.reward.launch import train_in_processes

        train_in_processes(model, pairs, critiques, targets, settings, seed, progress, validation, folder)
    else:
        make_trainable(model, settings, seed)
        fit(PairObjective(model, settings), pairs, critiques, targets, seed, progress, validation, folder)
    model.eval()
    return folder


def fit(
    objective: PairObjective,
    pairs: Sequence[TrainingPair],
    critiques: CritiqueTexts,
    targets: Sequence[CriticExample],
    seed: int,
    progress: Callable[[StepLog], None],
    validation: Sequence[TrainingPair] = (),
    folder: Path | None = None,
) -> None:
    """Train what is marked to learn, in this process or, inside ``accelerate launch``, in all of them together."""
    settings, vlm = objective.settings, objective.model.vlm

    def tokens(examples: Sequence[CriticExample]) -> list[int]:
        return [len(ids) + 1 for ids in vlm.token_ids([example.critique for example in examples])]

    with TemporaryDirectory() as spare:
        args = arguments(settings, folder or Path(spare), seed, objective.model.vlm.model.device)
        if settings.launch is not None and args.world_size != settings.processes:
            raise UserError(
                f"{args.world_size} of {settings.processes} processes train together: reward.launch "
                f"({settings.launch}) does not fit this machine's devices"
            )
        per_step = settings.accumulation * args.world_size
        plan = TrainingPlan(pairs, critiques, targets, settings, seed, per_step, objective.model.lengths, tokens)
        RewardTrainer(objective, plan, args, progress, validation_batches(validation), folder is not None).fit()
    if settings.gradient_checkpointing:
        objective.model.backbone.get_decoder().activation_checkpointing_disable()


def validation_batches(pairs: Sequence[TrainingPair]) -> list[MicroBatch]:
    """Pairs without critiques, in order."""
    batches = []
    for start in range(0, len(pairs), VALIDATION_PAIRS):
        part = list(pairs[start : start + VALIDATION_PAIRS])
        rows = [Row(pair.image, pair.question, text) for pair in part for text in (pair.chosen, pair.rejected)]
        batches.append(MicroBatch(part, rows, []))
    return batches


def fingerprint(
    model: RewardModel, pairs: Sequence[TrainingPair], critiques: CritiqueTexts, targets: Sequence[CriticExample],
    validation: Sequence[TrainingPair], settings: RewardTraining, seed: int,
) -> str:  # fmt: skip
    """SHA-256 of all that a training's result depends on: only its own checkpoints are gone on from.

    How many processes share a step, and how often it is written, changes nothing of it.
    """
    digest = hashlib.sha256()
    said = settings.model_dump(mode="json", exclude=set(SHARED)) | {"parts": settings.processes * settings.accumulation}
    facts = [model.config.model_dump(mode="json"), said, seed, dict(critiques), len(pairs)]
    rows = [dataclasses.asdict(pair) for pair in [*pairs, *validation]]
    rows += [dataclasses.asdict(target) for target in targets]
    for fact in [*facts, *rows]:
        digest.update(json.dumps(fact, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
