"""The scalar form of a reward: one linear layer on the last hidden state, fitted to the full reward.

The log-odds of yes is linear in that state, so ``s_y * (W_yes - W_no)`` is exact for its term. The likelihood and the
head of two layers are not linear: what of them a linear layer can say is added by ridge regression. How much that is,
:func:`agreement` says.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from vlrm.progress import say
from vlrm.reward.scoring import batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.reward.model import RewardModel, Row

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, math.inf)
"""Tried ridge penalties, in units of the mean squared singular value; infinity leaves the yes term as it is."""
FOLDS = 5


@dataclass(frozen=True)
class States:
    """Of N rows: the last hidden states (N, D) and the full rewards (N,), float64."""

    hidden_ND: Tensor
    reward_N: Tensor

    def of(self, numbers: Sequence[int]) -> States:
        return States(self.hidden_ND[list(numbers)], self.reward_N[list(numbers)])


@dataclass(frozen=True)
class Scalar:
    """``reward ~ hidden @ weight + bias``; weight (D,), float64. ``penalty``: the one of :data:`PENALTIES` chosen."""

    weight_D: Tensor
    bias: float
    penalty: float

    def __call__(self, hidden_ND: Tensor) -> Tensor:
        """(N,)."""
        return hidden_ND @ self.weight_D + self.bias


class Agreement(BaseModel):
    """How far one reward agrees with another on ``rows`` rows.

    ``pair_agreement`` is the share of ``pairs``, two responses to one prompt that the full reward tells apart, that
    both put in the same order (a tie counts half). None where nothing could be counted.
    """

    rows: int
    correlation: float | None
    pairs: int
    pair_agreement: float | None
    mean_absolute_error: float


def yes_direction(model: RewardModel) -> Tensor:
    """``s_y * (W_yes - W_no)`` (D,), float64: the exactly representable part of the reward."""
    weight = model.backbone.lm_head.weight.detach().double()
    return (model.yes_scale.detach().double() * (weight[model.yes_no[0]] - weight[model.yes_no[1]])).cpu()


@torch.no_grad()
def states(model: RewardModel, rows: Sequence[Row], batch: int = 64) -> States:
    """Last hidden states and full rewards in the order of ``rows``; every row is read once."""
    hidden: dict[int, Tensor] = {}
    reward: dict[int, float] = {}
    for part in batches(rows, batch):
        terms = model.terms([rows[i] for i in part])
        reward |= dict(zip(part, model.combined(terms).double().tolist(), strict=True))
        hidden |= dict(zip(part, terms.hidden.double().cpu(), strict=True))
        say(f"response {len(reward)} of {len(rows)} read")
    order = range(len(rows))
    return States(torch.stack([hidden[i] for i in order]), torch.tensor([reward[i] for i in order]).double())


def fit(found: States, start_D: Tensor, groups: Sequence[str]) -> Scalar:
    """Ridge regression of the full reward on the hidden state, shrunk towards ``start_D`` instead of zero.

    The penalty has the least squared error in :data:`FOLDS`-fold cross-validation that keeps a group (an image)
    whole; the bias is not penalised.
    """
    left = found.reward_N - found.hidden_ND @ start_D
    names = sorted(set(groups))
    fold = np.array([names.index(group) % FOLDS for group in groups])
    errors = dict.fromkeys(PENALTIES, 0.0)
    for number in sorted(set(fold.tolist())):
        held = torch.tensor(fold == number)
        if bool(held.all()):
            continue
        for penalty, (change_D, bias) in _ridge(found.hidden_ND[~held], left[~held]).items():
            errors[penalty] += float(((found.hidden_ND[held] @ change_D + bias - left[held]) ** 2).sum())
    best = min(reversed(PENALTIES), key=errors.__getitem__)  # of equals the one that changes least
    change_D, bias = _ridge(found.hidden_ND, left)[best]
    return Scalar(start_D + change_D, bias, best)


def _ridge(hidden_ND: Tensor, left_N: Tensor) -> dict[float, tuple[Tensor, float]]:
    """By penalty: the change of the weight (D,), and the bias. One decomposition serves all penalties."""
    mean_D, mean = hidden_ND.mean(0), left_N.mean()
    u, s, v = torch.linalg.svd(hidden_ND - mean_D, full_matrices=False)
    along = u.T @ (left_N - mean)
    unit = (s**2).mean()
    solved = {}
    for penalty in PENALTIES:
        shrunk = torch.zeros_like(s) if math.isinf(penalty) else s / (s**2 + penalty * unit).clamp_min(1e-300)
        change_D = v.T @ (shrunk * along)
        solved[penalty] = (change_D, float(mean - mean_D @ change_D))
    return solved


def agreement(found_N: Tensor, full_N: Tensor, prompts: Sequence[tuple[str | None, str]]) -> Agreement:
    """Of rewards (N,) with the full rewards (N,); ``prompts``: image and question of each row."""
    a, b = found_N.numpy(), full_N.numpy()
    varied = len(a) > 1 and a.std() > 0 and b.std() > 0
    pairs, same = 0, 0.0
    together: dict[tuple[str | None, str], list[int]] = {}
    for i, prompt in enumerate(prompts):
        together.setdefault(prompt, []).append(i)
    for numbers in together.values():
        one, other = np.triu_indices(len(numbers), 1)
        full = np.sign(b[numbers][one] - b[numbers][other])
        said = np.sign(a[numbers][one] - a[numbers][other])
        told = full != 0
        pairs += int(told.sum())
        same += float(((1 + full * said) / 2)[told].sum())
    return Agreement(
        rows=len(a),
        correlation=float(np.corrcoef(a, b)[0, 1]) if varied else None,
        pairs=pairs,
        pair_agreement=same / pairs if pairs else None,
        mean_absolute_error=float(np.abs(a - b).mean()),
    )


def group(row: Row) -> str:
    """What a row may not share with one it is held out from: its image; where there is none, its question."""
    return row.image or f"\x1f{row.question}"


def split(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """Rows to fit on and rows to measure on; about ``share`` of the images go to the second, at least one to each.

    The order is by hash of the image, so that it does not depend on that of the rows.
    """
    names = sorted({group(row) for row in rows}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    held = set(names[: max(1, min(len(names) - 1, round(share * len(names))))]) if len(names) > 1 else set()
    return [row for row in rows if group(row) not in held], [row for row in rows if group(row) in held]
