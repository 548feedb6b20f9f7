from __future__ import annotations

import numpy as np
import pytest
import torch

from vlrm import chat
from vlrm.errors import UserError
from vlrm.reward.critic import CriticExample
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.rows import TrainingPair, units
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining, image_contrast, train_reward_model
from vlrm.vlm import Vlm
from vlrm_kernels.pair_margin import pair_margin_loss

CONFIG = ModelConfig(base="tiny", likelihood_scale=3.0, yes_scale=0.5, verify_form=1, readout="likelihood")


def rows_about(images):
    return [
        Row(images[0], "What is in the image?", "There is a red star."),
        Row(images[1], "Is there a star?", "Yes"),
        Row(images[0], "What is in the image?", "I can see two blue balls.", "See: red star. Check: red star: yes."),
    ]


@pytest.fixture
def model(tiny):
    return RewardModel(tiny[0], CONFIG).eval()


def test_a_score_does_not_depend_on_batch_or_order(model, tiny):
    rows = rows_about(tiny[1])
    together = score(model, rows)
    np.testing.assert_allclose(together, [score(model, [row])[0] for row in rows], atol=1e-4)
    np.testing.assert_allclose(together[::-1], score(model, rows[::-1]), atol=1e-4)


def test_likelihood_is_the_mean_log_probability_of_the_response_tokens(model, tiny):
    vlm, images = tiny
    row = rows_about(images)[0]
    before = vlm.token_ids([vlm.text(chat.ask(row.question), reply=True)], [row.image])[0]
    said = vlm.token_ids([row.response])[0]
    inputs = vlm.inputs([row.image], [before + said], side="right")
    with torch.no_grad():
        logged = vlm.model(**inputs).logits[0].log_softmax(-1)
    ids = inputs["input_ids"][0]
    by_hand = torch.stack([logged[i - 1, ids[i]] for i in range(len(ids) - len(said), len(ids))]).mean()
    assert float(model.terms([row]).likelihood) == pytest.approx(float(by_hand), abs=1e-5)


def test_training_starts_where_round_zero_stands(model, tiny):
    rows = rows_about(tiny[1])
    before = score(model, rows)
    model.add_adapter(4, 8, ("q_proj", "v_proj"), seed=0)
    np.testing.assert_allclose(score(model.eval(), rows), before, atol=1e-5)


def test_training_learns_a_preference_and_a_saved_model_scores_the_same(model, tiny, tiny_folder, tmp_path):
    vlm, (red, blue) = tiny
    star, ball = "There is a red star.", "I can see two blue balls."
    pairs = [
        TrainingPair(red, "What is in the image?", star, ball, "a", "b", 1.0, 0.25, "q"),
        TrainingPair(blue, "What is in the image?", ball, star, "c", "d", 1.0, 0.25, "q"),
    ] * 2
    settings = RewardTraining(epochs=12, pairs_per_step=4, rate=5e-3, lora_rank=4, lora_alpha=8)
    losses = []
    critique = CriticExample(red, "What is in the image?", star, "See: red star. Check: red star: yes. Verdict: right.")
    train_reward_model(model, pairs, {}, [critique], settings, 0, lambda log: losses.append(log.loss))
    assert losses[-1] < losses[0]
    rows = [Row(red, pairs[0].question, text) for text in (star, ball)]
    model.save(tmp_path / "saved")
    again = RewardModel.load(tmp_path / "saved", Vlm.load(tiny_folder, tmp_path))
    for image, name in ((red, "red"), (blue, "blue")):
        assert again.vlm.hold(vlm.open(image)) == image, name
    np.testing.assert_allclose(score(again, rows), score(model, rows), atol=1e-5)


def test_pairs_of_a_quad_meet_in_one_batch():
    alone = TrainingPair("i", "q", "a", "b", "1", "2", 1.0, 0.0, None)
    quad = TrainingPair("i", "q", "a", "b", "1", "2", 1.0, 0.0, "quad")
    assert sorted(map(sorted, units([quad, alone, quad, alone]))) == [[0, 2], [1], [3]]


def test_image_contrast_wants_each_answer_to_score_higher_on_its_own_image():
    quad = TrainingPair("i", "q", "a", "b", "1", "2", 1.0, 0.0, "quad")
    good = image_contrast([quad, quad], torch.tensor([5.0, 5.0]), torch.tensor([-5.0, -5.0]))
    blind = image_contrast([quad, quad], torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 1.0]))
    assert float(good) < 1e-3
    assert float(blind) == pytest.approx(np.log(2), abs=1e-6)


def test_pair_margin_loss_against_float64():
    rng = np.random.default_rng(0)
    c, r, w, m = rng.normal(0, 3, (4, 50))
    w = np.abs(w)
    expected = (w * np.logaddexp(0, m - (c - r))).sum() / w.sum()
    got = pair_margin_loss(*(torch.tensor(x, dtype=torch.float32) for x in (c, r, w, m)))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_round_zero_does_not_depend_on_what_the_process_drew_before(tiny):
    torch.manual_seed(1)
    one = RewardModel(tiny[0], CONFIG).head
    torch.manual_seed(2)
    other = RewardModel(tiny[0], CONFIG).head
    assert torch.equal(one.first.weight, other.first.weight) and torch.equal(one.first.bias, other.first.bias)
    before = torch.random.get_rng_state()
    RewardModel(tiny[0], CONFIG)
    assert torch.equal(before, torch.random.get_rng_state())


def test_against_the_base_the_likelihood_counts_as_far_as_training_changed_it(tiny, tiny_folder, tmp_path):
    vlm, (red, blue) = tiny
    star, ball = "There is a red star.", "I can see two blue balls."
    rows = [Row(image, "What is in the image?", text) for image in (red, blue) for text in (star, ball)]
    model = RewardModel(vlm, CONFIG).eval()
    base = model.terms(rows).likelihood.detach()
    pairs = [TrainingPair(red, rows[0].question, star, ball, "a", "b", 1.0, 0.0, None)] * 4
    settings = RewardTraining(epochs=6, pairs_per_step=2, rate=5e-3, lora_rank=4, lora_alpha=8, reference=True)
    losses = []
    train_reward_model(model, pairs, {}, [], settings, 0, lambda log: losses.append(log.loss))
    assert losses[-1] < losses[0] and not any(module.merged for module in model.modules() if hasattr(module, "merged"))
    less = model.terms(rows).likelihood.detach()
    model.config = model.config.model_copy(update={"reference": False})
    np.testing.assert_allclose(less, model.terms(rows).likelihood.detach() - base, atol=1e-5)
    model.config = model.config.model_copy(update={"reference": True})
    model.save(tmp_path / "saved")
    again = RewardModel.load(tmp_path / "saved", Vlm.load(tiny_folder, tmp_path))
    assert [again.vlm.hold(vlm.open(image)) for image in (red, blue)] == [red, blue]
    np.testing.assert_allclose(again.terms(rows).likelihood.detach(), less, atol=1e-5)


def test_what_keeps_no_base_cannot_measure_against_it(tiny):
    with pytest.raises(UserError, match=r"reward\.reference"):
        train_reward_model(
            RewardModel(tiny[0], CONFIG), [], {}, [], RewardTraining(mode="full", reference=True), 0, print
        )
