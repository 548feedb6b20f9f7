"""``kedro run --pipelines compare --params a=...,b=...``: two judges on one benchmark, or on all that both have sat."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.benchmark.pipeline import HOW, WHERE
from vlrm.pipelines.compare.nodes import compare_judges, judge_items_twice


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            node(
                judge_items_twice,
                ["params:a", "params:b", "params:suite", "params:images", *HOW, "params:allow_leaks", *WHERE],
                "judged_items_of_both",
                name="judge_items_twice",
                # Neither the registry's aliases nor the benchmark's files are inputs of this run.
                tags=[TRACELESS],
            ),
            node(
                compare_judges,
                ["judged_items_of_both", *HOW, *WHERE],
                "benchmarks",
                name="compare_judges",
                tags=[TRACELESS],
            ),
        ],
        namespace="compare",
        prefix_datasets_with_namespace=False,
    )
