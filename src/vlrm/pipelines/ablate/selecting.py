"""Nodes of the ablation: which pairs an arm keeps in the place of the loop's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vlrm.ablation.labels import claims_by_truth, questions_by_truth
from vlrm.ablation.selection import at_random, by_rule, margins_of, self_labelled, without_edits_of, without_quads
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Policy
from vlrm.prompts import scenes_by_image
from vlrm.rejection_sampling.offer import offer_pairs
from vlrm.rejection_sampling.rule import Rule
from vlrm.reward.model import RewardModel
from vlrm.reward.scoring import PAIR_TEXTS, pair_margins
from vlrm.schema import CLAIMS, QUESTION

CERTAIN = 0.5
"""tau where labels are exact: q+ is then 0 or 1."""
UNEDITED = "relation"
"""The kind of claim that the arm without edits of one kind never sees edited."""


def _margins(reward_model: Path, pairs: pa.Table, policy: Policy, data: str) -> dict[str, float]:
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    return pair_margins(model, pairs.select(PAIR_TEXTS).to_pylist())


def keep_at_random(offered: pa.Table, judged: pa.Table, kept: pa.Table, rule: Rule, seed: int) -> pa.Table:
    """As many random pairs as the loop kept in this round."""
    return at_random(offered, rule, margins_of(offered, judged), kept.num_rows, seed)


def keep_single_pairs(
    offered: pa.Table,
    judged: pa.Table,
    kept: pa.Table,
    prompts: pa.Table,
    tau: dict[str, Any],
    rule: Rule,
    seed: int,
) -> pa.Table:
    """As many pairs as the loop kept in this round, none of them half of a quad."""
    single = without_quads(offered, prompts)
    return by_rule(single, rule, float(tau["tau"]), margins_of(single, judged), kept.num_rows, seed)


def keep_unedited(
    offered: pa.Table, judged: pa.Table, kept: pa.Table, tau: dict[str, Any], rule: Rule, seed: int
) -> pa.Table:
    """As many pairs as the loop kept in this round, none of them an edit of the kind :data:`UNEDITED`."""
    others = without_edits_of(UNEDITED, offered)
    return by_rule(others, rule, float(tau["tau"]), margins_of(others, judged), kept.num_rows, seed)


def keep_whole_answers(
    offered: pa.Table, judged: pa.Table, kept: pa.Table, tau: dict[str, Any], rule: Rule, seed: int
) -> pa.Table:
    """As many pairs as the loop kept in this round, or as there are, none of them a claim question's."""
    others = offered.filter(pc.not_equal(offered["source"], QUESTION))
    return by_rule(others, rule, float(tau["tau"]), margins_of(others, judged), kept.num_rows, seed)


def keep_at_once(
    round_zero: Path, tau: dict[str, Any], rule: Rule, policy: Policy, seed: int, data: str, *tables: pa.Table
) -> pa.Table:
    """All rounds' budget spent at once by round 0's model; ``tables``: offered pairs of all rounds, then kept ones."""
    half = len(tables) // 2
    offered, budget = pa.concat_tables(tables[:half]), sum(table.num_rows for table in tables[half:])
    rewards = _margins(round_zero, offered, policy, data)
    return by_rule(offered, rule, float(tau["tau"]), rewards, budget, seed)


def offer_by_truth(
    offered: pa.Table,
    candidates: pa.Table,
    candidate_claims: pa.Table,
    edits: pa.Table,
    edit_claims: pa.Table,
    prompts: pa.Table,
    quad_prompts: pa.Table,
    scenes: pa.Table,
    quad_scenes: pa.Table,
) -> pa.Table:
    """The pairs a round offers as experts that are always right would see them; its claim questions are those of
    ``offered``."""
    known = scenes_by_image(scenes, quad_scenes)
    claims = claims_by_truth(pa.concat_tables([candidate_claims, edit_claims]), known)
    said = offer_pairs(pa.concat_tables([candidates, edits]), claims, pa.concat_tables([prompts, quad_prompts]))
    return pa.concat_tables([said, questions_by_truth(offered, known)])


def keep_by_truth(offered: pa.Table, judged: pa.Table, kept: pa.Table, rule: Rule, seed: int) -> pa.Table:
    """As many pairs as the loop kept in this round, chosen by the same rule from exact labels."""
    return by_rule(offered, rule, CERTAIN, margins_of(offered, judged), kept.num_rows, seed)


def label_itself(
    candidates: pa.Table,
    prompts: pa.Table,
    reward_model: Path,
    rule: Rule,
    policy: Policy,
    seed: int,
    data: str,
    *kept: pa.Table,
) -> pa.Table:
    """Pairs of candidates as the model of the round before orders them; ``kept``: the loop's pairs of this round.

    Without experts nothing is known to be false, so there are no counterfactuals and no quads.
    """
    offered = offer_pairs(candidates, pa.Table.from_pylist([], CLAIMS), prompts)
    rewards = _margins(reward_model, offered, policy, data)
    return self_labelled(offered, rule, rewards, kept[0].num_rows if kept else rule.budget, seed)
