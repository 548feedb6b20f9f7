"""Nodes of reward-model training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlrm.critiques.sampling import sample_critiques
from vlrm.critiques.templates import choose
from vlrm.errors import UserError
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import SEEDS, row_seed
from vlrm.progress import say
from vlrm.reward.critic import CriticExample, CriticTraining, load_critic, save_critic, train_critic
from vlrm.reward.model import RewardModel
from vlrm.reward.rows import TrainingPair, critique_texts, training_pairs
from vlrm.reward.train import RewardTraining, StepLog, train_reward_model
from vlrm.schema import QUESTION
from vlrm.vlm import Vlm


class SavedCritic:
    """A trained critic on its way to a folder."""

    def __init__(self, vlm: Vlm | None) -> None:
        self.vlm = vlm

    def save(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "README.txt").write_text("LoRA adapter of the critic; without one the base model is the critic.\n")
        if self.vlm is not None:
            save_critic(self.vlm, path)


class TrainedReward:
    """A trained reward model on its way to a folder; its checkpoints go when it is there."""

    def __init__(self, model: RewardModel, checkpoints: Path | None) -> None:
        self.model = model
        self.checkpoints = checkpoints

    def save(self, path: Path) -> None:
        self.model.save(path)

    def settled(self) -> None:
        """The model lies where it is looked for."""
        if self.checkpoints is not None:
            shutil.rmtree(self.checkpoints, ignore_errors=True)


def learn_to_criticise(
    policy: Policy, training: CriticTraining, reward: RewardTraining, seed: int, data: str, *targets: pa.Table
) -> SavedCritic:
    """The critic of this round, from the base on the accepted critiques of all rounds."""
    examples = critic_examples(targets)
    if not examples:
        return SavedCritic(None)
    vlm = open_vlm(policy, data)
    train_critic(
        vlm, examples, training, reward.lora_targets, row_seed("critic", seed, len(examples)),
        lambda step, steps, loss: say(f"critic step {step} of {steps}, loss {loss:.3f}"),
    )  # fmt: skip
    return SavedCritic(vlm)


def critic_examples(targets: Sequence[pa.Table]) -> list[CriticExample]:
    return [
        CriticExample(row["image_sha256"], row["question"], row["response"], row["critique"], row["template"])
        for table in targets
        for row in table.to_pylist()
    ]


def criticise_on_policy(
    critic: Path, policy: Policy, critiques: Critiques, seed: int, data: str, *pairs: pa.Table
) -> pa.Table:
    """Critiques as they will be at scoring: by this round's critic, without evidence, unfiltered."""
    vlm = open_vlm(policy, data)
    load_critic(vlm, critic)
    rows = criticised(pairs, critiques.on_policy_share)
    template = choose(critiques.template, vlm.model.config)
    return sample_critiques(LocalWriter(vlm), rows, critiques.on_policy, critiques.sampling, seed, template)


def criticised(pairs: Sequence[pa.Table], share: float) -> list[dict[str, Any]]:
    """The responses, each once, of a ``share`` of the pairs: the same pairs in every round. An answer to a question
    about one claim has nothing to be criticised step by step."""
    rows = {}
    for row in (row for table in pairs for row in table.to_pylist()):
        if row["source"] == QUESTION or row_seed("criticised", row["chosen_id"], row["rejected_id"]) >= share * SEEDS:
            continue
        for side in ("chosen", "rejected"):
            rows[row[f"{side}_id"]] = {
                "response_id": row[f"{side}_id"], "image_sha256": row["image_sha256"],
                "question": row["question"], "text": row[side],
            }  # fmt: skip
    return list(rows.values())


def learn_to_reward(
    round_zero: Path,
    head_critiques: pa.Table,
    policy: Policy,
    training: RewardTraining,
    seed: int,
    data: str,
    *tables: pa.Table,
) -> tuple[RewardModel, dict[str, Any]]:
    """A reward model from round 0, without an exam; ``tables``: kept pairs of all rounds, then their critiques."""
    trained, told = _learn(round_zero, head_critiques, [], policy, training, seed, data, tables)
    return trained.model, told


def learn_with_exam(
    round_zero: Path,
    head_critiques: pa.Table,
    exam: pa.Table,
    policy: Policy,
    training: RewardTraining,
    seed: int,
    data: str,
    *tables: pa.Table,
) -> tuple[TrainedReward, dict[str, Any]]:
    """As :func:`learn_to_reward`, to be saved; with ``training.patience``, the exam's gate pairs say when to stop."""
    validation = gate_pairs(exam) if training.patience is not None else []
    return _learn(round_zero, head_critiques, validation, policy, training, seed, data, tables)


def _learn(
    round_zero: Path,
    head_critiques: pa.Table,
    validation: Sequence[TrainingPair],
    policy: Policy,
    training: RewardTraining,
    seed: int,
    data: str,
    tables: Sequence[pa.Table],
) -> tuple[TrainedReward, dict[str, Any]]:
    half = len(tables) // 2
    pairs, examples = training_pairs(pa.concat_tables(tables[:half])), critic_examples(tables[half:])
    if not pairs:
        raise UserError(
            "no pair was kept, so there is nothing to train on: loosen rule.alpha, or bring more prompts "
            "(world.prompts_per_round)"
        )
    model = RewardModel.load(round_zero, open_vlm(policy, data))
    logs: list[StepLog] = []

    def progress(log: StepLog) -> None:
        logs.append(log)
        say(f"reward step {log.step} of {log.total}, loss {log.loss:.3f}, accuracy {log.accuracy:.2f}")

    checkpoints = train_reward_model(
        model,
        pairs,
        critique_texts(head_critiques),
        examples,
        training,
        row_seed("reward", seed, len(pairs)),
        progress,
        validation=validation,
        work=Path(data) / "06_models" / "unfinished",
    )
    told = {"pairs": len(pairs), "critiques": len(examples), "steps": [vars(log) for log in logs]}
    return TrainedReward(model, checkpoints), told  # fmt: skip


def gate_pairs(exam: pa.Table) -> list[TrainingPair]:
    """The pairs of the exam's gate split, each of weight one, without a severity margin."""
    return [
        TrainingPair(
            row["image_sha256"], row["question"], row["chosen"], row["rejected"],
            f"{row['item_id']} chosen", f"{row['item_id']} rejected", 1.0, 0.0, row["quad_id"],
        )
        for row in exam.to_pylist()
        if row["split"] == "gate"
    ]  # fmt: skip
