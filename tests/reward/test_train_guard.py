"""A step that breaks the training is taken back, said, and the rate is halved; too many of them end it."""

from __future__ import annotations

import logging

import pytest
import torch
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.errors import UserError
from vlrm.reward.checkpoints import weights_of
from vlrm.reward.guard import Guard
from vlrm.reward.objective import PairObjective
from vlrm.reward.schedule import WarmCosine, warm_cosine
from vlrm.reward.train import train_reward_model

NAN = float("nan")


@pytest.fixture
def train(tiny_folder, tmp_path, monkeypatch):
    """Train with the loss of some forward passes replaced; gives logs, weights after each step, and the model."""

    def run(spoilt, **given):
        images = stored(tmp_path)
        model, logs, states = reward_model(tiny_folder, tmp_path), [], []
        chosen = settings(**{"epochs": 2.0} | given)
        calls = iter(range(1000))
        forward = PairObjective.forward

        def spoiling(self, batch):
            out = forward(self, batch)
            factor = spoilt.get(next(calls))
            return out if factor is None else out | {"loss": out["loss"] * factor}

        def progress(log):
            logs.append(log)
            states.append(weights_of(PairObjective(model, chosen)))

        monkeypatch.setattr(PairObjective, "forward", spoiling)
        train_reward_model(model, pairs_about(images), critiques(), targets(images), chosen, 3, progress)
        return logs, states

    return run


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("factor", [NAN, float("inf"), 1e6])
def test_an_unsound_loss_takes_back_the_step_before_it(train, caplog, factor):
    with caplog.at_level(logging.WARNING):
        logs, states = train({2: factor})
    # the loss of step 3 condemns the weights that step 2 made: those after step 1 are back
    assert same(states[2], states[0]) and not same(states[1], states[0])
    assert not same(states[3], states[2])
    assert [log.rate for log in logs[3:]] == pytest.approx([5e-3 * 0.5 * warm_cosine(s, 5) for s in range(3, 5)])
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith(
        "at step 3; its batch is left out, weights and optimiser are those of step 2 again, the rate is halved"
    )
    assert all(torch.isfinite(value).all() for value in states[-1].values())


def test_after_a_step_taken_back_training_is_as_if_it_had_not_been(train):
    """The optimiser is restored too: the step after is the one that its state and the halved rate make."""
    logs, states = train({2: NAN})
    again, other = train({2: NAN}, snapshot_steps=2)  # the state kept is then that of step 1
    assert same(other[2], states[2]) is False  # before step 1 nothing had been learned
    assert not other[2]["model.head.last.weight"].any()
    assert len(logs) == len(again) == 5


def test_an_unsound_first_loss_changes_nothing(train):
    _, states = train({0: NAN})
    assert not states[0]["model.head.last.weight"].any()
    assert states[-1]["model.head.last.weight"].any()


def test_when_nothing_helps_training_ends_with_what_to_do(train):
    with pytest.raises(
        UserError, match=r"at step 4 after 2 restored steps \(the loss is not a number\): lower reward.rate"
    ):
        train(dict.fromkeys(range(1, 20), NAN), restores=2)


def test_a_sound_training_is_left_alone(train, caplog):
    train({})
    assert not caplog.records


def test_a_gradient_that_is_no_number_is_unsound_too():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    rate, said = WarmCosine(10), []
    guard = Guard(10.0, 3, 1, rate, said.append)
    assert guard.check(0, 0.7, 1.0, [weight], optimizer)
    weight.grad = torch.ones(2)
    optimizer.step()
    assert not guard.check(1, 0.7, NAN, [weight], optimizer)
    assert weight.tolist() == [1.0, 1.0] and not optimizer.state  # as it was before the first step
    assert rate.lowered == 0.5 and "the gradient is not a number" in said[0]


def test_a_loss_explodes_against_its_mean_but_never_below_the_factor_itself():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight])
    guard = Guard(10.0, 9, 1, WarmCosine(10), lambda said: None)
    sound = [guard.check(step, loss, 1.0, [weight], optimizer) for step, loss in enumerate([0.1, 0.1, 9.0, 0.1, 60.0])]
    assert sound == [True, True, True, True, False]
