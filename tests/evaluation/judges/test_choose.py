"""Judges by name, and one sentence for every name that is none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from judged_items import pair

from vlrm.errors import UserError
from vlrm.evaluation.judges.choose import Means, choose
from vlrm.evaluation.judges.generative import Voting
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.vlm import Vlm


@pytest.fixture
def means(tiny_folder, tmp_path):
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=1, yes_scale=1, verify_form=0, readout="likelihood")
    RewardModel(Vlm.load(tiny_folder, tmp_path), config).save(tmp_path / "round_0")

    def find(name):
        folder = tmp_path / name
        if not (folder / "reward.json").exists():
            raise UserError(f"{folder} holds no reward model")
        return SimpleNamespace(folder=folder, name=f"{name} (version 3)")

    items = [pair(f"{i:016x}", "A star.", "A ball.", image=bytes([i])) for i in range(12)]
    endpoint = Endpoint(url="http://127.0.0.1:1/v1", model="their-model")
    return Means(
        find, tmp_path, lambda: iter(items), tmp_path, str(tiny_folder), endpoint=endpoint, voting=Voting(votes=3)
    )


@pytest.mark.parametrize("name", ["first", "last", "shorter", "longer", "random", "text_only"])
def test_a_rule_is_made_of_its_name_alone(name, means):
    judge = choose(name, means)
    assert judge.name == name and not judge.looks
    [said, *_] = judge.judge([pair("0" * 16, "A star.", "A ball!!", image=b"\0")], [None])[0]
    assert said.problem is None


def test_a_reward_model_is_called_what_it_stands_for_now(means):
    judge = choose("round_0", means)
    assert judge.name == "round_0 (version 3)" and judge.folder.name == "round_0"


def test_a_model_that_writes_is_a_folder_or_the_policy(means, tiny_folder):
    assert choose(f"judge:{tiny_folder}", means).name == f"judge:{tiny_folder}"
    policy = choose("judge:policy", means)
    assert policy.name == "judge:their-model" and policy.voting.votes == 3


def test_a_classifier_is_asked_for_by_its_folder(means, tmp_path):
    with pytest.raises(UserError, match="no sequence classifier could be loaded"):
        choose(f"classifier:{tmp_path}", means)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shortr", r"no model 'shortr'; did you mean shorter: give champion, challenger, round_0, first"),
        ("chmpion", "did you mean champion"),
        ("judge:", "model=judge: names no model: write judge:FOLDER"),
        ("classifier:", "names no model: write classifier:FOLDER"),
        ("champion", "champion holds no reward model"),
        ("some/where", "some/where holds no reward model"),
        (3, "there is no model '3': give champion"),  # so a command line's model=3 arrives
    ],
)
def test_a_name_that_is_none_is_one_sentence(name, told, means):
    with pytest.raises(UserError, match=told):
        choose(name, means)
