"""A reward model that never sees an image, trained on kept pairs: how far words alone carry it on others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import yaml

from measured_on import ROOT
from vlrm.ablation.arms import Recipe
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.rows import training_pairs
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining, train_reward_model
from vlrm.schema import PAIRS
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

EPOCHS = 2


def text_only_margins(train: pl.DataFrame, test: pl.DataFrame, line: Path, data: Path, seed: int) -> np.ndarray:
    """Reward of chosen minus rejected on ``test`` after training on ``train``, every image blank, from round 0.

    ``line``: the folder of the run's rounds; ``data``: its data folder. The loop's own settings, fewer epochs: there
    are as many pairs as in all rounds together.
    """
    settings = yaml.safe_load((ROOT / "conf" / "base" / "parameters_loop.yml").read_text("utf-8"))
    folder = line / "00" / "reward_model"
    base = ROOT / RewardModel.read_config(folder).base
    model = RewardModel.load(folder, Vlm.load(base, data / "01_raw" / "images"))
    Recipe(text_only=True).narrow(model)
    training = RewardTraining(**settings["reward"] | {"epochs": EPOCHS, "image_contrast": 0.0, "with_critique": 0.0})
    pairs = training_pairs(train.select(PAIRS.names).to_arrow().cast(PAIRS))
    train_reward_model(model, pairs, {}, [], training, seed, lambda log: None)
    rows = [Row(r["image_sha256"], r["question"], r[s]) for r in test.to_dicts() for s in ("chosen", "rejected")]
    rewards = score(model, rows).reshape(-1, 2)
    return np.asarray(rewards[:, 0] - rewards[:, 1], dtype=np.float64)
