"""A reward model as a judge: the scorer's rewards, what is no number, and what its results are kept by."""

from __future__ import annotations

import math

import pytest
import torch
from judged_items import BALLS, RING, STAR, noise, pair, yes_no

from vlrm.evaluation.judges.protocol import TIE
from vlrm.evaluation.judges.scalar import ScalarJudge, by_reward
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.scoring import Scorer
from vlrm.vlm import Vlm


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory):
    found = tmp_path_factory.mktemp("reward model")
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(Vlm.load(tiny_folder, found), config)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.last.weight)
    model.save(found)
    return found


def test_a_judgement_is_the_scorers_rewards(folder, tmp_path):
    judge = ScalarJudge(folder, "mine", tmp_path)
    items, (one, other) = [pair("1"), pair("2", RING, STAR), yes_no("3"), pair("4", image=None)], noise(2)
    images = [one, one, other, None]
    found = [said for [said] in judge.judge(items, images)]
    rows = [(image, i.question, r) for i, image in zip(items, images, strict=True) for r in i.responses]
    expected = Scorer.load(folder, tmp_path).rewards(rows).reshape(-1, 2)
    for said, (first, second) in zip(found, expected, strict=True):
        assert (said.reward_0, said.reward_1) == pytest.approx((first, second), abs=1e-5)
        assert said.preferred == int(second > first) and said.text is None
    assert judge.looks and not judge.ordered


def test_equal_answers_tie_and_what_is_no_number_is_a_problem():
    assert by_reward(1.5, 1.5).preferred == TIE
    assert by_reward(1.5, 1.0).preferred == 0 and by_reward(-1.0, 1.0).preferred == 1
    for wrong in (math.nan, math.inf):
        said = by_reward(1.0, wrong)
        assert said.preferred is None and said.reward_0 is None and "no numbers" in said.problem


def test_results_are_kept_by_the_weights_and_by_how_they_are_read(folder, tiny_folder, tmp_path):
    one = ScalarJudge(folder, "mine", tmp_path)
    assert one.fingerprint == ScalarJudge(folder, "another name", tmp_path, seed=3).fingerprint
    assert one.fingerprint != ScalarJudge(folder, "mine", tmp_path, critiques=2).fingerprint
    drawn = [ScalarJudge(folder, "mine", tmp_path, critiques=2, seed=seed).fingerprint for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    model = RewardModel.load(folder, Vlm.load(tiny_folder, tmp_path))
    model.head.last.bias.data += 1
    model.save(tmp_path / "other")
    assert one.fingerprint != ScalarJudge(tmp_path / "other", "mine", tmp_path).fingerprint


def test_critiques_are_sampled_about_the_image_that_is_shown(folder, tmp_path, monkeypatch):
    judge = ScalarJudge(folder, "mine", tmp_path, critiques=2)
    seen = []

    def criticised(self, rows, wanted, seed, hear):
        seen.append([(row.image, wanted) for row in rows])
        hear(1, ["See: a\nstar."])
        return torch.zeros(len(rows)).numpy()

    monkeypatch.setattr(Scorer, "_criticised", criticised)
    one, other = noise(2)
    for image in (one, other):
        [[said]] = judge.judge([pair("1", STAR, BALLS)], [image])
        assert said.text == "Answer 2, called neither: See: a star."
    (first, again), (second, _) = seen
    assert first == again and first[1] == 2 and first[0] != second[0]
