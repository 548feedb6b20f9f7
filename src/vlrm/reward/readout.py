"""Round 0: the base model's best zero-shot readout of a pair, chosen on the gate split and then frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from vlrm import chat
from vlrm.reward.by_claim import asking_of, by_claim
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scoring import score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.reward.by_claim import Asking
    from vlrm.vlm import Vlm

SCALE_RANGE = (0.05, 40.0)
BY_CLAIM = "by_claim"
Pair = tuple[Row, Row]


@torch.no_grad()
def zero_shot(
    vlm: Vlm, base: str, pairs: Sequence[Pair], progress: Callable[[str], None]
) -> tuple[ModelConfig, dict[str, float]]:
    """Choose among length-normalised likelihood and yes/no odds under every verification question, and the best of
    these with what it says of each thing that a response names (:mod:`vlrm.reward.by_claim`).

    Returns the configuration of the round-0 reward model and the gate accuracy of each readout. The scale is the
    one that calibrates the readout on ``pairs`` (maximum likelihood of a logistic model without intercept).
    """
    differences: dict[str, np.ndarray] = {}
    for form in range(len(chat.VERIFY)):
        model = RewardModel(vlm, ModelConfig(base=base, likelihood_scale=1, yes_scale=1, verify_form=form, readout=""))
        model.eval()
        found = [_terms(model, [pair[side] for pair in pairs]) for side in (0, 1)]
        if form == 0:
            differences["likelihood"] = found[0][0] - found[1][0]
        differences[f"yes_odds_{form}"] = found[0][1] - found[1][1]
        progress(f"readout {form + 1} of {len(chat.VERIFY)}")
    accuracy = {name: right(difference) for name, difference in differences.items()}
    best = max(sorted(accuracy), key=lambda name: accuracy[name])
    scale = calibrating_scale(differences[best])
    likely = best == "likelihood"
    form = max(range(len(chat.VERIFY)), key=lambda i: accuracy[f"yes_odds_{i}"])
    config = ModelConfig(
        base=base, readout=best, verify_form=form,
        likelihood_scale=scale if likely else 0.0, yes_scale=0.0 if likely else scale,
    )  # fmt: skip
    progress("readout by claim")
    model = RewardModel(vlm, config).eval()
    asking = asking_of(model)
    margins = _by_claim(model, pairs, asking)
    if margins.any():
        accuracy[BY_CLAIM] = right(scale * differences[best] + asking.scale * margins)
        if accuracy[BY_CLAIM] > accuracy[best]:
            config = config.model_copy(update={"readout": f"{best}_{BY_CLAIM}", "by_claim": asking.scale})
    return config, accuracy


def right(margins: np.ndarray) -> float:
    """Share of pairs whose margin (N,) is positive; a tie counts one half."""
    return float(np.mean((margins > 0) + 0.5 * (margins == 0)))


def _by_claim(model: RewardModel, pairs: Sequence[Pair], asking: Asking) -> np.ndarray:
    rows = [row for pair in pairs for row in pair]
    values = by_claim(rows, lambda asked: score(model, asked), asking).reshape(-1, 2)
    return np.asarray(values[:, 0] - values[:, 1])


def _terms(model: RewardModel, rows: Sequence[Row], batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
    likelihood, yes = [], []
    for start in range(0, len(rows), batch):
        terms = model.terms(rows[start : start + batch])
        likelihood.append(terms.likelihood.cpu().numpy())
        yes.append(terms.yes.cpu().numpy())
    return np.concatenate(likelihood), np.concatenate(yes)


def calibrating_scale(difference: np.ndarray) -> float:
    """The s that minimises mean softplus(-s * d): rewards in units of log-odds."""
    from scipy.optimize import minimize_scalar

    low, high = np.log(SCALE_RANGE[0]), np.log(SCALE_RANGE[1])
    found = minimize_scalar(
        lambda s: float(np.logaddexp(0, -np.exp(s) * difference).mean()), bounds=(low, high), method="bounded"
    )
    return float(np.exp(found.x))
