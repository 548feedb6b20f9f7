"""Stage 2 of a round: what the policy says, what the evidence makes of it, what the critic makes of it."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import IMPORTS
from vlrm.pipelines.critique_generation.nodes import criticise, edit, sample, verify, verify_edits
from vlrm.pipelines.expert_annotation.nodes import annotate


def create_pipeline(previous_critic: str) -> Pipeline:
    return Pipeline(
        [
            node(
                sample,
                ["prompts", "params:policy", "params:seed", "params:data"],
                "candidates",
                name="sample_candidates",
            ),
            node(
                verify,
                ["candidates", "prompts", "evidence", "reliability"],
                "candidate_claims",
                name="verify_candidates",
            ),
            node(
                edit,
                [
                    "candidates",
                    "candidate_claims",
                    "prompts",
                    "evidence",
                    "scenes",
                    "reliability",
                    "params:counterfactuals",
                    "params:seed",
                    "params:data",
                ],
                ["edits", "quad_prompts", "quad_scenes"],
                name="edit_candidates",
                tags=[IMPORTS],
            ),
            node(annotate, ["quad_prompts", "params:experts", "params:data"], "quad_evidence", name="annotate_quads"),
            node(
                verify_edits,
                ["edits", "prompts", "quad_prompts", "evidence", "quad_evidence", "reliability"],
                "edit_claims",
                name="verify_edits",
            ),
            node(
                criticise,
                [
                    "candidates",
                    "edits",
                    "prompts",
                    "evidence",
                    previous_critic,
                    "params:policy",
                    "params:critiques",
                    "params:seed",
                    "params:data",
                ],
                "critiques",
                name="sample_critiques",
            ),
        ],
        namespace="critique_generation",
        prefix_datasets_with_namespace=False,
    )
