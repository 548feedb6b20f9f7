"""``kedro run --pipelines score --params responses=FILE,images=FOLDER``: rewards of a user's own responses."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.score.nodes import score_responses


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            node(
                score_responses,
                [
                    "params:model",
                    "params:responses",
                    "params:images",
                    "params:scoring",
                    "params:data",
                    "params:experiment",
                ],
                "response_scores",
                name="score_responses",
                # The champion and the user's files change without any input of this run doing so.
                tags=[TRACELESS],
            )
        ],
        namespace="score",
        prefix_datasets_with_namespace=False,
    )
