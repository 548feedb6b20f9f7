"""Stage 3 of a round: from offered pairs to kept ones, every refusal counted."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.pipelines.rejection_sampling.nodes import check_kept, choose_critiques, offer_in_round, select


def create_pipeline(number: int, previous_model: str) -> Pipeline:
    return Pipeline(
        [
            node(
                offer_in_round,
                ["candidates", "candidate_claims", "edits", "edit_claims", "prompts", "quad_prompts", "evidence",
                 "quad_evidence", "reliability", "params:rule", "params:claim_questions", "params:seed"],
                "pairs_offered",
                name="offer_pairs",
            ),
            node(
                select,
                ["pairs_offered", "rule_calibration", previous_model, "params:rule", "params:policy", "params:seed",
                 "params:data"],
                [f"pairs_{number:02d}", "pairs_judged", "audit", "waterfall"],
                name="select_pairs",
            ),
            node(
                check_kept,
                [f"pairs_{number:02d}", "pairs_judged", "candidates", "candidate_claims", "edit_claims", "params:seed"],
                ["summary_shortcuts", "label_rates"],
                name="check_kept_pairs",
            ),
            node(
                choose_critiques,
                ["critiques", "candidate_claims", "edit_claims", "candidates", "edits", "prompts", "params:seed"],
                [f"critique_targets_{number:02d}", "summary_critiques"],
                name="select_critiques",
            ),
        ],
        namespace="rejection_sampling",
        prefix_datasets_with_namespace=False,
    )  # fmt: skip
