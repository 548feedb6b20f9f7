"""Reward functions as RL trainers call them: the same rewards, whatever their way of saying prompt, answer and image."""

from __future__ import annotations

import base64
import importlib.util
import inspect
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from vlrm import chat
from vlrm.errors import UserError
from vlrm.reward import functions
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.scoring import Scorer
from vlrm.vlm import Vlm

QUESTION = "What is in the image?"
SAID = ["There is a red star.", "I can see two blue balls."]


@pytest.fixture(scope="module")
def saved(tiny_folder, tmp_path_factory):
    """A saved reward model, an image file, and the rewards of the answers."""
    folder = tmp_path_factory.mktemp("saved")
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(Vlm.load(tiny_folder, folder), config)
    torch.nn.init.ones_(model.head.last.weight)
    model.save(folder)
    image = folder / "image.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(image)
    rewards = Scorer.load(folder).rewards([(image, QUESTION, said) for said in SAID])
    assert abs(rewards[0] - rewards[1]) > 0.01
    return folder, image, rewards


@pytest.fixture(autouse=True)
def named(saved, monkeypatch):
    monkeypatch.setenv(functions.FOLDER, str(saved[0]))


def test_trl_hands_over_messages_and_columns(saved):
    folder, path, rewards = saved
    image = Image.open(path)
    system = {"role": "system", "content": "Think first."}
    prompt = [
        system,
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": QUESTION}]},
    ]
    completions = [[{"role": "assistant", "content": said}] for said in SAID]
    # What GRPOTrainer passes besides: token ids, its state, two loggers, and all other columns of the data set.
    more = {
        "completion_ids": [[1], [2]],
        "trainer_state": None,
        "log_extra": print,
        "log_metric": print,
        "kind": ["a", "b"],
    }
    reward = functions.trl_reward(folder)
    found = reward(prompts=[prompt] * 2, completions=completions, images=[[image]] * 2, **more)
    np.testing.assert_allclose(found, rewards, atol=1e-5)
    assert all(type(one) is float for one in found) and reward.__name__ == "vlrm_reward"
    stored = {"bytes": path.read_bytes(), "path": None}  # a data set's image that is not decoded
    single = reward(prompts=[QUESTION] * 2, completions=SAID, image=[stored] * 2)
    np.testing.assert_allclose(single, rewards, atol=1e-5)


def test_a_question_without_an_image_is_read_without_one(saved):
    expected = Scorer.load(saved[0]).rewards([(None, QUESTION, said) for said in SAID])
    np.testing.assert_allclose(functions.trl_reward()([QUESTION] * 2, SAID), expected, atol=1e-5)
    np.testing.assert_allclose(functions.trl_reward()([QUESTION] * 2, SAID, images=[None, []]), expected, atol=1e-5)


def test_verl_calls_by_keyword_and_from_threads(saved):
    folder, path, rewards = saved
    info = {"question": QUESTION, "image": str(path), "num_turns": 2, "rollout_reward_scores": {}}

    def call(said):
        return functions.compute_score(
            data_source="x", solution_str=said, ground_truth="", extra_info=info, folder=str(folder)
        )

    functions._scorer.cache_clear()
    loaded = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(call, SAID * 2))
    np.testing.assert_allclose(found, [*rewards, *rewards], atol=1e-5)
    assert functions._scorer.cache_info().misses == 1 and threading.active_count() == loaded
    assert list(inspect.signature(functions.compute_score).parameters)[:4] == [
        "data_source", "solution_str", "ground_truth", "extra_info",
    ]  # fmt: skip


def test_openrlhf_loads_the_file_and_hands_over_texts(saved):
    _, path, rewards = saved
    # As openrlhf/utils/agent.py does it.
    spec = importlib.util.spec_from_file_location("reward_func", functions.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prompt = f"<|im_start|>user\n<|image_pad|>{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    filled = prompt.replace("<|image_pad|>", "<|image_pad|>" * 9)
    uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    for said, reward, image in zip(SAID, rewards, (str(path), uri), strict=True):
        label = json.dumps({"question": QUESTION, "image": image})
        found = module.reward_func([filled + said + "<|im_end|>"], [prompt], [label])
        assert set(found) == {"rewards", "scores", "extra_logs"}
        # OpenRLHF makes a tensor of one of it: it must be one number.
        assert torch.tensor([found["rewards"]]).shape == (1,)
        assert float(found["rewards"]) == pytest.approx(reward, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: functions.compute_score("x", "a", "", {}), 'extra_info of a row lacks "question"'),
        (lambda: functions.reward_func(["q"], ["q"], ["yes"]), "a label is no JSON object"),
        (lambda: functions.reward_func(["x"], ["q?"], ['{"question": "q?"}']), "does not stand in its query"),
        (
            lambda: functions.trl_reward()([[*chat.answered("q", "a"), *chat.ask("r")]], ["b"]),
            "2 turns of a user among 3",
        ),
        (lambda: functions.trl_reward()(["q"], ["b"], images=[["1.png", "2.png"]]), "has 2 images"),
        (
            lambda: functions.trl_reward()(["q"], ["b"], images=[[b"no image"]]),
            "An image given as bytes is not an image",
        ),
        (lambda: functions.trl_reward()(["q"], ["b"], images=[["data:image/png;base64,?"]]), "is not base64"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(UserError, match=sentence):
        call()


def test_without_a_folder_the_variable_is_named(monkeypatch):
    monkeypatch.delenv(functions.FOLDER)
    with pytest.raises(UserError, match=functions.FOLDER):
        functions.trl_reward()(["q"], ["a"])
