"""A training that was killed goes on from its last checkpoint to the very same bits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.reward.checkpoints import OPTIMIZER, WEIGHTS, checkpoints, read_state, weights_of
from vlrm.reward.objective import PairObjective
from vlrm.reward.train import fingerprint, train_reward_model

SCRIPT = Path(__file__).with_name("killed_training.py")


def run(*told) -> subprocess.CompletedProcess:
    paths = [str(SCRIPT.parent), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, told)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_killed_at_a_step_and_resumed_it_ends_bit_for_bit_where_it_would_have(tiny_folder, tmp_path):
    for name in ("whole", "killed"):
        shutil.copytree(tiny_folder, tmp_path / name / "base")
    whole = run(tmp_path / "whole", tmp_path / "whole.safetensors")
    assert whole.returncode == 0, whole.stderr
    killed = run(tmp_path / "killed", tmp_path / "never.safetensors", 3)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "never.safetensors").exists()
    (work,) = (tmp_path / "killed" / "work").iterdir()
    assert [one.name for one in checkpoints(work)] == ["checkpoint-2"]
    again = run(tmp_path / "killed", tmp_path / "resumed.safetensors")
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[:2] == whole.stdout.split()[:2]  # steps before the kill are told again
    assert again.stdout == whole.stdout
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "resumed.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.fixture
def case(tiny_folder, tmp_path):
    images = stored(tmp_path / "images")

    def train(steps=2, **given):
        model, logs = reward_model(tiny_folder, tmp_path / "images"), []
        chosen = settings(epochs=1.2, checkpoint_steps=steps, **given)
        rest = (pairs_about(images), critiques(), targets(images), chosen, 7, logs.append)
        train_reward_model(model, *rest, work=tmp_path / "work")
        return logs, weights_of(PairObjective(model, chosen))

    return train, tmp_path / "work"


def test_a_checkpoint_holds_what_learns_and_only_the_last_two_stay(case):
    train, work = case
    _, weights = train(steps=1)
    (folder,) = work.iterdir()
    assert [one.name for one in checkpoints(folder)] == ["checkpoint-2", "checkpoint-3"]
    kept = load_file(checkpoints(folder)[-1] / WEIGHTS)
    assert kept.keys() == weights.keys() and all(torch.equal(kept[name], weights[name]) for name in kept)
    assert not any("vision_tower" in name or "base_layer" in name for name in kept)
    assert len(read_state(checkpoints(folder)[-1], OPTIMIZER)["state"]) == len(weights)
    assert not any((folder / "writing").iterdir())


def test_a_finished_training_is_not_done_again(case):
    train, _ = case
    _, weights = train()
    logs, again = train()
    assert [log.step for log in logs] == [1, 2, 3]
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_a_half_written_checkpoint_is_not_taken_for_one(case):
    train, work = case
    _, weights = train()
    (folder,) = work.iterdir()
    for one in checkpoints(folder):
        shutil.rmtree(one)
    (folder / "writing" / "checkpoint-2").mkdir(parents=True)
    (folder / "writing" / "checkpoint-2" / WEIGHTS).write_bytes(b"half")
    _, again = train()
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_other_settings_do_not_go_on_from_these_checkpoints(case):
    train, work = case
    train()
    logs, _ = train(rate=1e-3)
    assert len(list(work.iterdir())) == 2
    assert logs[0].rate == pytest.approx(1e-3)


def test_who_makes_a_step_is_no_other_training_and_what_decides_its_end_is(tiny_folder, tmp_path):
    images = stored(tmp_path / "images")
    model, pairs = reward_model(tiny_folder, tmp_path / "images"), pairs_about(images)

    def named(validation=(), **given) -> str:
        return fingerprint(model, pairs, {}, [], validation, settings(**given), 0)

    shared = named(processes=8, launch="fsdp.yaml", checkpoint_steps=100)
    assert named(processes=4, accumulation=2, launch="other.yaml") == shared
    assert len({shared, named(), named(processes=4), named(pairs[:2], processes=8)}) == 4
