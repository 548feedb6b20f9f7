"""The Trainer is a plain loop over the planned batches, however a step is cut into micro-batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.reward.batches import TrainingPlan
from vlrm.reward.checkpoints import weights_of
from vlrm.reward.critic import language_loss
from vlrm.reward.learning import make_trainable
from vlrm.reward.objective import PairObjective, image_contrast
from vlrm.reward.schedule import warm_cosine
from vlrm.reward.train import train_reward_model
from vlrm_kernels.pair_margin import pair_margin_loss


@pytest.fixture
def case(tiny_folder, tmp_path):
    images = stored(tmp_path)
    return reward_model(tiny_folder, tmp_path), pairs_about(images), critiques(), targets(images)


def trained(model, pairs, said, learned, chosen, **more):
    logs = []
    train_reward_model(model, pairs, said, learned, chosen, 7, logs.append, **more)
    return logs, weights_of(PairObjective(model, chosen))


def plain_loop(model, pairs, said, learned, chosen, seed):
    """What the Trainer must do, written out: losses of each step, and the trained weights in ``model``."""
    plan = TrainingPlan(pairs, said, learned, chosen, seed)
    make_trainable(model, chosen, seed)
    scales = [model.likelihood_scale, model.yes_scale]
    others = [p for part in (model.backbone, model.head) for p in part.parameters() if p.requires_grad]
    groups = [{"params": others, "lr": chosen.rate}, {"params": scales, "lr": chosen.scale_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, plan.steps))
    losses, objective = [], PairObjective(model, chosen)
    for batch in (plan[i] for i in range(plan.steps)):
        objective.look(batch)  # as the Trainer does, so that the features are the same bits
        good, bad = model(batch.rows).reshape(-1, 2).T
        weight, margin = (torch.tensor([getattr(p, name) for p in batch.pairs]) for name in ("weight", "margin"))
        loss = pair_margin_loss(good, bad, weight, margin)
        loss = loss + chosen.centring * torch.stack([good, bad]).square().mean()
        contrast = image_contrast(batch.pairs, good, bad)
        if contrast is not None:
            loss = loss + chosen.image_contrast * contrast
        loss = loss + chosen.language_model * language_loss(model.vlm, batch.targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, chosen.clip)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, weights_of(PairObjective(model, chosen))


def test_losses_and_weights_are_those_of_a_plain_loop(case, tiny_folder, tmp_path):
    model, *rest = case
    chosen = settings(epochs=3)
    logs, weights = trained(model, *rest, chosen)
    losses, expected = plain_loop(reward_model(tiny_folder, tmp_path), *rest, chosen, 7)
    np.testing.assert_allclose([log.loss for log in logs], losses, rtol=1e-6)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        # Adam turns rounding of a gradient that is almost zero into a step: one number of thousands, on some processors.
        assert ((weights[name] - value).abs() > 1e-5).sum() <= max(1, value.numel() // 1000)
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-3)


@pytest.mark.parametrize("parts", [2, 3])
def test_a_step_cut_into_micro_batches_is_the_same_step(case, tiny_folder, tmp_path, parts):
    """The mean over weights, rewards, quads and tokens is that of the step, not of its parts."""
    model, *rest = case
    chosen = settings(epochs=0.6, pairs_per_step=6, language_model=0.0)
    logs, weights = trained(model, *rest, chosen)
    cut = chosen.model_copy(update={"accumulation": parts})
    again, same = trained(reward_model(tiny_folder, tmp_path), *rest, cut)
    np.testing.assert_allclose([log.loss for log in again], [log.loss for log in logs], rtol=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(
            same[name], value, rtol=0, atol=2e-4
        )  # of steps of 5e-3: Adam divides by the gradient


def test_the_language_loss_of_a_step_is_the_mean_over_all_its_tokens(case):
    model, pairs, said, learned = case
    chosen = settings(pairs_per_step=6, centring=0.0, image_contrast=0.0)
    count = lambda examples: [len(ids) + 1 for ids in model.vlm.token_ids([e.critique for e in examples])]  # noqa: E731
    plan = TrainingPlan(pairs, said, learned, chosen, 0, per_step=2, tokens=count)
    step = [plan[0], plan[1]]
    whole = language_loss(model.vlm, [target for part in step for target in part.targets])
    parts = sum(part.share.language * language_loss(model.vlm, part.targets) for part in step)
    assert float(parts) == pytest.approx(float(whole), rel=1e-5)


def test_a_step_tells_what_it_saw(case):
    model, pairs, said, learned = case
    logs, _ = trained(model, pairs, said, learned, settings(epochs=1))
    assert [log.step for log in logs] == [1, 2, 3] and {log.total for log in logs} == {3}
    for log in logs:
        assert log.reward_min <= log.reward_mean <= log.reward_max
        assert 0 <= log.accuracy <= 1
        assert abs(log.margin) <= log.reward_max - log.reward_min
        assert log.gradient_norm > 0
    assert [log.rate for log in logs] == pytest.approx([5e-3 * warm_cosine(step, 3) for step in range(3)])


def test_training_says_nothing_on_the_terminal(case, capfd):
    model, pairs, said, learned = case
    trained(model, pairs, said, learned, settings(epochs=0.5))
    assert capfd.readouterr() == ("", "")


def test_what_was_frozen_before_stays_frozen(case):
    model, pairs, said, learned = case
    model.yes_scale.requires_grad_(False)
    model.head.requires_grad_(False)
    _, weights = trained(model, pairs, said, learned, settings())
    assert model.yes_scale.item() == 0.5 and not model.head.last.weight.any()
    assert {name.split(".")[1] for name in weights} == {"backbone", "likelihood_scale"}


def test_a_token_budget_trains(case):
    model, pairs, said, learned = case
    logs, _ = trained(model, pairs, said, learned, settings(epochs=4, tokens_per_batch=160))
    assert np.mean([log.loss for log in logs[-4:]]) < np.mean([log.loss for log in logs[:4]])


def test_the_scales_start_where_the_settings_say(case):
    model, *_ = case
    before = model.likelihood_scale.item()
    make_trainable(model, settings(yes_scale=0.75), 0)
    assert model.yes_scale.item() == 0.75
    assert model.likelihood_scale.item() == before
    model.likelihood_scale.requires_grad_(False)
    make_trainable(model, settings(likelihood_scale=9.0, mode="full"), 0)
    assert model.likelihood_scale.item() == before, "a scale that is frozen stays as it is"


def test_critiques_that_count_for_nothing_are_not_read(case, monkeypatch):
    model, pairs, said, learned = case
    monkeypatch.setattr("vlrm.reward.objective.language_loss", lambda *_: pytest.fail("a critique was read"))
    assert trained(model, pairs, said, learned, settings(language_model=0.0))[0]
