"""The pipeline that scores a user's table: the model by name or folder, what it tells, what it refuses."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from vlrm.catalog import Folder
from vlrm.errors import UserError
from vlrm.pipelines.score.nodes import FILE, Scoring, score_responses
from vlrm.pipelines.score.pipeline import create_pipeline
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.scoring import Scorer
from vlrm.vlm import Vlm


def test_a_table_is_scored_by_a_folders_model_as_in_python(tiny_folder, tmp_path, capsys):
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(Vlm.load(tiny_folder, tmp_path), config)
    torch.nn.init.ones_(model.head.last.weight)
    model.save(tmp_path / "model")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    asked = [("red.png", "What?", "A star."), (None, "What?", "A star."), ("gone.png", "What?", "A star.")]
    table = tmp_path / "mine.jsonl"
    table.write_text("\n".join(json.dumps({"image": i, "question": q, "response": r}) for i, q, r in asked))
    made = score_responses(str(tmp_path / "model"), str(table), str(tmp_path), Scoring(), str(tmp_path / "data"))
    dataset = Folder(str(tmp_path / "scores"))
    dataset.save(made)
    assert "2 of 3 responses scored" in capsys.readouterr().out
    rewards = pq.read_table(dataset.load() / FILE)["reward"].to_pylist()
    scorer = Scorer.load(tmp_path / "model", tmp_path)
    same = scorer.rewards([(tmp_path / "red.png", "What?", "A star."), (None, "What?", "A star.")])
    assert rewards[:2] == pytest.approx(same.tolist(), abs=1e-5) and rewards[2] is None


def test_without_a_file_or_a_model_the_command_says_what_to_give(tmp_path):
    with pytest.raises(UserError, match="responses=FILE"):
        score_responses("champion", None, None, Scoring(), str(tmp_path))
    with pytest.raises(UserError, match="no champion yet"):
        score_responses("champion", "file.jsonl", None, Scoring(), str(tmp_path))
    assert "params:model" in create_pipeline().inputs()
