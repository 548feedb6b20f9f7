"""Kedro-Viz opens the DAG: rounds are boxes that open into their stages."""

from __future__ import annotations

import pytest

from tiny_project import ROOT

STAGES = ("expert_annotation", "critique_generation", "rejection_sampling", "rm_training", "evaluation")


@pytest.fixture(scope="module")
def graph(whole_run):
    pytest.importorskip("kedro_viz")
    from kedro_viz.api.rest.responses.pipelines import get_pipeline_response
    from kedro_viz.server import load_and_populate_data

    load_and_populate_data(ROOT, env="smoke", extra_params={"data": str(whole_run.data)})
    return get_pipeline_response("iterate")


def test_rounds_are_boxes_that_open_into_stages(graph):
    boxes = graph.modular_pipelines
    rounds = {child.id for child in boxes["__root__"].children if child.type == "modularPipeline"}
    assert rounds == {"round_00", "round_01", "round_02"}
    opened = {child.id for child in boxes["round_01"].children if child.type == "modularPipeline"}
    assert opened == {f"round_01.{stage}" for stage in STAGES}


def test_every_dataset_of_a_round_lies_in_its_layer(graph):
    # the layers of all registered pipelines are listed, those of the ablation among them
    assert [layer for layer in graph.layers if layer.startswith("round ")] == ["round 00", "round 01", "round 02"]
