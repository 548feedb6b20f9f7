"""The tests of the rule that a pair can pass or fail alone, in their order, with what each asks in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.rejection_sampling.rule import Rule


@dataclass(frozen=True)
class Check:
    """One test of the rule on one pair: the pair's value, and in words what is asked of it."""

    test: str
    value: float | None
    asked: str
    passed: bool


def checks(row: Mapping[str, Any], rule: Rule, tau: float) -> list[Check]:
    """Every test of one pair; ``row``: OFFERED with its ``reward_margin``."""
    q_plus, reward, length = row["q_plus"], row["reward_margin"], row["length_ratio"]
    spared = reward is None or reward >= -rule.veto_margin or q_plus >= rule.veto_unless
    return [
        Check("undecided", q_plus, f"q+ at least {tau:.3f}, and above q-", q_plus >= tau and q_plus > row["q_minus"]),
        Check(
            "unverifiable", row["verifiable"], f"of the differing claims at least {rule.verifiable:.0%} verifiable",
            row["verifiable"] >= rule.verifiable,
        ),
        Check(
            "chosen_doubtful", row["chosen_lowest"], f"no claim of the chosen side below p = {rule.chosen_floor}",
            row["chosen_lowest"] >= rule.chosen_floor,
        ),
        Check(
            "rejected_not_clearly_false", row["rejected_lowest"],
            f"a claim of the rejected side alone at most p = {rule.rejected_ceiling}",
            row["rejected_lowest"] <= rule.rejected_ceiling,
        ),
        Check(
            "vetoed", reward,
            f"the previous reward model's margin not below -{rule.veto_margin}, unless q+ is {rule.veto_unless}",
            spared,
        ),
        Check(
            "length", length, f"lengths within {rule.length_low} to {rule.length_high} of each other",
            rule.length_low <= length <= rule.length_high,
        ),
    ]  # fmt: skip
