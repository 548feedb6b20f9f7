"""Which pairs an arm keeps in the place of margin-based rejection sampling; pure, no I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.rejection_sampling.distributions import expert_margin
from vlrm.rejection_sampling.offer import OFFERED
from vlrm.rejection_sampling.select import select_pairs
from vlrm.rejection_sampling.text_only import cross_fitted_margins
from vlrm.schema import PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.rejection_sampling.rule import Rule

SUREST = 0.5
"""Share of its own labels a self-labelling model may keep: the surest, as self-training does."""


def by_rule(
    offered: pa.Table, rule: Rule, tau: float, reward_margin: Mapping[str, float], budget: int, seed: int
) -> pa.Table:
    """Margin-based rejection sampling as a round does it, with this budget: the kept PAIRS."""
    return select_pairs(
        offered,
        rule.model_copy(update={"budget": budget}),
        tau,
        reward_margin=reward_margin,
        text_margin=cross_fitted_margins(offered, tau, seed),
        seed=seed,
    ).kept


def at_random(offered: pa.Table, rule: Rule, reward_margin: Mapping[str, float], budget: int, seed: int) -> pa.Table:
    """``budget`` pairs drawn from all whose evidence leans to one side, without any test, all of weight 1."""
    rows = sorted(offered.to_pylist(), key=lambda row: row["pair_id"])
    leaning = [row for row in rows if row["q_plus"] > row["q_minus"]]
    drawn = np.random.default_rng(seed).permutation(len(leaning))[:budget]
    kept = [
        leaning[i]
        | {
            "weight": 1.0,
            "margin": rule.margin_scale * leaning[i]["severity"],
            "reward_margin": reward_margin.get(leaning[i]["pair_id"]),
            "twin_id": None,
            "refused": None,
        }
        for i in sorted(drawn)
    ]
    return pa.Table.from_pylist(kept, PAIRS)


def without_quads(offered: pa.Table, prompts: pa.Table) -> pa.Table:
    """OFFERED without the pairs on quads' other images; what was their first half is a pair like any other."""
    own = offered.filter(pc.is_in(offered["prompt_id"], prompts["prompt_id"].combine_chunks()))
    place = own.schema.get_field_index("quad_id")
    return own.set_column(place, own.schema.field(place), pa.nulls(own.num_rows, pa.string()))


def without_edits_of(kind: str, offered: pa.Table) -> pa.Table:
    """OFFERED without the edits of one kind of claim, quads' second halves among them."""
    edited = pc.and_(pc.equal(offered["source"], "counterfactual"), pc.equal(offered["kind"], kind))
    return offered.filter(pc.invert(edited))


def self_labelled(
    offered: pa.Table, rule: Rule, reward_margin: Mapping[str, float], budget: int, seed: int
) -> pa.Table:
    """Pairs that the reward model orders itself; of its surest labels as many as the budget allows.

    ``offered``: pairs of candidates, their sides in any order; ``reward_margin``: reward of the side that is called
    chosen minus the other's. Lengths and near duplicates are tested as always; no evidence is read.
    """
    rows = [_labelled(row, reward_margin[row["pair_id"]]) for row in offered.to_pylist()]
    tau = float(np.quantile([row["q_plus"] for row in rows], 1 - SUREST)) if rows else 1.0
    unmined = {"hard_share": 0.0, "quad_share": 0.0, "candidates_share": 0.0}
    table = pa.Table.from_pylist(rows, OFFERED)
    return by_rule(table, rule.model_copy(update=unmined), tau, {}, budget, seed)


def _labelled(row: dict[str, Any], margin: float) -> dict[str, Any]:
    if margin < 0:
        row = turned(row)
    sure = 1 / (1 + math.exp(-min(500.0, abs(margin))))
    return row | {
        "q_plus": sure, "q_minus": 1 - sure, "expert_margin": expert_margin(sure, 1 - sure), "verifiable": 1.0,
        "severity": 1.0, "chosen_lowest": 1.0, "rejected_lowest": 0.0,
    }  # fmt: skip


def turned(row: dict[str, Any]) -> dict[str, Any]:
    """The pair with its sides exchanged."""
    sides = {"chosen": row["rejected"], "rejected": row["chosen"]}
    names = {"chosen_id": row["rejected_id"], "rejected_id": row["chosen_id"]}
    return row | sides | names | {"length_ratio": 1 / row["length_ratio"]}


def margins_of(offered: pa.Table, judged: pa.Table) -> dict[str, float]:
    """Reward of chosen minus rejected by pair id, as a round measured it, turned where ``offered`` turns a pair."""
    known = {
        row["pair_id"]: (row["chosen_id"], row["reward_margin"])
        for row in judged.select(["pair_id", "chosen_id", "reward_margin"]).to_pylist()
    }
    found = {}
    for row in offered.select(["pair_id", "chosen_id"]).to_pylist():
        chosen, margin = known.get(row["pair_id"], (None, None))
        if margin is not None:
            found[row["pair_id"]] = margin if chosen == row["chosen_id"] else -margin
    return found
