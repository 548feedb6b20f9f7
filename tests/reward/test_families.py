"""Every family: a reward is that of its row alone, whatever shares its batch, in value and in gradient."""

from __future__ import annotations

import family_models
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen3_5Config, Qwen3_5TextConfig

from vlrm import chat
from vlrm.errors import UserError
from vlrm.families import FAMILIES, Layout, best_layout, family_of
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request, Sampling
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.vlm import Conversation, Vlm

EXACT = 1e-5
QUESTION = "What is in the image?"


@pytest.fixture(scope="module", params=sorted(family_models.BUILD))
def folder(request, tmp_path_factory):
    return family_models.write(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def vlm(folder, tmp_path):
    return Vlm.load(folder, tmp_path)


@pytest.fixture
def images(vlm):
    """Two images of different shapes, so that they have different numbers of tokens where that depends on it."""
    rng = np.random.default_rng(0)  # Pillow's own noise is another one every time
    shapes = ((48, 64, 3), (60, 120, 3))
    return [vlm.hold(Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8))) for shape in shapes]


def reward_model(vlm):
    config = ModelConfig(base="tiny", likelihood_scale=1, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(vlm, config).eval()
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.last.weight)
    return model


def mixed(images):
    """Prompts with either image and with none; answers short, long and empty; with a critique and without."""
    return [
        Row(image, question, response, critique)
        for image, question in ((images[0], QUESTION), (None, "Yes or No?"), (images[1], QUESTION))
        for response in ("There is a red star.", "I can see two blue balls and a small green ring on the table.", "")
        for critique in (None, "See: red star.")
    ]


@torch.no_grad()
def test_a_reward_is_that_of_its_row_alone(vlm, images):
    model, rows = reward_model(vlm), mixed(images)
    alone = torch.cat([model([row]) for row in rows])
    assert alone.std() > 0.1
    model.layout = Layout.PADDED
    separate = torch.cat([model([row]) for row in rows])
    torch.testing.assert_close(alone, separate, atol=EXACT, rtol=EXACT)
    layouts = {Layout.PADDED, Layout.MASKED, best_layout(vlm.model.config)[0]}
    for model.layout in layouts:
        torch.testing.assert_close(model(rows), separate, atol=EXACT, rtol=EXACT)
        torch.testing.assert_close(model(rows[::-1]), separate.flip(0), atol=EXACT, rtol=EXACT)
        torch.testing.assert_close(model(rows[3:8]), separate[3:8], atol=EXACT, rtol=EXACT)


def test_a_gradient_is_the_sum_of_those_of_rows_alone(vlm, images):
    model = reward_model(vlm)
    family_models.learning(model)
    rows = mixed(images)[4:14]
    weights = torch.linspace(-1, 1, len(rows))

    def gradients(batches):
        model.zero_grad()
        for part in batches:
            (model([rows[i] for i in part]) * weights[list(part)]).sum().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    together, alone = gradients([range(len(rows))]), gradients([[i] for i in range(len(rows))])
    assert together.keys() == alone.keys() and any("lora_A" in name for name in together)
    for name, found in together.items():
        scale = alone[name].abs().max().clamp_min(1)
        torch.testing.assert_close(found / scale, alone[name] / scale, atol=EXACT, rtol=0)


@torch.no_grad()
def test_tokens_and_logits_are_the_processors(vlm, images):
    """Image tokens, positions and masks are what the model's own processor and code make of a conversation."""
    text = vlm.text(chat.ask(QUESTION), reply=True)
    whole = vlm.processor(text=[text], images=[[vlm.open(images[1])]], return_tensors="pt", add_special_tokens=False)
    ours = vlm.inputs([images[1]], vlm.token_ids([text], [images[1]]), side="left")
    assert whole["input_ids"].tolist() == ours["input_ids"].tolist()
    torch.testing.assert_close(vlm.model(**whole).logits, vlm.model(**ours).logits, atol=EXACT, rtol=0)


def test_samples_of_a_prompt_do_not_depend_on_their_batch(vlm, images):
    reward_model(vlm)  # its attention stays registered with the model; sampling goes on as before
    asked = [Request(Conversation(image, chat.ask(QUESTION)), seed) for image in images for seed in (1, 2)]
    sampling = Sampling(max_new_tokens=6)
    assert generate(vlm, asked, sampling) == [generate(vlm, [one], sampling)[0] for one in asked]


def test_features_kept_on_disk_are_those_of_each_image_alone(folder, tmp_path, monkeypatch):
    """Whichever stage looks first, with whatever beside it: what it leaves is the same to the bit."""
    together = []
    look = Vlm._look
    monkeypatch.setattr(Vlm, "_look", lambda self, part: together.append(len(part)) or look(self, part))
    for features in (tmp_path / "kept", None):
        vlm = Vlm.load(folder, tmp_path, features=features)
        vlm.look([vlm.hold(Image.new("RGB", (64, 48), colour)) for colour in ("red", "green", "blue")])
    assert together == [1, 1, 1, 3]


def test_features_are_kept_on_disk_by_content_and_tower(folder, tmp_path, monkeypatch):
    image = Image.effect_noise((64, 48), 90).convert("RGB")
    first = Vlm.load(folder, tmp_path, features=tmp_path / "features")
    (seen,) = first.look([first.hold(image)])
    again = Vlm.load(folder, tmp_path, features=tmp_path / "features")
    monkeypatch.setattr(again, "_look", lambda _: pytest.fail("looked again"))
    (kept,) = again.look([again.hold(image)])
    assert kept.text == seen.text and kept.grid == seen.grid
    assert torch.equal(kept.features, seen.features)
    other = Vlm.load(folder, tmp_path, features=tmp_path / "features")
    with torch.no_grad():
        next(iter(other.model.model.children())).get_parameter(
            next(n for n, _ in next(iter(other.model.model.children())).named_parameters())
        ).add_(1)
    assert other.seen.tower != again.seen.tower


def test_linear_attention_is_read_padded_and_named(caplog):
    config = Qwen3_5Config(text_config=Qwen3_5TextConfig(num_hidden_layers=4).to_dict())
    layout, why = best_layout(config)
    assert layout is Layout.PADDED and "linear_attention" in why


def test_an_unknown_family_is_refused_by_name():
    class Config:
        model_type = "made_up"

    with pytest.raises(UserError, match="type made_up"):
        family_of(Config, "somewhere")
    assert {"llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "smolvlm", "idefics3", "internvl", "gemma3"} <= set(FAMILIES)


@torch.no_grad()
def test_a_reward_depends_on_the_image(vlm, images):
    seen = reward_model(vlm)([Row(image, QUESTION, "There is a red star.") for image in images])
    assert (seen[0] - seen[1]).abs() > 1e-3
