"""The linear probe: logistic regression on the base model's frozen hidden states, chosen minus rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from vlrm.reward.scoring import score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.reward.model import RewardModel, Row

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse regularisation, chosen on the gate split."""


def hidden_states(model: RewardModel, rows: Sequence[Row], progress: Callable[[int], None] | None = None) -> Floats:
    """What the head reads of each row, (N, D): the last hidden state after the verification question."""
    seen: list[np.ndarray] = []

    def keep(_: object, inputs: tuple[Tensor]) -> None:
        seen.append(inputs[0].detach().cpu().double().numpy())

    # Scoring sorts rows by length, and its sort is stable: rows that come sorted are read in the order they come.
    lengths = [len(r.question) + len(r.response) + len(r.critique or "") for r in rows]
    order = sorted(range(len(rows)), key=lengths.__getitem__)
    handle = model.head.register_forward_pre_hook(keep)
    try:
        score(model, [rows[i] for i in order], progress)
    finally:
        handle.remove()
    states_ND = np.concatenate(seen)
    found = np.empty_like(states_ND)
    found[order] = states_ND
    return found


@dataclass(frozen=True)
class Probe:
    """A direction in the space of hidden states; a reward is the projection on it."""

    direction: Floats

    def rewards(self, states_ND: Floats) -> Floats:
        return np.asarray(states_ND @ self.direction)


def fit_probe(training: Floats, weights: Floats, gate: Floats) -> Probe:
    """Fit on differences chosen - rejected (N, D); the strength that orders most ``gate`` differences rightly wins.

    Trains on differences and their negatives, so that neither side is preferred as such.
    """
    width = np.maximum(training.std(axis=0), 1e-9)
    features = np.concatenate([training, -training]) / width
    labels = np.repeat([1, 0], len(training))
    best, accuracy = None, -1.0
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=2000)
        model.fit(features, labels, sample_weight=np.tile(weights, 2))
        probe = Probe(model.coef_[0] / width)
        right = float((probe.rewards(gate) > 0).mean())
        if right > accuracy:
            best, accuracy = probe, right
    assert best is not None  # noqa: S101
    return best
