"""What learns in each mode, and that checkpointing and bf16 change memory, not what is learned."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from training_cases import critiques, pairs_about, reward_model, settings, stored, targets

from vlrm.errors import UserError
from vlrm.reward.batches import TrainingPlan
from vlrm.reward.learning import frozen_side, make_trainable, quantise
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.objective import PairObjective
from vlrm.reward.scoring import score
from vlrm.reward.train import train_reward_model
from vlrm.vlm import Vlm


@pytest.fixture
def new(tiny_folder, tmp_path):
    images = stored(tmp_path)
    return lambda: (reward_model(tiny_folder, tmp_path), pairs_about(images), critiques(), targets(images))


def trained(new, **given):
    (model, *rest), logs = new(), []
    train_reward_model(model, *rest, settings(**given), 5, logs.append)
    return model, logs


def test_full_fine_tuning_moves_the_language_side_and_not_the_tower(new):
    before = {name: p.detach().clone() for name, p in new()[0].named_parameters()}
    model, logs = trained(new, mode="full", rate=1e-3, epochs=4)
    assert np.mean([log.loss for log in logs[-3:]]) < np.mean([log.loss for log in logs[:3]])
    tower = {id(p) for module in frozen_side(model) for p in module.parameters()}
    assert tower
    for name, parameter in model.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == (id(parameter) not in tower), name
    assert not model.config.adapter


def test_a_fully_trained_model_scores_the_same_from_its_folder(new, tiny_folder, tmp_path):
    model, _ = trained(new, mode="full", rate=1e-3, epochs=2)
    model.save(tmp_path / "model")
    rows = [Row(pair.image, pair.question, pair.chosen) for pair in new()[1]]
    again = RewardModel.load(tmp_path / "model", Vlm.load(tiny_folder, model.vlm.images))
    np.testing.assert_allclose(score(again, rows), score(model, rows), atol=1e-6)
    base = reward_model(tiny_folder, tmp_path)
    assert np.abs(score(base.eval(), rows) - score(model, rows)).max() > 1e-3


def test_lora_moves_adapter_head_and_scales_only(new):
    model, _ = trained(new)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.split(".")[0] in ("head", "likelihood_scale", "yes_scale") for name in learning)
    assert any("lora_" in name for name in learning)
    assert model.config.adapter


def gradients(new, **given):
    model, *rest = new()
    chosen = settings(**given)
    make_trainable(model, chosen, 0)
    model.train()
    PairObjective(model, chosen)(TrainingPlan(*rest, chosen, 0)[0])["loss"].backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_gradient_checkpointing_changes_no_gradient(new, mode):
    plain, checked = gradients(new, mode=mode), gradients(new, mode=mode, gradient_checkpointing=True)
    assert plain.keys() == checked.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checked[name], gradient, rtol=1e-6, atol=1e-7)


def test_checkpointing_computes_the_layers_again_in_training_only(new):
    model, pairs, said, learned = new()
    layer = model.backbone.get_decoder().layers[0].self_attn
    calls = []
    layer.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    train_reward_model(model, pairs, said, [], settings(epochs=0.2, gradient_checkpointing=True), 0, lambda log: None)
    assert len(calls) == 2  # one step: forward, and again in backward
    score(model, TrainingPlan(pairs, said, learned, settings(), 0)[0].rows)
    assert len(calls) == 3


def test_bf16_trains_to_nearly_the_same(new):
    """Autocast: the weights that learn stay fp32."""
    model, logs = trained(new, bf16=True)
    _, exact = trained(new)
    np.testing.assert_allclose([log.loss for log in logs], [log.loss for log in exact], rtol=0.05)
    assert [log.loss for log in logs] != [log.loss for log in exact]
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


def test_qlora_is_refused_in_one_sentence_where_it_cannot_be_had(new, monkeypatch):
    installed = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else installed(name))
    with pytest.raises(UserError, match=r"needs bitsandbytes, .*pip install 'vlrm\[qlora\]'"):
        trained(new, mode="qlora")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "bitsandbytes" or installed(name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="needs a CUDA device"):
        trained(new, mode="qlora")


def test_four_bits_hold_the_language_side_and_an_adapter_learns_on_them(new):
    """On the CPU, which bitsandbytes can compute on, slowly: the same layers as on a GPU."""
    pytest.importorskip("bitsandbytes")
    model, *rest = new()
    rows = TrainingPlan(*rest, settings(), 0)[0].rows
    exact = score(model, rows)
    quantise(model.backbone)
    model.to("cpu")
    packed = [m for m in model.backbone.get_decoder().modules() if type(m).__name__ == "Linear4bit"]
    assert len(packed) == 7 * len(model.backbone.get_decoder().layers)
    assert all(m.weight.dtype == torch.uint8 for m in packed)
    assert 0 < np.abs(score(model, rows) - exact).max() < 0.5
