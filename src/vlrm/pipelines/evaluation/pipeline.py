"""Stage 5 of a round: scores on gate and report, and the figures."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.pipelines.evaluation.nodes import measure, sit_exam


def create_pipeline(number: int) -> Pipeline:
    return Pipeline(
        [
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
