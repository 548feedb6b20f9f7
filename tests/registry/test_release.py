"""What a released folder says of how its model is to be read."""

from vlrm.pipelines.iterate.nodes import release_model
from vlrm.pipelines.settings import Critiques
from vlrm.policy.protocol import Sampling
from vlrm.reward.model import ModelConfig, RewardModel


def test_critiques_are_drawn_from_a_released_model_as_they_were_in_training_and_exam(tmp_path):
    config = ModelConfig(base="me/base", likelihood_scale=1, yes_scale=0, verify_form=0, readout="likelihood")
    for name in ("model", "critic"):
        (tmp_path / name).mkdir()
    (tmp_path / "model/reward.json").write_text(config.model_dump_json())
    critiques = Critiques(exam_samples=3, sampling=Sampling(temperature=0.4, max_new_tokens=300))
    chosen = {"metrics": {"readout": "critiques", "temperature": 2.5}}
    release_model(tmp_path / "model", tmp_path / "critic", chosen, critiques).save(tmp_path / "released")
    read = RewardModel.read_config(tmp_path / "released")
    assert read.sampling == critiques.sampling
    assert (read.critiques, read.temperature) == (3, 2.5)
