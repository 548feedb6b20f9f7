"""Round 0: calibrate experts and rule, set the exam, choose the zero-shot readout."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from vlrm.lineage.ledger import IMPORTS
from vlrm.pipelines.critique_generation.nodes import edit, sample, verify, verify_edits
from vlrm.pipelines.expert_annotation.nodes import annotate, draw_split
from vlrm.pipelines.expert_annotation.pipeline import SOURCE
from vlrm.pipelines.groundwork.nodes import (
    calibrate_rule,
    choose_readout,
    know_experts,
    note_experts,
    sample_exam,
    set_exam,
)
from vlrm.pipelines.groundwork.user_nodes import bring, bring_and_ask, look_at_images, settle_by_evidence
from vlrm.pipelines.rejection_sampling.nodes import offer

SAMPLING = ["params:policy", "params:seed", "params:data"]


def create_pipeline(asking: bool = False) -> Pipeline:
    """``asking``: questions are asked about a user's images (``params:questions``)."""
    nodes = [*_files(asking), *_experts(), *_rule(), *_exam()]
    return Pipeline(nodes, namespace="groundwork", prefix_datasets_with_namespace=False)


def _files(asking: bool) -> list[Node]:
    """A user's own images and questions, brought in once and dealt out to gate, report and rounds."""
    return [
        node(
            bring_and_ask if asking else bring,
            ["params:images", "params:prompts", "params:rounds", "params:data",
             *(["params:questions", "params:experts"] if asking else [])],
            ["brought", "quarantine"],
            name="bring_files",
            tags=[IMPORTS],
        ),
        node(
            look_at_images,
            ["brought", "quarantine", "params:experts", "params:policy", "params:data"],
            "summary_own_images",
            name="look_at_images",
        ),
    ]  # fmt: skip


def _experts() -> list[Node]:
    return [
        node(
            know_experts,
            ["params:world", "params:experts", "params:reliability", "params:data"],
            ["reliability", "summary_experts"],
            name="calibrate_experts",
        )
    ]


def _rule() -> list[Node]:
    """The rule is calibrated on pairs made as a round makes them, from prompts that nothing else uses."""
    return [
        node(
            draw_split("calibration"),
            SOURCE,
            ["calibration_prompts", "calibration_scenes"],
            name="draw_calibration_prompts",
            tags=[IMPORTS],
        ),
        node(
            annotate,
            ["calibration_prompts", "params:experts", "params:data"],
            "calibration_evidence",
            name="annotate_calibration_images",
        ),
        node(
            sample, ["calibration_prompts", *SAMPLING], "calibration_candidates", name="sample_calibration_candidates"
        ),
        node(
            verify,
            ["calibration_candidates", "calibration_prompts", "calibration_evidence", "reliability"],
            "calibration_claims",
            name="verify_calibration_candidates",
        ),
        node(
            edit,
            [
                "calibration_candidates",
                "calibration_claims",
                "calibration_prompts",
                "calibration_evidence",
                "calibration_scenes",
                "reliability",
                "params:counterfactuals",
                "params:seed",
                "params:data",
            ],
            ["calibration_edits", "calibration_quad_prompts", "calibration_quad_scenes"],
            name="edit_calibration_candidates",
            tags=[IMPORTS],
        ),
        node(
            annotate,
            ["calibration_quad_prompts", "params:experts", "params:data"],
            "calibration_quad_evidence",
            name="annotate_calibration_quads",
        ),
        node(
            verify_edits,
            [
                "calibration_edits",
                "calibration_prompts",
                "calibration_quad_prompts",
                "calibration_evidence",
                "calibration_quad_evidence",
                "reliability",
            ],
            "calibration_edit_claims",
            name="verify_calibration_edits",
        ),
        node(
            offer,
            [
                "calibration_candidates",
                "calibration_claims",
                "calibration_edits",
                "calibration_edit_claims",
                "calibration_prompts",
                "calibration_quad_prompts",
                "params:rule",
            ],
            "calibration_offered",
            name="offer_calibration_pairs",
        ),
        node(
            calibrate_rule,
            ["calibration_offered", "calibration_scenes", "params:rule"],
            "rule_calibration",
            name="calibrate_rule",
        ),
    ]


def _exam() -> list[Node]:
    nodes = []
    for split in ("gate", "report"):
        nodes += [
            node(
                draw_split(split),
                SOURCE,
                [f"{split}_prompts", f"{split}_scenes"],
                name=f"draw_{split}_prompts",
                tags=[IMPORTS],
            ),
            node(
                sample_exam,
                [f"{split}_prompts", "params:policy", f"params:{split}_exam", "params:seed", "params:data"],
                f"{split}_candidates",
                name=f"sample_{split}_candidates",
            ),
        ]
    return [
        *nodes,
        node(
            settle_by_evidence,
            [f"{split}_{what}" for split in ("gate", "report") for what in ("prompts", "candidates")]
            + ["brought", "reliability", "rule_calibration", "params:rule", "params:counterfactuals"]
            + ["params:gate_exam", "params:report_exam", "params:experts", "params:seed", "params:data"],
            "exam_by_evidence",
            name="settle_by_evidence",
        ),
        node(
            set_exam,
            [f"{split}_{what}" for split in ("gate", "report") for what in ("prompts", "scenes", "candidates")]
            + ["exam_by_evidence", "params:gate_exam", "params:report_exam", "params:seed", "params:data"],
            ["exam_draft", "exam_scenes"],
            name="set_exam",
            tags=[IMPORTS],
        ),
        node(annotate, ["exam_draft", "params:experts", "params:data"], "exam_evidence", name="annotate_exam_images"),
        node(note_experts, ["exam_draft", "exam_evidence", "reliability"], "exam", name="note_experts"),
        node(
            choose_readout,
            ["exam", "params:policy", "params:data"],
            ["reward_model_00", "summary_readout", "critic_00"],
            name="choose_readout",
        ),
    ]
