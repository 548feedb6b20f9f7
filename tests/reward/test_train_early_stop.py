"""Training stops where validation no longer improves, at the weights of its best step."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from training_cases import BALL, QUESTION, STAR, critiques, pairs_about, reward_model, settings, stored

from vlrm.reward.checkpoints import weights_of
from vlrm.reward.early_stop import EarlyStop
from vlrm.reward.objective import PairObjective
from vlrm.reward.rows import TrainingPair
from vlrm.reward.train import train_reward_model


@pytest.fixture
def train(tiny_folder, tmp_path):
    images = stored(tmp_path)

    def run(validation, **given):
        model, logs, states = reward_model(tiny_folder, tmp_path), [], []
        chosen = settings(**{"epochs": 4.0, "language_model": 0.0} | given)

        def progress(log):
            logs.append(log)
            states.append(weights_of(PairObjective(model, chosen)))

        train_reward_model(
            model, pairs_about(images), critiques(), [], chosen, 3, progress, validation=validation(images)
        )
        return logs, states, weights_of(PairObjective(model, chosen))

    return run


def turned_round(images):
    """What training teaches, the other way round: the more is learned, the worse it gets."""
    return [
        TrainingPair(images[0], QUESTION, BALL, STAR, "v", "w", 1.0, 0.0, None),
        TrainingPair(images[1], QUESTION, STAR, BALL, "x", "y", 1.0, 0.0, None),
    ]


def test_it_stops_when_validation_gets_worse_and_goes_back_to_the_best_step(train):
    logs, states, weights = train(turned_round, patience=2, validation_steps=2, rate=2e-3, with_critique=0.0)
    assert len(logs) < logs[0].total
    best = len(logs) - 1 - 2 * 2  # two validations before the last one, by two steps
    assert all(torch.equal(weights[name], states[best][name]) for name in weights)


def test_it_does_not_stop_while_validation_improves(train):
    logs, states, weights = train(lambda images: pairs_about(images)[:4], patience=1, validation_steps=5)
    assert len(logs) == logs[0].total
    assert not all(torch.equal(weights[name], states[0][name]) for name in weights)


def test_without_patience_validation_is_not_even_looked_at(train):
    with_pairs, without = train(turned_round), train(lambda images: [])
    assert [dataclasses.asdict(log) for log in with_pairs[0]] == [dataclasses.asdict(log) for log in without[0]]
    assert all(torch.equal(with_pairs[2][name], without[2][name]) for name in without[2])


def test_patience_counts_from_the_last_lower_loss():
    early = EarlyStop(2)
    found = [(early.better(step, loss), early.over) for step, loss in enumerate([1.0, 1.1, 0.9, 0.9, 1.0])]
    assert found == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    assert (early.step, early.lowest) == (2, 0.9)
