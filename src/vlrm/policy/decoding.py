"""The decoding loop of local models: a prompt is read once for all its samples, and finished rows leave the batch."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicLayer
from transformers.generation import GenerationMixin

from vlrm.policy.growing_cache import with_room

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.policy.protocol import Sampling

logger = logging.getLogger(__name__)
LEAVING = 0.125
"""Share of rows that must be finished before the batch is made smaller: each time, the cache is copied."""
PER_ROW = ("attention_mask", "token_type_ids", "mm_token_type_ids")
CARRIED = (*PER_ROW, "position_ids", "past_key_values", "use_cache", "logits_to_keep")
"""What a step needs of the step before; images are in the cache by then."""


class SeededGumbel(LogitsProcessor):
    """Adds Gumbel noise from each row's own generator: the argmax is then a sample from the softmax."""

    def __init__(self, seeds: Sequence[int], sampling: Sampling) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.sampling = sampling

    def keep(self, rows: Sequence[int]) -> None:
        self.generators = [self.generators[row] for row in rows]

    def __call__(self, input_ids: Tensor, scores_BV: Tensor) -> Tensor:
        scores_BV = scores_BV.float() / self.sampling.temperature
        if self.sampling.top_p < 1:
            ranked, order = scores_BV.sort(descending=True)
            before = ranked.softmax(-1).cumsum(-1) - ranked.softmax(-1)
            ranked = ranked.masked_fill(before >= self.sampling.top_p, -torch.inf)
            scores_BV = torch.empty_like(ranked).scatter(1, order, ranked)
        uniform = torch.stack([torch.rand(scores_BV.shape[1], generator=g) for g in self.generators])
        return scores_BV - torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)).to(scores_BV.device))


class StopsAt(StoppingCriteria):
    """Ends a row once its new text holds one of the strings; only the tail that a token can complete is read."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], prompt_width: int) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.prompt_width = prompt_width
        # A token is at least one byte of text, so a string of n bytes spans at most n tokens.
        self.tail = max(len(one.encode()) for one in stop) + 1

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        first = max(self.prompt_width, input_ids.shape[1] - self.tail)
        texts = self.tokenizer.batch_decode(input_ids[:, first:], skip_special_tokens=True)
        return torch.tensor([any(one in text for one in self.stop) for text in texts], device=input_ids.device)


def continuations(
    model: Any,
    inputs: Mapping[str, Any],
    prompt_of: Sequence[int] | None,
    seeds: Sequence[int],
    sampling: Sampling,
    tokenizer: Any,
) -> list[Tensor]:
    """New token ids of each sample: sample i continues row ``prompt_of[i]`` of ``inputs`` (left padded) on its seed.

    ``prompt_of`` None: ``inputs`` holds a row for each sample, as models need that cannot share prompts.
    """
    noise = SeededGumbel(seeds, sampling) if sampling.temperature > 0 else None
    width = inputs["input_ids"].shape[1]
    stops = [StopsAt(tokenizer, sampling.stop, width)] if sampling.stop else []
    written = model.generate(
        **inputs,
        max_new_tokens=sampling.max_new_tokens,
        do_sample=False,
        logits_processor=LogitsProcessorList([noise] if noise is not None else []),
        stopping_criteria=StoppingCriteriaList(stops),
        custom_generate=None if prompt_of is None else _SharedPrompts(prompt_of, noise),
    )
    return list(written[:, width:]) if prompt_of is None else written


def cut_at(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of these strings."""
    return text[: min((text.index(one) for one in stop if one in text), default=len(text))]


@cache
def _said(architecture: str, why: str) -> None:
    logger.info("%s %s: each sample reads its prompt again", architecture, why)


def shares_prompts(model: Any) -> bool:
    """Whether samples can go on from a copy of their prompt's cache, which is all that a step then depends on."""
    architecture, config = type(model), model.config
    if config.is_encoder_decoder:
        why = "is an encoder-decoder"
    elif architecture._update_model_kwargs_for_generation is not GenerationMixin._update_model_kwargs_for_generation:
        why = "carries more from step to step than its cache"
    elif not all(isinstance(layer, DynamicLayer) for layer in DynamicCache(config=config).layers):
        why = "has a cache that is not keys and values alone"
    else:
        return True
    _said(architecture.__name__, why)
    return False


class _SharedPrompts:
    """The loop for ``generate(custom_generate=...)``, which prepares everything and hands over before the prefill."""

    def __init__(self, prompt_of: Sequence[int], noise: SeededGumbel | None) -> None:
        self.prompt_of = prompt_of
        self.noise = noise

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: Any,
        **carried: Any,
    ) -> list[Tensor]:
        width = input_ids.shape[1]
        samples = list(range(len(self.prompt_of)))  # of the rows in the batch
        written: list[Tensor] = [input_ids[0, :0]] * len(samples)
        outputs = model._prefill(input_ids, generation_config, carried)
        carried = model._update_model_kwargs_for_generation(outputs, carried)
        each = torch.tensor(self.prompt_of)
        ids, logits = input_ids[each], _last(outputs, input_ids)[each]
        carried = _rows(carried, each)
        carried["past_key_values"] = with_room(carried["past_key_values"], generation_config.max_length - width)
        _keep(logits_processor, each)
        finished = torch.zeros(len(samples), dtype=torch.bool, device=ids.device)
        while True:
            ids = torch.cat([ids, logits_processor(ids, logits).argmax(-1, keepdim=True)], dim=-1)
            ends = stopping_criteria(ids, None) & ~finished
            for row in ends.nonzero()[:, 0].tolist():
                written[samples[row]] = ids[row, width:]
            finished |= ends
            if finished.all():
                return written
            if finished.float().mean() >= LEAVING:
                stay = (~finished).nonzero()[:, 0]
                ids, finished, carried = ids[stay], finished[stay], _rows(carried, stay)
                samples = [samples[row] for row in stay.tolist()]
                _keep(logits_processor, stay)
                if self.noise is not None:
                    self.noise.keep(stay.tolist())
            step = model.prepare_inputs_for_generation(ids, next_sequence_length=1, **carried)
            outputs = model(**step, return_dict=True)
            carried = model._update_model_kwargs_for_generation(outputs, carried)
            logits = _last(outputs, ids)


def _last(outputs: Any, ids: Tensor) -> Tensor:
    return outputs.logits[:, -1].to(copy=True, dtype=torch.float32, device=ids.device)


def _keep(processors: LogitsProcessorList, rows: Tensor) -> None:
    """Go on with these rows where a processor holds something of each: the repetition penalty holds their padding."""
    for processor in processors:
        held = getattr(processor, "prompt_ignore_length", None)
        if isinstance(held, Tensor):
            processor.prompt_ignore_length = held[rows.to(held.device)]


def _rows(carried: Mapping[str, Any], rows: Tensor) -> dict[str, Any]:
    """What a step needs, for these rows of the batch; the cache is changed in place."""
    kept = {name: carried[name] for name in CARRIED if carried.get(name) is not None}
    for name in kept.keys() & set(PER_ROW):
        kept[name] = kept[name][rows]
    if "position_ids" in kept:  # (B, L), or (axes, B, L) where images have places in two dimensions
        kept["position_ids"] = kept["position_ids"].index_select(-2, rows.to(kept["position_ids"].device))
    kept["past_key_values"].batch_select_indices(rows)
    return kept
