"""The pipeline that exports a reward model: which rows it takes, what it tells, and what it refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch
from PIL import Image

from vlrm import images as store
from vlrm.catalog import Folder
from vlrm.errors import UserError
from vlrm.pipelines.export_reward_model.nodes import export_reward_model
from vlrm.pipelines.export_reward_model.pipeline import create_pipeline
from vlrm.pipelines.settings import image_store
from vlrm.reward.export import ABOUT, ExportModel
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.vlm import Vlm

SAID = ("There is a red star.", "I can see two blue balls.", "a small green ring")


@pytest.fixture
def round_one(tiny_folder, tmp_path):
    """A saved reward model, the data folder, its pairs and its exam."""
    data = tmp_path / "data"
    shas = [store.store(Image.new("RGB", (48, 32), (40 * i, 90, 9)), image_store(str(data))) for i in range(6)]
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(Vlm.load(tiny_folder, tmp_path), config)
    torch.nn.init.ones_(model.head.last.weight)
    model.save(tmp_path / "model")

    def pairs(some, **more):
        rows = [
            {"image_sha256": sha, "question": "What is in the image?", "chosen": SAID[0], "rejected": said, **more}
            for sha in some
            for said in SAID[1:]
        ]
        return pa.Table.from_pylist(rows)

    exam = pa.concat_tables([pairs(shas[3:5], split="gate"), pairs(shas[5:], split="report")])
    return tmp_path / "model", data, pairs(shas[:3]), exam


def test_the_form_is_fitted_on_kept_pairs_and_measured_on_the_gate(round_one, tmp_path, capsys):
    folder, data, pairs, exam = round_one
    settings = ExportModel(checked_rows=2)
    made = export_reward_model(str(folder), settings, str(data), "default", exam, pairs, pairs)
    gate = set(exam["image_sha256"][:4].to_pylist())
    assert len(made.rows) == 9 and {row.image for row in made.held_out} == gate
    dataset = Folder(str(tmp_path / "exported"))
    dataset.save(made)
    shown = capsys.readouterr().out
    assert "on 6 held-out responses" in shown and "no class of transformers by itself" in shown
    assert "vlrm_scene_tower" in shown and (dataset.load() / ABOUT).is_file()
    assert "Merged    at most" in shown


def test_rows_are_whole_images_up_to_the_most(round_one):
    folder, data, pairs, exam = round_one
    made = export_reward_model(str(folder), ExportModel(rows=6), str(data), "default", exam, pairs)
    assert len(made.rows) == 6 and len({row.image for row in made.rows}) == 2


def test_without_a_round_or_a_model_the_command_says_what_makes_one(round_one, tmp_path):
    folder, data, _, _ = round_one
    with pytest.raises(UserError, match="no round is finished"):
        export_reward_model(str(folder), ExportModel(), str(data), "default")
    with pytest.raises(UserError, match="no champion yet"):
        export_reward_model("champion", ExportModel(), str(data), "default")


def test_the_pipeline_reads_all_finished_rounds():
    assert create_pipeline(None).inputs() == {"params:model", "params:export_model", "params:data", "params:experiment"}
    assert {"exam", "pairs_01", "pairs_02"} <= create_pipeline(2).inputs()
