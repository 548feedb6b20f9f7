"""``--env gpu`` on a CPU: one whole round in bfloat16 with Qwen2.5-VL and Qwen3-VL checkpoints of the real classes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tiny_project import ROOT, kedro_run
from vlrm.images import open_stored
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Policy, image_store
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.scoring import Scorer, score

sys.path.append(str(ROOT / "tests" / "reward"))  # its tiny checkpoints are what is taught
import taught_models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("gpu_env"), pytest.mark.timeout(1200)]
KINDS = ("qwen2_5_vl", "qwen3_vl")
SIDES = ["chosen_reward", "rejected_reward"]
BUDGET = 9_000
"""Pixels; the world's images have more."""
SMALL = {
    "rounds": 1,
    # The world is drawn, not photographed, and there is no server.
    "experts": [{"name": "detector"}, {"name": "colour"}],
    "world": {
        "prompts_per_round": 14, "calibration_scenes": 20, "calibration_prompts": 2, "gate_prompts": 12,
        "report_prompts": 12,
    },
    "verdicts": {"certain": 0.8, "shrink": 8},
    "rule": {"budget": 20, "least": 2},
    "critiques": {"samples": 1, "sampling": {"temperature": 0.4, "max_new_tokens": 36}},
    "critic": {"epochs": 1},
    "reward": {"epochs": 1},
    "gate_exam": {"organic": 6, "edited": 2, "quads": 2, "groups": 0},
    "report_exam": {"organic": 6, "edited": 2, "quads": 2, "groups": 1},
    "best_of": {"prompts": 3, "candidates": 2},
}  # fmt: skip


def policy(base: Path) -> dict[str, object]:
    own = {"base": str(base), "endpoint": None, "max_pixels": BUDGET, "candidates": 4}
    return own | {"sampling": {"temperature": 0.7, "max_new_tokens": 24}}


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory) -> tuple[Path, Path, dict[str, object], str]:
    """The data folder, the finished line of rounds in it, the policy, and what was said. Both share what experts saw."""
    data = tmp_path_factory.getbasetemp() / "gpu_env"
    settings = policy(taught_models.write(request.param, data / "models" / request.param))
    given = SMALL | {"policy": settings, "data": str(data), "experiment": request.param}
    file = data / f"{request.param}.yml"
    file.write_text(yaml.safe_dump({"run": {"pipelines": "iterate", "env": "gpu", "params": given}}))
    done = kedro_run(ROOT, "--config", str(file))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-4000:]
    return data, data / "rounds" / request.param, settings, done.stdout


def records(line: Path, name: str) -> list[dict[str, object]]:
    return pl.read_parquet(line / name).to_dicts()


def test_every_stage_ran(run):
    _, line, _, shown = run
    summary = json.loads((line.parents[1] / "08_reporting/iterate.json").read_text())
    assert [one["round"] for one in summary["rounds"]] == [0, 1]
    assert summary["rounds"][1]["pairs_kept"] == len(records(line, "01/pairs.parquet")) >= SMALL["rule"]["least"]
    critic = line / "01/critic"
    assert (critic / "adapter_model.safetensors").exists(), "no critique was accepted, so no critic learned"
    assert json.loads((line / "promotion.json").read_text())["reasons"]
    assert "Traceback" not in shown


def test_scores_are_finite_and_the_reward_model_learned(run):
    _, line, _, _ = run
    scores = {number: pl.read_parquet(line / number / "scores.parquet") for number in ("00", "01")}
    for table in scores.values():
        assert np.isfinite(table.select(SIDES).to_numpy()).all()
    assert scores["00"][SIDES[0]].to_list() != scores["01"][SIDES[0]].to_list()
    tensors = load_file(line / "01/reward_model/adapter/adapter_model.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.float32}
    assert max(float(value.abs().max()) for name, value in tensors.items() if "lora_B" in name) > 0


def test_the_saved_model_scores_the_same_through_scorer(run):
    data, line, settings, _ = run
    folder = line / "01/reward_model"
    assert json.loads((folder / "reward.json").read_text())["dtype"] == "bfloat16"
    pairs = records(line, "01/pairs.parquet")[:6]
    rows = [
        Row(pair["image_sha256"], pair["question"], pair[side]) for pair in pairs for side in ("chosen", "rejected")
    ]
    vlm = open_vlm(Policy.model_validate(settings | {"dtype": "bfloat16", "features": True}), str(data))
    here = score(RewardModel.load(folder, vlm), rows)
    scorer = Scorer.load(folder, device="cpu")
    images = [open_stored(str(row.image), image_store(str(data))) for row in rows]
    assert all(image.width * image.height > BUDGET for image in images)
    served = [(image, row.question, row.response) for image, row in zip(images, rows, strict=True)]
    np.testing.assert_array_equal(scorer.rewards(served, critiques=0), here)
    assert scorer.model.backbone.dtype is torch.bfloat16 and here.std() > 0


def test_what_was_seen_is_kept_on_disk(run):
    data, _, _, _ = run
    assert len(list((data / "cache/features").rglob("*.safetensors"))) > SMALL["world"]["gate_prompts"]
