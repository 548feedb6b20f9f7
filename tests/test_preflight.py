"""What cannot work is refused before anything runs."""

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from vlrm.errors import UserError
from vlrm.preflight import POLICY, REWARD, PreflightHooks

IMAGES = "params:images"


@pytest.mark.parametrize("images", ["here", None])
def test_what_can_work_is_let_through(images, tmp_path):
    given = str(tmp_path) if images else None
    catalog = DataCatalog({IMAGES: MemoryDataset(given), REWARD: MemoryDataset({})})
    training = Pipeline([node(lambda images, reward: reward, [IMAGES, REWARD], "out", name="n")])
    PreflightHooks().before_pipeline_run(training, catalog)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"launch": "nowhere.yaml"}, "no accelerate configuration nowhere.yaml"),
        ({"mode": "qlora"}, "mode: qlora needs"),
    ],
)
def test_a_training_that_this_machine_cannot_do_is_refused_at_once(asked, told):
    training = Pipeline([node(lambda reward: reward, REWARD, "out", name="n")])
    catalog = DataCatalog({IMAGES: MemoryDataset(None), REWARD: MemoryDataset(asked)})
    with pytest.raises(UserError, match=told):
        PreflightHooks().before_pipeline_run(training, catalog)


def test_files_that_are_not_there_are_refused_before_a_base_model_is_made(tmp_path):
    base = tmp_path / "vlm"
    loop = Pipeline([node(lambda images, reward, policy: images, [IMAGES, REWARD, POLICY], "out", name="n")])
    catalog = DataCatalog({
        IMAGES: MemoryDataset(str(tmp_path / "nowhere")), REWARD: MemoryDataset({}),
        POLICY: MemoryDataset({"base": str(base)}),
    })  # fmt: skip
    with pytest.raises(UserError, match="nowhere does not exist: give the path of a folder"):
        PreflightHooks().before_pipeline_run(loop, catalog)
    assert not base.exists()
