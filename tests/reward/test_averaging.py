"""The mean of models that were trained apart: its weights are theirs, its folder is read as any other."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.errors import UserError
from vlrm.pipelines.rm_training.nodes import average_rounds
from vlrm.reward.averaging import AveragedReward
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.scoring import score
from vlrm.reward.train import train_reward_model
from vlrm.vlm import Vlm


@pytest.fixture
def saved(tiny_folder, tmp_path):
    images = stored(tmp_path / "store")

    def of(name, seed, **given):
        model = reward_model(tiny_folder, tmp_path / "store")
        train_reward_model(
            model, pairs_about(images), critiques(), targets(images), settings(**given), seed, lambda _: None
        )
        model.save(tmp_path / name)
        return tmp_path / name

    return of


@pytest.fixture
def read(tiny_folder, tmp_path):
    return lambda folder: RewardModel.load(folder, Vlm.load(tiny_folder, tmp_path / "store"))


@pytest.mark.parametrize("given", [({}, {"lora_rank": 2, "lora_alpha": 16}), ({"mode": "full", "rate": 1e-3},) * 2])
def test_its_weights_are_the_mean_of_theirs(saved, read, tmp_path, given):
    """With adapters merged, as a model is read: also where ranks and scales of the adapters differ."""
    folders = [saved("one", 1, **given[0]), saved("other", 2, **given[1])]
    AveragedReward(folders, [1, 3]).save(tmp_path / "mean")
    one, other, mean = (read(folder).state_dict() for folder in (*folders, tmp_path / "mean"))
    compared = [name for name, value in mean.items() if "lora_" not in name and value.is_floating_point()]
    assert any((one[name] - other[name]).abs().max() > 1e-3 for name in compared)
    for name in compared:
        torch.testing.assert_close(mean[name], one[name] / 4 + other[name] * 3 / 4, rtol=1e-5, atol=1e-6)


def test_a_mean_of_equals_scores_as_they_do(saved, read, tmp_path):
    folder = saved("one", 1)
    AveragedReward([folder, folder], [2, 5]).save(tmp_path / "mean")
    images = stored(tmp_path / "store")
    rows = [Row(pair.image, pair.question, pair.chosen) for pair in pairs_about(images)]
    same, mean = score(read(folder), rows), score(read(tmp_path / "mean"), rows)
    assert abs(same - mean).max() < 1e-5


def test_models_trained_otherwise_are_refused_by_name(saved, tmp_path):
    folders = [saved("one", 1, mode="full"), saved("other", 2)]
    with pytest.raises(UserError, match=r"one cannot be averaged .*other, .*adapter, mode: set reward.averaged: 1"):
        AveragedReward(folders, [1, 1]).save(tmp_path / "mean")


def test_a_rounds_model_is_the_mean_of_the_last_trainings_each_by_its_pairs(tmp_path):
    trained = [tmp_path / name for name in ("01", "02", "03")]
    pairs = [pa.table({"pair_id": list("x" * n)}) for n in (5, 3, 2)]
    assert average_rounds(settings(), *trained, *pairs) == trained[2]
    assert average_rounds(settings(averaged=2), trained[0], pairs[0]) == trained[0]
    assert average_rounds(settings(averaged=2), *trained, *pairs) == AveragedReward(trained[1:], [8, 10])
    assert average_rounds(settings(averaged=5), *trained, *pairs) == AveragedReward(trained, [5, 8, 10])
