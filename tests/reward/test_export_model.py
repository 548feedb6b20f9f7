"""An exported reward model: merged base, classifier and value head give what training and scoring gave."""

from __future__ import annotations

import json
import math

import family_models
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoProcessor
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as NATIVE

from vlrm import chat
from vlrm.errors import UserError
from vlrm.reward.classifier import asking, classifier_class, native_class
from vlrm.reward.export import ABOUT, BASE, CLASSIFIER, VALUE_HEAD, ExportModel, export_model
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scalar import States, agreement, fit, split, states, yes_direction
from vlrm.reward.scoring import Scorer, score
from vlrm.vlm import Vlm

EXACT = 1e-5
SAID = ("There is a red star.", "I can see two blue balls.", "a small green ring on the table.")
FAMILIES = ("llava", "qwen2_5_vl", "gemma3")


def trained(vlm):
    """A reward model whose every term counts: an adapter that changes the base, a head that is not zero."""
    config = ModelConfig(base="somewhere", likelihood_scale=1.5, yes_scale=0.5, verify_form=1, readout="likelihood")
    model = RewardModel(vlm, config)
    model.add_adapter(4, 8, ("q_proj", "v_proj"), seed=0)
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.last.weight)
    for name, value in model.backbone.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    return model.eval()


def rows_about(images):
    return [Row(image, "What is in the image?", said) for image in images for said in SAID]


def noise(count):
    return [Image.effect_noise((64, 48), 20 * (i + 2)).convert("RGB") for i in range(count)]


@pytest.fixture(scope="module", params=FAMILIES)
def exported(request, tmp_path_factory):
    """A family's export: its folder, rows, rewards before it, and where the reward model had been saved."""
    root = tmp_path_factory.mktemp(request.param)
    checkpoint = family_models.write(request.param, root / "checkpoint")
    trained(Vlm.load(checkpoint, root)).save(root / "saved")
    model, images = RewardModel.load(root / "saved", vlm := Vlm.load(checkpoint, root)), noise(4)
    rows = [*rows_about([vlm.hold(image) for image in images]), Row(None, "Yes or No?", "Yes")]
    before = score(model, rows)
    about = export_model(model, rows, root / "export")
    return request.param, root / "export", rows, images, before, about


def test_merged_model_is_scored_as_before(exported):
    _, folder, rows, images, before, about = exported
    scorer = Scorer.load(folder)
    shown = {row.image: image for row, image in zip(rows[:: len(SAID)], images, strict=False)}
    given = [(shown.get(row.image), row.question, row.response) for row in rows]
    np.testing.assert_allclose(scorer.rewards(given), before, atol=EXACT)
    assert before.std() > 0.1
    assert about["checked"]["merged_max_error"] < EXACT
    names = load_file(next((folder / BASE).glob("*.safetensors"))).keys()
    assert names == load_file(next((folder.parent / "checkpoint").glob("*.safetensors"))).keys()
    assert "segments" not in (folder / BASE / "config.json").read_text()


def test_classifier_gives_the_scalar_form(exported):
    kind, folder, _, _, _, about = exported
    told = about["files"]["classifier"]
    assert told["in_transformers"] == (kind == "gemma3") == (kind in NATIVE)
    assert about["checked"]["classifier_max_error"] < EXACT
    assert about["checked"]["template_asks"] is True
    config = json.loads((folder / CLASSIFIER / "config.json").read_text())
    assert config["architectures"] == [told["class"]]
    weight = next(
        w for f in (folder / CLASSIFIER).glob("*.safetensors") if (w := load_file(f).get("score.weight")) is not None
    )
    head = load_file(folder / VALUE_HEAD)
    assert torch.equal(weight, head["v_head.summary.weight"])
    assert float(head["v_head.summary.bias"]) == pytest.approx(told["bias"])


def test_the_classifier_reads_padded_batches(exported, tmp_path):
    """As servers and trainers call it: several conversations with answers of unequal length, padded on either side."""
    kind, folder, rows, images, _, _ = exported
    checkpoint = Vlm.load(folder / BASE, tmp_path)
    if kind == "gemma3":
        model = AutoModelForSequenceClassification.from_pretrained(folder / CLASSIFIER, dtype=torch.float32)
    else:
        model = classifier_class(checkpoint.model).from_pretrained(folder / CLASSIFIER, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder / CLASSIFIER)
    turns = [chat.answered(row.question, row.response) for row in rows[:3]]
    texts = [processor.apply_chat_template(turn, tokenize=False) for turn in turns]
    model.eval()
    with torch.no_grad():
        for side in ("left", "right"):
            processor.tokenizer.padding_side = side
            shown = [[images[0]] for _ in texts]
            together = processor(text=texts, images=shown, return_tensors="pt", padding=True, add_special_tokens=False)
            alone = [
                processor(text=[text], images=[[images[0]]], return_tensors="pt", add_special_tokens=False)
                for text in texts
            ]
            found = torch.cat([model(**one).logits for one in alone])
            torch.testing.assert_close(model(**together).logits, found, atol=EXACT, rtol=EXACT)
    assert found.shape == (3, 1) and found.std() > 1e-3


