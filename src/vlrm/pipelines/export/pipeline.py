"""``kedro run --pipelines export``: one node that reads the tables of every finished round."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.pipelines.export.nodes import PER_ROUND, export_pairs


def create_pipeline(rounds: int | None) -> Pipeline:
    """``rounds``: the newest finished one."""
    tables = [f"round_{number:02d}.{table}@path" for number in range(1, (rounds or 0) + 1) for table in PER_ROUND]
    return Pipeline(
        [
            node(
                export_pairs,
                ["params:export", "params:experiment", "params:data", *tables],
                "preferences",
                name="export_pairs",
            )
        ],
        namespace="export",
        prefix_datasets_with_namespace=False,
    )
