"""Training in two processes, its weights cut up between them, is the training of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sharded_training
import torch
import yaml
from accelerate import DistributedType
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.errors import UserError
from vlrm.reward import launch
from vlrm.reward.checkpoints import weights_of
from vlrm.reward.objective import PairObjective
from vlrm.reward.train import train_reward_model
from vlrm.reward.trainer import arguments

CONF = Path(__file__).parents[2] / "conf" / "distributed"
SHARDED = {"launch": str(CONF / "fsdp_cpu.yaml"), "processes": 2}


def trained(tiny_folder, store, images, chosen, **more):
    model, logs = reward_model(tiny_folder, store), []
    pairs = pairs_about(images)
    train_reward_model(model, pairs, critiques(), targets(images), chosen, 7, logs.append, validation=pairs[:3], **more)
    return logs, weights_of(PairObjective(model, chosen))


def test_two_sharded_processes_are_one_with_two_micro_batches(tiny_folder, tmp_path):
    images = stored(tmp_path)
    more = {"mode": "full", "rate": 1e-4, "gradient_checkpointing": True, "patience": 5, "validation_steps": 1}
    chosen = settings(epochs=0.8, **more)
    logs, weights = trained(tiny_folder, tmp_path, images, chosen.model_copy(update={"accumulation": 2}))
    again, same = trained(tiny_folder, tmp_path, images, chosen.model_copy(update=SHARDED))
    for name in ("loss", "margin", "reward_min", "reward_max", "gradient_norm"):
        found, expected = ([getattr(log, name) for log in some] for some in (again, logs))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert same.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(same[name], value, rtol=0, atol=1e-5)


def test_what_one_process_left_two_go_on_from(tiny_folder, tmp_path):
    images, work = stored(tmp_path), tmp_path / "work"
    alone = settings(epochs=1.2, rate=1e-4, checkpoint_steps=1, accumulation=2)
    logs, weights = trained(tiny_folder, tmp_path, images, alone)

    class Killed(Exception):
        pass

    def until_the_second(log) -> None:
        if log.step == 2:
            raise Killed

    model, pairs = reward_model(tiny_folder, tmp_path), pairs_about(images)
    given = (model, pairs, critiques(), targets(images), alone, 7, until_the_second)
    with pytest.raises(Killed):
        train_reward_model(*given, validation=pairs[:3], work=work)
    (left,) = work.iterdir()
    begun = len(list(left.glob("checkpoint-*")))
    together = alone.model_copy(update=SHARDED | {"accumulation": 1})
    again, same = trained(tiny_folder, tmp_path, images, together, work=work)
    assert begun == 1 and [one.name for one in work.iterdir()] == [left.name], "no training from the start beside it"
    np.testing.assert_allclose([log.loss for log in again], [log.loss for log in logs], rtol=1e-5, atol=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(same[name], value, rtol=0, atol=1e-5)


def test_a_process_that_has_only_text_does_not_keep_the_others_waiting(tiny_folder, tmp_path):
    """One of two sharded processes reads images, the other none: same steps as one process that reads both."""
    shutil.copytree(tiny_folder, tmp_path / "base")
    (tmp_path / "images.json").write_text(json.dumps(stored(tmp_path / "images")))
    script = str(Path(__file__).with_name("sharded_training.py"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(script).parent), *filter(None, sys.path)])}
    launched = launch.command(settings(**SHARDED), tmp_path)
    told = [*launched[: launched.index("--module")], script, str(tmp_path), str(tmp_path / "two.safetensors"), "1"]
    subprocess.run(told, env=environment, timeout=300, check=True, capture_output=True)
    sharded_training.main(tmp_path, tmp_path / "one.safetensors", accumulation=2)
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert (one["sharded"], two["sharded"], two["base_sharded"], two["tower_sharded"]) == (0, 1, True, False)
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    expected, found = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for name, value in expected.items():
        torch.testing.assert_close(found[name].reshape(value.shape), value, rtol=0, atol=1e-5)


def test_processes_that_cannot_train_say_why_in_one_sentence(tiny_folder, tmp_path):
    images = stored(tmp_path)
    with pytest.raises(UserError, match="no accelerate configuration nowhere"):
        trained(tiny_folder, tmp_path, images, settings(launch="nowhere.yaml", processes=2))
    model = reward_model(tiny_folder, tmp_path)
    model.backbone.name_or_path = str(tmp_path / "gone")
    with pytest.raises(UserError, match=r"ended without a model: .*UserError: .*gone") as failed:
        train_reward_model(
            model, pairs_about(images), {}, [], settings(**SHARDED | {"processes": 1}), 0, lambda log: None
        )
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "name", ["fsdp.yaml", "fsdp_cpu.yaml", "ddp.yaml", "deepspeed_zero2.yaml", "deepspeed_zero3.yaml"]
)
def test_accelerate_takes_the_shipped_configurations(name):
    config = load_config_from_file(str(CONF / name))
    assert config.mixed_precision == "no"  # settings.bf16 decides
    assert config.main_process_port == 0  # two trainings that start at once on accelerate's own port meet or end
    if config.distributed_type == DistributedType.FSDP:
        assert config.fsdp_config["fsdp_version"] == 2
        assert config.fsdp_config["fsdp_cpu_ram_efficient_loading"] is False


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_files_take_what_the_trainer_knows(stage):
    """As far as DeepSpeed can be checked where it is not installed: the Trainer fills in its "auto" values."""
    file = CONF / f"deepspeed_zero{stage}.json"
    assert yaml.safe_load((CONF / f"deepspeed_zero{stage}.yaml").read_text())["deepspeed_config"] == {
        "deepspeed_config_file": f"conf/distributed/{file.name}", "zero3_init_flag": False,
    }  # fmt: skip
    config = json.loads(file.read_text())
    args = arguments(settings(accumulation=3, bf16=True, clip=0.5), Path("unused"), 0, torch.device("cpu"))
    known = {
        "train_micro_batch_size_per_gpu": args.per_device_train_batch_size,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "gradient_clipping": args.max_grad_norm,
    }
    assert known == {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 3, "gradient_clipping": 0.5}
    assert {name for name, value in config.items() if value == "auto"} == set(known)
    assert config["bf16"] == {"enabled": "auto"} and args.bf16
    assert config["zero_optimization"]["stage"] == stage
    assert "optimizer" not in config and "scheduler" not in config  # two rates and their schedule are the Trainer's
