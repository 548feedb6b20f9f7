"""``kedro run --pipelines export_model``: one node that reads the kept pairs and the exam of finished rounds."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.export_reward_model.nodes import export_reward_model


def create_pipeline(newest: int | None) -> Pipeline:
    """``newest``: the newest finished round, None where there is none (then the node says what makes one)."""
    tables = ["exam", *(f"pairs_{number:02d}" for number in range(1, newest + 1))] if newest else []
    return Pipeline(
        [
            node(
                export_reward_model,
                ["params:model", "params:export_model", "params:data", "params:experiment", *tables],
                "exported_model",
                name="export_reward_model",
                # The registry's champion changes without any input of this run doing so: it is always asked.
                tags=[TRACELESS],
            )
        ],
        namespace="export_reward_model",
        prefix_datasets_with_namespace=False,
    )
