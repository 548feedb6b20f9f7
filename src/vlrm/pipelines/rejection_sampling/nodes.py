"""Nodes of rejection sampling: offer every pair, judge it, keep what the evidence settles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from vlrm.answers.words import words_known
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import objects_by_image
from vlrm.claims.vocabulary import EMBEDDED
from vlrm.critiques.selection import as_target, select_critiques
from vlrm.errors import UserError
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Policy
from vlrm.policy.protocol import row_seed
from vlrm.rejection_sampling.amplification import label_rates
from vlrm.rejection_sampling.claim_questions import ClaimQuestions, ClaimQuestionSettings
from vlrm.rejection_sampling.offer import offer_pairs
from vlrm.rejection_sampling.rule import Rule
from vlrm.rejection_sampling.select import past_experts, select_pairs, shortage
from vlrm.rejection_sampling.shortcuts import find_shortcuts
from vlrm.rejection_sampling.text_only import cross_fitted_margins
from vlrm.reward.by_claim import ASKING
from vlrm.reward.model import RewardModel
from vlrm.reward.scoring import PAIR_TEXTS, pair_margins
from vlrm.schema import CRITIQUE_TARGETS


def offer(
    candidates: pa.Table,
    candidate_claims: pa.Table,
    edits: pa.Table,
    edit_claims: pa.Table,
    prompts: pa.Table,
    quad_prompts: pa.Table,
    rule: Rule,
) -> pa.Table:
    """Every pair of answers on offer, with the distribution of its false claims."""
    return offer_pairs(
        pa.concat_tables([candidates, edits]),
        pa.concat_tables([candidate_claims, edit_claims]),
        pa.concat_tables([prompts, quad_prompts]),
        rule.count_silent,
    )


def offer_in_round(
    candidates: pa.Table,
    candidate_claims: pa.Table,
    edits: pa.Table,
    edit_claims: pa.Table,
    prompts: pa.Table,
    quad_prompts: pa.Table,
    evidence: pa.Table,
    quad_evidence: pa.Table,
    reliability: dict[str, Any],
    rule: Rule,
    questions: ClaimQuestionSettings,
    seed: int,
) -> pa.Table:
    """What a round offers: :func:`offer`, and questions about single claims of which the evidence is sure."""
    vocabulary = words_known(reliability)
    asked = ClaimQuestions(
        objects_by_image(evidence) | objects_by_image(quad_evidence), Reliability.from_json(reliability), questions,
        ASKING["embedded" if vocabulary is EMBEDDED else "photos"], vocabulary,
    )  # fmt: skip
    names = prompts["prompt_id"].to_pylist()
    number = round(questions.per_prompt * len(names))
    said = offer(candidates, candidate_claims, edits, edit_claims, prompts, quad_prompts, rule)
    return pa.concat_tables([said, asked.draw(number, row_seed("claims", seed, *names[:1]))])


def select(
    offered: pa.Table,
    tau: dict[str, Any],
    reward_model: Path,
    rule: Rule,
    policy: Policy,
    seed: int,
    data: str,
) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    """Kept pairs, all pairs with the test that refused them, the audit table, and the waterfall."""
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    asked = offered if rule.reward_refused else past_experts(offered, rule, float(tau["tau"]))
    rewards = pair_margins(model, asked.select(PAIR_TEXTS).to_pylist())
    selection = select_pairs(
        offered,
        rule,
        float(tau["tau"]),
        reward_margin=rewards,
        text_margin=cross_fitted_margins(offered, float(tau["tau"]), seed),
        seed=seed,
    )
    if short := shortage(selection, rule):
        raise UserError(short)
    return selection.kept, selection.all, selection.audit, selection.waterfall


def check_kept(
    kept: pa.Table, judged: pa.Table, candidates: pa.Table, candidate_claims: pa.Table, edit_claims: pa.Table, seed: int
) -> tuple[dict[str, Any], pa.Table]:
    """Whether the kept pairs can be told apart without looking, and how often each label is hallucinated."""
    rates = label_rates(
        pa.concat_tables([candidate_claims, edit_claims]), set(candidates["response_id"].to_pylist()), kept
    )
    return find_shortcuts(judged, seed).model_dump(), rates


def choose_critiques(
    critiques: pa.Table,
    candidate_claims: pa.Table,
    edit_claims: pa.Table,
    candidates: pa.Table,
    edits: pa.Table,
    prompts: pa.Table,
    seed: int,
) -> tuple[pa.Table, dict[str, int]]:
    """Critiques that become targets, and the count of each reason for refusal."""
    accepted = select_critiques(critiques, pa.concat_tables([candidate_claims, edit_claims]), seed)
    asked = dict(zip(prompts["prompt_id"].to_pylist(), prompts["question"].to_pylist(), strict=True))
    said = {row["response_id"]: row for row in candidates.to_pylist() + edits.to_pylist()}
    targets = []
    for row in accepted.table.to_pylist():
        response = said[row["response_id"]]
        targets.append(
            {
                "critique_id": row["critique_id"],
                "image_sha256": row["image_sha256"],
                "question": asked[response["prompt_id"]],
                "response": response["text"],
                "critique": as_target(row["text"]),
                "verdict": row["verdict"],
                "template": row["template"],
            }
        )
    return pa.Table.from_pylist(targets, CRITIQUE_TARGETS), accepted.counts
