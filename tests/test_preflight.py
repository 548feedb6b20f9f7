"""What cannot work is refused before anything runs."""

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from vlrm.errors import UserError
from vlrm.preflight import IMAGES, REWARD, PreflightHooks


def pipeline(namespace: str) -> Pipeline:
    return Pipeline([node(lambda seed: seed, "params:seed", "out", name="n", namespace=namespace)])


@pytest.mark.parametrize(("namespace", "images"), [("round_01", "photos"), ("ablation.no_quads.round_01", None)])
def test_what_can_work_is_let_through(namespace, images):
    catalog = DataCatalog({IMAGES: MemoryDataset(images), "params:seed": MemoryDataset(0)})
    PreflightHooks().before_pipeline_run(pipeline(namespace), catalog)


def test_an_ablation_of_a_users_images_is_refused_at_once():
    catalog = DataCatalog({IMAGES: MemoryDataset("photos"), "params:seed": MemoryDataset(0)})
    with pytest.raises(UserError, match="leave images= out"):
        PreflightHooks().before_pipeline_run(pipeline("ablation.no_quads.round_01"), catalog)


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
