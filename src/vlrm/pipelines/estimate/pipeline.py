"""``kedro run --pipelines estimate``: one node that takes the parameters of ``iterate``."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.estimate.nodes import estimate_run

PARAMETERS = ("rounds", "world", "experts", "policy", "counterfactuals", "claim_questions", "critiques", "rule",
              "critic", "reward", "gate_exam", "report_exam", "best_of", "images", "prompts", "reliability",
              "questions", "workers")  # fmt: skip


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            node(
                estimate_run,
                [f"params:{name}" for name in PARAMETERS],
                "estimate",
                name="measure_a_sample",
                tags=[TRACELESS],
            )
        ],
        namespace="estimate",
        prefix_datasets_with_namespace=False,
    )
