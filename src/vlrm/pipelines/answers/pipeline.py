"""Answers verified, and experts measured, each a command of its own."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import IMPORTS
from vlrm.pipelines.answers.nodes import (
    annotate_answers,
    bring,
    explain,
    find_reliability,
    measure_experts,
    score,
    verify,
)


def create_pipeline() -> Pipeline:
    """``kedro run --pipelines expert_annotation --params images=FOLDER,responses=FILE``."""
    return Pipeline(
        [
            node(
                bring,
                ["params:images", "params:responses", "params:data"],
                ["answers", "answer_quarantine"],
                name="bring_answers",
                tags=[IMPORTS],
            ),
            node(
                find_reliability,
                ["answers", "params:experts", "params:reliability", "params:world", "params:data"],
                "answer_reliability",
                name="find_reliability",
            ),
            node(
                annotate_answers,
                ["answers", "params:experts", "params:data"],
                "answer_evidence",
                name="annotate_images",
            ),
            node(
                verify,
                ["answers", "answer_evidence", "answer_reliability", "params:experts"],
                "answer_claims",
                name="verify_claims",
            ),
            node(score, ["answers", "answer_claims"], "answer_scores", name="score_answers"),
        ],
        namespace="answers",
        prefix_datasets_with_namespace=False,
    )


def measuring() -> Pipeline:
    """``kedro run --pipelines expert_reliability --params images=FOLDER,truth=INSTANCES.json``."""
    return Pipeline(
        [
            node(
                measure_experts,
                ["params:images", "params:truth", "params:experts", "params:verdicts", "params:data"],
                "expert_reliability",
                name="measure_experts",
            )
        ],
        namespace="expert_reliability",
        prefix_datasets_with_namespace=False,
    )


ANSWER_TABLES = ("answers@path", "answer_claims@path", "answer_evidence")
ROUND_TABLES = (
    "candidates", "edits", "candidate_claims", "edit_claims", "evidence", "quad_evidence", "prompts", "quad_prompts",
)  # fmt: skip


def explaining(rounds: int | None, answered: bool) -> Pipeline:
    """``kedro run --pipelines explain --params response=ID``: of the user's answers, and of finished rounds.

    ``rounds``: the newest finished one. ``answered``: whether a user's answers have been verified.
    """
    tables = list(ANSWER_TABLES) if answered else []
    tables += [f"round_{number:02d}.{table}@path" for number in range(rounds or 0, 0, -1) for table in ROUND_TABLES]
    return Pipeline(
        [node(explain, ["params:response", "params:data", *tables], "explanation", name="explain_response")],
        namespace="explain",
        prefix_datasets_with_namespace=False,
    )
