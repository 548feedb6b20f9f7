"""Stage 5 of a round: scores on gate and report, and the figures."""

from __future__ import annotations

from typing import get_args

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from vlrm.evaluation.exam_parts import Part
from vlrm.pipelines.evaluation.nodes import (
    collect_scores,
    measure,
    measure_critiques,
    sit_part,
    write_critiques,
)
from vlrm.pipelines.named import named


def create_pipeline(number: int) -> Pipeline:
    return Pipeline(
        [
            *_critiques(number),
            *_sitting(number),
            node(measure, ["exam", "scores", "params:seed"], f"metrics_{number:02d}", name="measure"),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )


def _sitting(number: int) -> list[Node]:
    """The gate first, since the readout is chosen there; then the parts of the report split, beside each other."""
    critic = [f"critic_{number:02d}", "params:policy", "params:critiques", "params:seed", "params:data"]
    judge = ["exam", "exam_critiques", f"reward_model_{number:02d}", *critic]
    gate, *others = get_args(Part)
    return [
        node(write_critiques, ["exam", *critic], "exam_critiques", name="write_exam_critiques"),
        node(named(sit_part, part=gate), judge, f"{gate}_scores", name=f"sit_{gate}"),
        *(
            node(named(sit_part, part=part), [*judge, f"{gate}_scores"], f"{part}_scores", name=f"sit_{part}")
            for part in others
        ),
        node(collect_scores, [f"{part}_scores" for part in (gate, *others)], "scores", name="collect_scores"),
    ]


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
