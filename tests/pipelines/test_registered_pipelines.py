"""Every pipeline has its name and can be built, and a command imports what its own pipeline needs."""

import copy
import json
import pickle
import subprocess
import sys

import pytest
from kedro.pipeline import Pipeline, node

from vlrm.pipelines import STAGES, registered
from vlrm.pipelines.deferred import DeferredPipeline

HEAVY = {"torch", "transformers", "peft", "sklearn", "scipy", "mlflow", "pandas", "triton", "plotly"}
LIGHT = {
    "compare": {"compare.judge_items_twice", "compare.compare_judges"},
    "benchmark": {"benchmark.judge_items", "benchmark.report_benchmark"},
    "best_of_n": {"best_of_n.choose_among_drawn"},
    "score": {"score.score_responses"},
    "explain": {"explain.explain_response"},
    "expert_reliability": {"expert_reliability.measure_experts"},
    "export": {"export.export_pairs"},
}
OTHERS = {"__default__", "iterate", "ablate", "embedded_training", "estimate", "export_model", *STAGES}
BUILD = """
import json, sys
import vlrm.settings
from vlrm.lineage.code import code_of
from vlrm.pipeline_registry import register_pipelines

pipelines = dict(register_pipelines())  # as Kedro copies it for its names
nodes = {name: [node.name for node in pipelines[name].nodes] for name in sys.argv[1:]}
for name in sys.argv[1:]:
    for node in pipelines[name].nodes:
        code_of(node.func)
print(json.dumps({"nodes": nodes, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def built(*names: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_small_commands_import_nothing_heavy():
    found = built(*LIGHT)
    assert {name: set(nodes) for name, nodes in found["nodes"].items()} == LIGHT
    assert not HEAVY & set(found["modules"])


def test_every_pipeline_is_listed_and_can_be_built():
    pipelines = registered()
    assert set(pipelines) == {*LIGHT, *OTHERS}
    for name, pipeline in pipelines.items():
        assert isinstance(pipeline, Pipeline) and pipeline.nodes, name
    loop = {node.name for node in pipelines["iterate"].nodes}
    assert pipelines["__default__"].nodes == pipelines["iterate"].nodes
    for stage in STAGES:
        assert {node.name for node in pipelines[stage].nodes} < loop


def test_a_pipeline_is_made_once_when_it_is_looked_at():
    made = []

    def make() -> Pipeline:
        made.append(1)
        return Pipeline([node(len, "text", "length", name="count")])

    pipeline = DeferredPipeline(make)
    assert not made
    both = Pipeline([]) + pipeline
    assert [n.name for n in both.nodes] == [n.name for n in pipeline.nodes] == ["count"]
    assert pipeline.inputs() == {"text"} and pipeline.filter(to_outputs=["length"]).all_outputs() == {"length"}
    assert made == [1]
    for copied in (copy.copy(pipeline), pickle.loads(pickle.dumps(pipeline))):
        assert [n.name for n in copied.nodes] == ["count"]


def test_what_fails_to_be_made_fails_at_every_look():
    def make() -> Pipeline:
        raise ImportError("a library is missing")

    pipeline = DeferredPipeline(make)
    for _ in range(2):
        with pytest.raises(ImportError, match="a library is missing"):
            pipeline.nodes  # noqa: B018
