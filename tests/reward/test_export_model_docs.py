"""docs/use_the_reward_model.md: its code is run as it stands; train == score == exported == served."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import family_models
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from vlrm.registry.serving import RewardModelService
from vlrm.reward.export import export_model
from vlrm.reward.functions import FOLDER
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.rows import TrainingPair
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining, train_reward_model
from vlrm.vlm import Vlm

PAGE = (Path(__file__).parents[2] / "docs/use_the_reward_model.md").read_text("utf-8")
CODE = re.findall(r"(<!-- not executed -->\n)?```python\n(.*?)```", PAGE, re.DOTALL)
EXACT = 1e-5
QUESTION, SAID = "What is in the image?", ["There is a red star.", "I can see two blue balls."]


def block(beginning: str) -> str:
    """The only block of the page with this text in it."""
    found = [code for skipped, code in CODE if beginning in code and not skipped]
    assert len(found) == 1, beginning
    return found[0]


@pytest.fixture(scope="module", params=["tiny", "llava", "qwen2_5_vl", "softcapped"])
def made(request, tiny_folder, tmp_path_factory):
    """A reward model that was trained, saved, loaded, scored with and exported."""
    root = tmp_path_factory.mktemp(request.param)
    kind = request.param
    named = "gemma3" if kind == "softcapped" else kind
    checkpoint = tiny_folder if kind == "tiny" else family_models.write(named, root / "checkpoint")
    if kind == "softcapped":
        file = checkpoint / "config.json"
        text = json.loads(file.read_text())
        text["text_config"]["final_logit_softcapping"] = 0.5
        file.write_text(json.dumps(text))
    config = ModelConfig(base=str(checkpoint), likelihood_scale=1.5, yes_scale=0.5, verify_form=2, readout="likelihood")
    model = RewardModel(Vlm.load(checkpoint, root), config)
    pictures = [Image.effect_noise((64, 48), 90).convert("RGB"), Image.effect_noise((50, 60), 50).convert("RGB")]
    images = [model.vlm.hold(picture) for picture in pictures]
    pairs = [
        TrainingPair(image, QUESTION, *said, f"{i}a", f"{i}b", 1.0, 0.25, None)
        for i, (image, said) in enumerate(zip(images, (SAID, SAID[::-1]), strict=True))
    ] * 2
    settings = RewardTraining(epochs=1, pairs_per_step=4, rate=5e-3, lora_rank=4, lora_alpha=8)
    train_reward_model(model, pairs, {}, [], settings, 0, lambda _: None)
    model.eval()
    rows = [Row(image, QUESTION, said) for image in images for said in SAID]
    with torch.no_grad():
        trained = model(rows).numpy()
    model.save(root / "saved")
    again = RewardModel.load(root / "saved", Vlm.load(checkpoint, root))
    for picture in pictures:
        again.vlm.hold(picture)
    scored = score(again, rows)
    export_model(again, rows, root / "export")
    return SimpleNamespace(kind=kind, root=root, pictures=pictures, trained=trained, scored=scored)


def test_trained_scored_exported_and_served_are_one_reward(made):
    told: dict = {"folder": made.root / "export"}
    exec(block("AutoModelForImageTextToText.from_pretrained"), told)
    by_hand = [told["reward"](picture, QUESTION, said) for picture in made.pictures for said in SAID]
    service = RewardModelService()
    service.load_context(SimpleNamespace(artifacts={"reward_model": str(made.root / "export")}))
    served = service.predict(None, requests(made.pictures))["reward"]
    assert np.std(made.trained) > 1e-3
    np.testing.assert_allclose(made.scored, made.trained, atol=EXACT)
    np.testing.assert_allclose(by_hand, made.trained, atol=EXACT)
    np.testing.assert_allclose(served, made.trained, atol=EXACT)
    assert told["reward"](None, "Yes or No?", "Yes") != by_hand[0]


def requests(pictures) -> pd.DataFrame:
    rows = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "PNG")
        rows += [
            {"image": base64.b64encode(file.getvalue()).decode(), "question": QUESTION, "response": s} for s in SAID
        ]
    return pd.DataFrame(rows)


def test_every_other_block_gives_that_reward(made, monkeypatch):
    folder = made.root / "export"
    path = made.root / "picture.png"
    made.pictures[0].save(path)
    told: dict = {
        "folder": folder, "image": made.pictures[0], "path": path, "question": QUESTION, "response": SAID[0],
        "responses": SAID,
    }  # fmt: skip
    exec(block("Scorer.load"), told)
    np.testing.assert_allclose(told["rewards"], made.trained[:2], atol=EXACT)
    exec(block("import trl_reward"), told)
    found = told["reward"](prompts=[QUESTION], completions=[SAID[0]], images=[[made.pictures[0]]])
    assert found == pytest.approx([made.trained[0]], abs=EXACT)
    exec(block("import compute_score"), told)
    assert told["score"] == pytest.approx(made.trained[0], abs=EXACT)
    monkeypatch.setenv(FOLDER, str(folder))
    exec(block("functions.__file__") + block("functions.reward_func"), told)
    assert float(told["found"]) == pytest.approx(made.trained[0], abs=EXACT)


@pytest.fixture
def registered():
    """Takes the classes that a test registered with transformers out again."""
    extra = AutoModelForSequenceClassification._model_mapping._extra_content
    before = dict(extra)
    yield
    extra.clear()
    extra.update(before)


@pytest.mark.parametrize("made", ["qwen2_5_vl", "gemma3"], indirect=True)
def test_the_classifier_is_loaded_as_the_page_says(made, registered):
    told = {"folder": made.root / "export", "image": made.pictures[0], "question": QUESTION, "response": SAID[0]}
    if made.kind == "qwen2_5_vl":
        with pytest.raises(ValueError, match="Unrecognized configuration class"):
            exec(block("AutoModelForSequenceClassification.from_pretrained"), told)
        exec(block("GenericForSequenceClassification"), told)
    exec(block("AutoModelForSequenceClassification.from_pretrained"), told)
    exec(block("logit = classifier"), told)
    head = load_file(made.root / "export/value_head.safetensors")
    with torch.no_grad():
        hidden = told["classifier"].model(**told["inputs"]).last_hidden_state[0, -1]
    by_hand = float(head["v_head.summary.weight"][0] @ hidden)
    assert float(told["logit"].detach()) == pytest.approx(by_hand, abs=EXACT) and abs(by_hand) > 1e-3


def test_no_block_is_left_out():
    assert len(CODE) == 10 and sum(bool(skipped) for skipped, _ in CODE) == 1
    for _, code in CODE:
        compile(code, "page", "exec")
