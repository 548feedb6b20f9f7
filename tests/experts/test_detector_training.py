"""Training the detector: seconds of it, and the loss falls, without checkpoints and without logging elsewhere."""

import logging

import pytest
from pydantic import ValidationError

from vlrm.errors import UserError
from vlrm.experts.detector import Detector, Settings
from vlrm.experts.training import DetectorTraining, train


def test_a_minute_model_learns_and_is_written_as_safetensors(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)  # whatever is left behind would be left here
    out = tmp_path / "detector"
    with caplog.at_level(logging.INFO, logger="vlrm.experts.training"):
        config = train(DetectorTraining(out=out, scenes=48, epochs=4, validation=6, side=96, batch=8, seed=3))
    assert len(config["loss"]) == 4 and config["loss"][-1] < 0.85 * config["loss"][0]
    assert config["test"]["objects"]["support"] > 0 and config["training"]["seed"] == 3
    assert sum("detector epoch" in line for line in caplog.messages) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector"]
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    assert Detector(Settings(weights=out)).side == 96


def test_mistakes_are_found_before_training(tmp_path):
    with pytest.raises(ValidationError, match="epoch_count"):
        DetectorTraining(epoch_count=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        train(DetectorTraining(out=tmp_path / "file" / "detector"))
