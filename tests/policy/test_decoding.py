from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import ENDS, qwen2_5_vl, qwen2_vl, qwen_inputs, smolvlm, smolvlm_inputs
from transformers import LlavaForConditionalGeneration, MllamaForConditionalGeneration

from vlrm.policy import decoding
from vlrm.policy.decoding import continuations, cut_at, shares_prompts
from vlrm.policy.protocol import Sampling

OTHERS = {
    "Qwen2-VL": (qwen2_vl, qwen_inputs),
    "Qwen2.5-VL": (qwen2_5_vl, qwen_inputs),
    "SmolVLM": (smolvlm, smolvlm_inputs),
}
PROMPT_OF = [0, 0, 1, 2, 1, 1, 2, 0]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "sampling", [Sampling(max_new_tokens=16), Sampling(temperature=0.7, top_p=0.8, max_new_tokens=16)]
)
def test_samples_of_shared_prompts_are_those_of_plain_generation(name, sampling):
    model, inputs = OTHERS[name][0](), OTHERS[name][1]
    assert shares_prompts(model)
    together = continuations(model, inputs([0, 1, 2]), PROMPT_OF, range(8), sampling, None)
    lengths = {len(tokens) for tokens in together}
    assert len(lengths) > 2  # rows left the batch at different steps
    for i, prompt in enumerate(PROMPT_OF):
        (alone,) = continuations(model, inputs([prompt]), None, [i], sampling, None)
        assert together[i].tolist() == alone.tolist()


def test_a_generation_configs_own_rules_still_hold():
    model = qwen2_5_vl()
    model.generation_config.repetition_penalty = 3.0
    sampling = Sampling(temperature=0, max_new_tokens=12)
    together = continuations(model, qwen_inputs([0, 1]), [0, 1, 1], [0, 0, 0], sampling, None)
    (alone,) = continuations(model, qwen_inputs([1]), None, [0], sampling, None)
    assert together[1].tolist() == together[2].tolist() == alone.tolist()
    model.generation_config.repetition_penalty = None
    (free,) = continuations(model, qwen_inputs([1]), None, [0], sampling, None)
    assert free.tolist() != alone.tolist()


def test_rows_that_have_ended_are_no_longer_computed():
    model = smolvlm()
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda _, args, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
    written = continuations(model, smolvlm_inputs([0, 1, 2]), PROMPT_OF, range(8), Sampling(max_new_tokens=24), None)
    lengths = sorted(len(tokens) for tokens in written)
    assert sizes[0] == 3  # each prompt is read once
    assert sizes[1:] == [sum(length > step for length in lengths) for step in range(1, lengths[-1])]
    assert all(tokens[-1] in ENDS or len(tokens) == 24 for tokens in written)


def test_architectures_that_carry_more_than_a_cache_are_named_once(caplog):
    class Carries(LlavaForConditionalGeneration):
        def _update_model_kwargs_for_generation(self, *args, **kwargs):
            return super()._update_model_kwargs_for_generation(*args, **kwargs)

    model = smolvlm()
    with caplog.at_level(logging.INFO, logger=decoding.__name__):
        for _ in range(2):
            assert not decoding.shares_prompts(_as(model, Carries))
            assert not decoding.shares_prompts(_as(model, MllamaForConditionalGeneration))
    assert [r.getMessage().split()[0] for r in caplog.records] == ["Carries", "MllamaForConditionalGeneration"]


def _as(model, architecture):
    """Something that has this class and the configuration of ``model``."""
    other = object.__new__(architecture)
    object.__setattr__(other, "config", model.config)
    return other


@given(st.text("abc", max_size=12), st.lists(st.text("abc", min_size=1, max_size=3), max_size=3))
@settings(deadline=None)
def test_a_cut_text_is_the_longest_start_without_a_stop_string(text, stop):
    kept = cut_at(text, stop)
    assert text.startswith(kept)
    assert not any(one in kept for one in stop)
    if kept != text:
        assert any(text[len(kept) :].startswith(one) for one in stop)


def test_noise_draws_from_the_distribution():
    scores = torch.tensor([[0.0, 1.0, 2.0]]).repeat(4000, 1)
    drawn = decoding.SeededGumbel(range(4000), Sampling(temperature=2.0))(scores, scores).argmax(-1)
    shares = torch.bincount(drawn, minlength=3) / 4000
    torch.testing.assert_close(shares, (scores[0] / 2).softmax(-1), atol=0.03, rtol=0)
