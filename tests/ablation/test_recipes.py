"""How an arm's reward model is narrowed: what it does without stays out of the reward through training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vlrm.ablation.arms import ARMS, FIRST_LIKELIHOOD_SCALE, Recipe
from vlrm.ablation.probe import fit_probe, hidden_states
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.rows import TrainingPair
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining, train_reward_model

STAR, BALL = "There is a red star.", "I can see two blue balls."
SETTINGS = RewardTraining(epochs=6, pairs_per_step=4, rate=5e-3, lora_rank=4, lora_alpha=8, language_model=0.0)


def reward_model(vlm, **given) -> RewardModel:
    facts = {"likelihood_scale": 3.0, "yes_scale": 0.5, **given}
    return RewardModel(vlm, ModelConfig(base="tiny", verify_form=1, readout="likelihood", **facts)).eval()


def trained(model: RewardModel, recipe: Recipe, images) -> RewardModel:
    recipe.narrow(model)
    pairs = [
        TrainingPair(images[0], "What is in the image?", STAR, BALL, "a", "b", 1.0, 0.25, "q"),
        TrainingPair(images[1], "What is in the image?", BALL, STAR, "c", "d", 1.0, 0.25, "q"),
    ] * 2
    train_reward_model(model, pairs, {}, [], recipe.settings(SETTINGS), 0, lambda log: None)
    return model


def test_the_likelihood_alone_is_the_whole_reward_after_training(tiny) -> None:
    vlm, images = tiny
    model = trained(reward_model(vlm), ARMS["likelihood_only"].recipe, images)
    rows = [Row(images[0], "What is in the image?", text) for text in (STAR, BALL)]
    with torch.no_grad():
        terms = model.terms(rows)
    assert model.yes_scale.item() == 0
    assert model.likelihood_scale.item() != 3.0  # it learns
    np.testing.assert_allclose(score(model, rows), model.likelihood_scale.item() * terms.likelihood.numpy(), rtol=1e-5)


def test_the_head_alone_starts_at_zero_and_learns(tiny) -> None:
    vlm, images = tiny
    rows = [Row(images[0], "What is in the image?", text) for text in (STAR, BALL)]
    model = reward_model(vlm)
    recipe = ARMS["head_only"].recipe
    recipe.narrow(model)
    np.testing.assert_allclose(score(model, rows), 0, atol=1e-7)
    trained(model, recipe, images)
    assert (model.likelihood_scale.item(), model.yes_scale.item()) == (0, 0)
    assert np.abs(score(model, rows)).max() > 1e-3
    with torch.no_grad():
        np.testing.assert_allclose(score(model, rows), model.terms(rows).head.numpy(), atol=1e-5)


def test_the_likelihood_alone_has_a_scale_where_round_zero_reads_yes_or_no(tiny) -> None:
    model = reward_model(tiny[0], likelihood_scale=0.0)
    ARMS["likelihood_only"].recipe.narrow(model)
    assert model.likelihood_scale.item() == FIRST_LIKELIHOOD_SCALE


def test_a_text_only_model_does_not_see_which_image_it_is(tiny) -> None:
    vlm, images = tiny
    model = reward_model(vlm)
    ARMS["text_only"].recipe.narrow(model)
    rows = [Row(images[0], "What is in the image?", STAR), Row(f"blank:{images[0]}", "What is in the image?", STAR)]
    first, blank = score(model, rows)
    assert first == pytest.approx(blank, abs=1e-6)


def test_the_loop_itself_has_nothing_taken_away(tiny) -> None:
    rows = [Row(tiny[1][0], "What is in the image?", STAR)]
    model = reward_model(tiny[0])
    before = score(model, rows)
    Recipe().narrow(model)
    np.testing.assert_array_equal(score(model, rows), before)
    assert Recipe().settings(SETTINGS) == SETTINGS
    assert Recipe(image_contrast=False).settings(SETTINGS).image_contrast == 0
    assert ARMS["critique_loss"].recipe.settings(SETTINGS).language_model == 0.1


def test_hidden_states_are_what_the_head_reads_in_the_order_of_rows(tiny) -> None:
    vlm, images = tiny
    model = reward_model(vlm)
    rows = [Row(images[0], "What is in the image?", text) for text in (BALL, "Yes", STAR)]
    states = hidden_states(model, rows)
    for row, state in zip(rows, states, strict=True):
        np.testing.assert_allclose(hidden_states(model, [row])[0], state, atol=1e-4)
    with torch.no_grad():
        head = model.head(torch.tensor(states, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model.terms(rows).head.detach().numpy(), head, atol=1e-5)
    assert not model.head._forward_pre_hooks  # nothing is left behind


def test_hidden_states_keep_their_rows_where_prompts_take_turns(tiny) -> None:
    vlm, images = tiny
    model = reward_model(vlm)
    rows = [
        Row(image, question, text)
        for text in ("Yes", BALL, STAR)
        for image, question in ((images[0], "Is there a star?"), (images[1], "What?"), (images[0], "What?"))
    ]
    for row, state in zip(rows, hidden_states(model, rows), strict=True):
        np.testing.assert_allclose(hidden_states(model, [row])[0], state, atol=1e-4)


def test_the_probe_finds_a_direction_and_takes_the_strength_the_gate_prefers() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=12)
    differences = rng.normal(size=(400, 12)) * np.linspace(0.1, 10, 12)
    differences *= np.sign(differences @ direction)[:, None]
    probe = fit_probe(differences[:250], np.ones(250), differences[250:300])
    assert (probe.rewards(differences[300:]) > 0).mean() > 0.9
    assert (probe.rewards(-differences[300:]) > 0).mean() < 0.1  # no side is preferred as such