def test_what_was_written_says_how_far_the_scalar_form_agrees(exported):
    _, folder, _, _, _, about = exported
    assert json.loads((folder / ABOUT).read_text()) == about
    held = about["scalar"]["held_out"]
    assert held["rows"] + about["scalar"]["fitted_rows"] == 4 * len(SAID) + 1
    assert held["mean_absolute_error"] > 0  # three answers an image and a head of two layers: it cannot be exact


def test_a_linear_reward_is_fitted_exactly_and_the_yes_term_is_kept():
    torch.manual_seed(0)
    hidden, weight = torch.randn(200, 16).double(), torch.randn(16).double()
    groups = [str(i // 4) for i in range(200)]
    linear = States(hidden, hidden @ weight + 0.7)
    found = fit(linear, weight, groups)
    assert math.isinf(found.penalty) and torch.equal(found.weight_D, weight) and found.bias == pytest.approx(0.7)
    far = fit(linear, torch.zeros(16).double(), groups)
    torch.testing.assert_close(far(hidden), linear.reward_N, atol=1e-2, rtol=0)
    noisy = fit(States(hidden, hidden @ weight + 3 * torch.randn(200).double()), weight, groups)
    assert (noisy.weight_D - weight).norm() < 0.5 * weight.norm()  # shrunk towards where it started


def test_agreement_counts_pairs_of_one_prompt():
    prompts = [("a", "q"), ("a", "q"), ("a", "q"), ("b", "q")]
    full = torch.tensor([3.0, 2.0, 1.0, 9.0])
    found = agreement(torch.tensor([3.0, 2.0, 2.0, -9.0]), full, prompts)
    assert found.pairs == 3 and found.pair_agreement == pytest.approx(2.5 / 3)
    assert agreement(full, full, prompts).correlation == pytest.approx(1)
    assert agreement(torch.zeros(4), full, prompts).correlation is None


def test_states_are_those_of_the_reward_in_the_order_given(tiny):
    model = trained(tiny[0])
    rows = [row for pair in zip(*[iter(rows_about(tiny[1]))] * 3, strict=True) for row in pair][::-1]
    rows = [rows[i] for i in (0, 3, 1, 4, 2, 5)]  # prompts mixed
    found = states(model, rows, batch=4)
    np.testing.assert_allclose(found.reward_N, score(model, rows), atol=EXACT)
    with torch.no_grad():
        terms = model.terms(rows)
        torch.testing.assert_close(model.head(found.hidden_ND.float()), terms.head, atol=EXACT, rtol=EXACT)
        yes = found.hidden_ND @ yes_direction(model)
    torch.testing.assert_close(yes.float(), model.yes_scale * terms.yes, atol=EXACT, rtol=EXACT)


def test_an_image_is_never_on_both_sides():
    rows = [Row(image, question, "x") for image in "abcdef" for question in "pq"] + [Row(None, "r", "x")]
    fitted, held = split(rows, 0.25)
    assert fitted and held and len(fitted) + len(held) == len(rows)
    assert not {row.image or row.question for row in fitted} & {row.image or row.question for row in held}
    assert {(r.image, r.question) for r in split(rows[::-1], 0.25)[1]} == {(r.image, r.question) for r in held}


def test_half_precision_is_measured_not_promised(tmp_path):
    vlm = Vlm.load(family_models.write("llava", tmp_path / "checkpoint"), tmp_path)
    model, rows = trained(vlm), rows_about([vlm.hold(image) for image in noise(2)])
    about = export_model(
        model, rows, tmp_path / "export", ExportModel(dtype="bfloat16", parts=("merged", "classifier"))
    )
    assert EXACT < about["checked"]["merged_max_error"] < 1
    assert EXACT < about["checked"]["classifier_max_error"] < 1
    assert "value_head" not in about["files"] and not (tmp_path / "export" / VALUE_HEAD).exists()
    with pytest.raises(UserError, match="in float32"):
        export_model(model, rows, tmp_path / "again")


def test_the_embedded_tower_is_named_as_what_transformers_lacks(tiny, tmp_path):
    model = trained(tiny[0])
    about = export_model(model, rows_about(tiny[1]), tmp_path, ExportModel(parts="value_head", checked_rows=0))
    assert about["not_in_transformers"] == ["vlrm_scene_tower"] and "checked" not in about
    with pytest.raises(UserError, match="at least two images"):
        export_model(model, rows_about(tiny[1][:1]), tmp_path)


def test_a_fully_trained_model_is_exported_and_one_on_four_bits_refused(tiny, tiny_folder, tmp_path):
    vlm, rows = tiny[0], rows_about(tiny[1])
    config = ModelConfig(
        base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood", mode="full"
    )
    model = RewardModel(vlm, config).eval()
    untrained = score(model, rows)
    with torch.no_grad():
        for layer in model.backbone.get_decoder().layers:
            layer.mlp.down_proj.weight.mul_(1.5)
    model.save(tmp_path / "saved")
    before = score(model, rows)
    assert np.abs(before - untrained).max() > 1e-3
    again = RewardModel.load(tmp_path / "saved", Vlm.load(tiny_folder, tmp_path))
    again.vlm._held |= vlm._held
    about = export_model(again, rows, tmp_path / "export")
    assert about["checked"]["merged_max_error"] < EXACT
    scorer = Scorer.load(tmp_path / "export")
    given = [(vlm.open(row.image), row.question, row.response) for row in rows]
    np.testing.assert_allclose(scorer.rewards(given), before, atol=EXACT)
    model.config = config.model_copy(update={"mode": "qlora"})
    with pytest.raises(UserError, match="4 bits"):
        export_model(model, rows, tmp_path / "no")


def test_what_measures_against_its_base_is_fitted_by_the_scalar_form_and_not_merged(tiny, tmp_path):
    model, rows = trained(tiny[0]), rows_about(tiny[1])
    plain = score(model, rows)
    model.config = model.config.model_copy(update={"reference": True})
    before = score(model, rows)
    assert np.abs(before - plain).max() > 1e-2
    with pytest.raises(UserError, match="leave merged out of parts"):
        export_model(model, rows, tmp_path / "no")
    about = export_model(model, rows, tmp_path / "export", ExportModel(parts=(CLASSIFIER,)), held_out=rows)
    assert "the same of the base" in about["reward"]
    assert about["files"].keys() == {CLASSIFIER}
    assert about["scalar"]["held_out"]["pair_agreement"] == 1.0, "six rows, which the hidden state can tell apart"


def test_files_that_are_not_the_model_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("vlrm.reward.export.check_merged", lambda *_: math.nan)
    with pytest.raises(RuntimeError, match="merged_max_error is nan"):
        export_model(trained(tiny[0]), rows_about(tiny[1]), tmp_path, ExportModel(parts="merged"))
    assert not (tmp_path / ABOUT).exists()


def test_an_unknown_part_is_refused_by_name():
    with pytest.raises(ValueError, match="no part 'onnx'"):
        ExportModel(parts=("onnx",))


def test_the_template_asks_once_and_takes_plain_text():
    import jinja2

    plain = family_models.template("<s>", "</s>", "<image>")
    render = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string
    turns = chat.answered("What?", 'A "star".')
    asked = render(asking(plain, "Is it right?")).render(messages=turns)
    by_hand = [*turns, {"role": "user", "content": [{"type": "text", "text": "Is it right?"}]}]
    assert asked == render(plain).render(messages=by_hand, add_generation_prompt=True)
    assert render(asking(plain, "Is it right?")).render(messages=by_hand) == asked
    strings = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": 'A "star".'}]
    without = render(asking(plain, "Is it right?")).render(messages=strings)
    assert without == asked.replace("<image>", "")


def test_native_classes_are_what_transformers_has():
    from transformers import Gemma3Config, LlavaConfig, Qwen2_5_VLConfig, Qwen3_5Config, Qwen3VLConfig

    assert {c.model_type: native_class(c()) is not None for c in (Gemma3Config, Qwen3_5Config, LlavaConfig, Qwen2_5_VLConfig, Qwen3VLConfig)} == {
        "gemma3": True, "qwen3_5": True, "llava": False, "qwen2_5_vl": False, "qwen3_vl": False,
    }  # fmt: skip
