"""``kedro run --pipelines benchmark --params model=...,suite=...``: any judge on any benchmark."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.benchmark.nodes import judge_items, report_benchmark

HOW = ["params:benchmark", "params:policy"]
WHERE = ["params:seed", "params:experiment", "params:data"]


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            node(
                judge_items,
                ["params:model", "params:suite", "params:images", *HOW, "params:allow_leaks", *WHERE],
                "judged_items",
                name="judge_items",
                # The champion and the benchmark's files change without any input of this run doing so.
                tags=[TRACELESS],
            ),
            node(
                report_benchmark,
                ["judged_items", *HOW, *WHERE],
                "benchmarks",
                name="report_benchmark",
                tags=[TRACELESS],
            ),
        ],
        namespace="benchmark",
        prefix_datasets_with_namespace=False,
    )
