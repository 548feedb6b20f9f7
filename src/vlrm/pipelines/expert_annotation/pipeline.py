"""Stage 1 of a round: its prompts, and what the experts see in their images."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import IMPORTS
from vlrm.pipelines.expert_annotation.nodes import annotate, draw_split

SOURCE = ["params:world", "params:seed", "brought", "params:data"]


def create_pipeline(number: int) -> Pipeline:
    return Pipeline(
        [
            node(
                draw_split(f"round {number}"),
                SOURCE,
                ["prompts", "scenes"],
                name="draw_prompts",
                tags=[IMPORTS],
            ),
            node(annotate, ["prompts", "params:experts", "params:data"], "evidence", name="annotate_images"),
        ],
        namespace="expert_annotation",
        prefix_datasets_with_namespace=False,
    )
