"""The acceptance rule's constants, and the threshold on q+ with a stated bound on its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlrm.schema import QUESTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PAIR_KINDS = ("object", "existence", "count", "attribute", "relation", "text", "none")
"""What a pair can be about: the edit that made it, else its most telling claim's kind; ``none`` if none tells."""


class Rule(BaseModel):
    """What a pair must satisfy to be kept, and what the kept set is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(0.03, gt=0, lt=1, description="bound on the label error of kept pairs")
    tau_default: float = Field(0.95, ge=0.5, le=1, description="threshold where calibration pairs do not suffice")
    min_calibration_pairs: int = Field(100, ge=1)
    verifiable: float = Field(0.8, ge=0, le=1, description="least share of differing claims with a verdict")
    chosen_floor: float = Field(0.3, ge=0, le=1, description="no claim of the chosen side may be less probable")
    rejected_ceiling: float = Field(0.15, ge=0, le=1, description="one differing claim must be at most so probable")
    count_silent: bool = Field(True, description="claims on which no expert says anything count in q+, by their prior")
    # Left out of a round's key while true: rounds from before it stay what they are.
    reward_refused: bool = Field(
        True, description="the reward model scores pairs that experts refuse too", exclude_if=lambda all_: all_ is True
    )
    veto_margin: float = Field(3.0, ge=0)
    veto_unless: float = Field(0.99, ge=0, le=1, description="evidence this sure is not vetoed")
    length_low: float = Field(0.8, gt=0)
    length_high: float = Field(1.25, gt=0)
    length_twins: bool = Field(True, description="keep others by twos, the longer side right in one of them")
    length_widest: float = Field(2.5, gt=1, description="twins' sides differ in length by at most this factor")
    budget: int = Field(1000, gt=0, description="pairs a round keeps at most")
    least: int = Field(8, ge=1, description="a round that keeps fewer pairs ends: they are too few to learn from")
    hard_share: float = Field(0.5, ge=0, le=1)
    hard_below: float = Field(1.0, description="reward margins below this are hard; negative ones are wrong")
    quad_share: float = Field(0.5, ge=0, le=1)
    candidates_share: float = Field(0.3, ge=0, le=1, description="least share of pairs nobody edited")
    target_mix: dict[str, float] = Field(
        {}, description="largest share of the budget by claim kind or of questions, as long as others can fill it"
    )
    margin_scale: float = Field(0.25, ge=0)

    @field_validator("target_mix")
    @classmethod
    def _known_kinds(cls, mix: dict[str, float]) -> dict[str, float]:
        for kind, share in mix.items():
            if kind not in (*PAIR_KINDS, QUESTION):
                raise ValueError(f"{kind!r} is no kind of pair; the kinds are {', '.join((*PAIR_KINDS, QUESTION))}")
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {kind} is {share}; give one from 0 to 1")
        return mix


def error_bound(errors: int, pairs: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson upper bound on an error rate of which ``errors`` of ``pairs`` were seen."""
    from scipy.stats import beta

    if pairs == 0 or errors >= pairs:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, pairs - errors))


def calibrate_tau(
    q_plus: Sequence[float] | NDArray[Any],
    correct: Sequence[bool] | NDArray[Any],
    alpha: float,
    min_pairs: int = 100,
    default: float = 0.95,
) -> float:
    """The smallest threshold whose error bound on calibration pairs is at most ``alpha``.

    ``default`` is returned where fewer than ``min_pairs`` pairs are given, or where no threshold meets the bound.
    Below one half the sides would be the other way round, so no threshold lies there.
    """
    scores = np.asarray(q_plus, dtype=float)
    right = np.asarray(correct, dtype=bool)
    if scores.shape != right.shape:
        raise ValueError(f"{scores.size} values of q_plus but {right.size} of correct")
    if scores.size < min_pairs:
        return default
    from scipy.stats import beta

    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    pairs = np.arange(1, len(order) + 1)
    errors = np.cumsum(~right[order])
    # A threshold takes all pairs of equal q+ or none of them.
    ends = np.append(descending[1:] != descending[:-1], True) & (descending >= 0.5) & (errors < pairs)
    if not ends.any():
        return default
    bounds = beta.ppf(0.95, errors[ends] + 1, pairs[ends] - errors[ends])
    meets = descending[ends][bounds <= alpha]
    return float(meets.min()) if meets.size else default
