"""The linear probe: logistic regression on the base model's frozen hidden states, chosen minus rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlrm.reward.scalar import states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.reward.model import RewardModel, Row

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse regularisation, chosen on the gate split."""


def hidden_states(model: RewardModel, rows: Sequence[Row]) -> Floats:
    """What the head reads of each row, (N, D): the last hidden state after the verification question."""
    return np.asarray(states(model, rows).hidden_ND.numpy())


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
    from sklearn.linear_model import LogisticRegression

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
