"""Stage 5 of a round: scores on gate and report, and the figures."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from vlrm.pipelines.evaluation.nodes import measure, measure_critiques, sit_exam


def create_pipeline(number: int) -> Pipeline:
    return Pipeline(
        [
            *_critiques(number),
            node(
                sit_exam,
                ["exam", f"reward_model_{number:02d}", f"critic_{number:02d}", "params:policy", "params:critiques",
                 "params:seed", "params:data"],
                "scores",
                name="sit_exam",
            ),
            node(measure, ["exam", "scores", "params:seed"], f"metrics_{number:02d}", name="measure"),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )  # fmt: skip


def _critiques(number: int) -> list[Node]:
    """Round 0 has no critiques of its own."""
    if number == 0:
        return []
    return [
        node(
            measure_critiques,
            ["critiques", f"critique_targets_{number:02d}", "head_critiques", "candidate_claims", "edit_claims",
             "evidence", "scenes", "quad_scenes", "edits", "params:policy", "params:seed"],
            "summary_critique_quality",
            name="measure_critiques",
        )
    ]  # fmt: skip
