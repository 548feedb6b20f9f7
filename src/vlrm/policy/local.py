"""Samples from a local transformers model; a row's seed decides its sample, whatever batch it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vlrm.policy.decoding import SeededGumbel, continuations, cut_at, shares_prompts
from vlrm.policy.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.policy.protocol import Request, Sampling
    from vlrm.vlm import Vlm


@torch.no_grad()
def generate(
    vlm: Vlm, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
) -> list[str]:
    """The assistant's next turn for each request, in the order given; equal conversations are read once a batch."""
    prompts, prompt_of = _distinct(vlm, requests)
    # Rows of similar length share a batch, and the samples of a prompt stand side by side.
    order = sorted(range(len(requests)), key=lambda i: (len(prompts[prompt_of[i]][1]), prompt_of[i]))
    shared = shares_prompts(vlm.model)
    written = [""] * len(requests)
    for start in range(0, len(order), sampling.batch_size):
        part = order[start : start + sampling.batch_size]
        wanted = [prompt_of[i] for i in part]
        read = list(dict.fromkeys(wanted)) if shared else wanted
        inputs = vlm.inputs([prompts[row][0] for row in read], [prompts[row][1] for row in read], side="left")
        rows = [read.index(prompt) for prompt in wanted] if shared else None
        fresh = continuations(vlm.model, inputs, rows, [requests[i].seed for i in part], sampling, vlm.tokenizer)
        for i, text in zip(part, vlm.tokenizer.batch_decode(fresh, skip_special_tokens=True), strict=True):
            written[i] = cut_at(text, sampling.stop).strip()
        if progress is not None:
            progress(len(part))
    return written


def _distinct(vlm: Vlm, requests: Sequence[Request]) -> tuple[list[tuple[str | None, list[int]]], list[int]]:
    """The distinct conversations as (image, token ids), and which of them each request continues."""
    keys = [(r.conversation.image, repr(r.conversation.messages), r.opening) for r in requests]
    first = dict(zip(keys, requests, strict=True))
    number = {key: i for i, key in enumerate(first)}
    texts = [vlm.text(r.conversation.messages, reply=True) + vlm.data(r.opening) for r in first.values()]
    ids = vlm.token_ids(texts, [image for image, _, _ in first]) if first else []
    return [(image, row) for (image, _, _), row in zip(first, ids, strict=True)], [number[key] for key in keys]


@torch.no_grad()
def next_tokens(remembered: Remembered, requests: Sequence[Request], sampling: Sampling) -> list[str]:
    """The token that follows each request, in the order given; those that go on from the last ones read little."""
    vlm = remembered.vlm
    prompts, prompt_of = _distinct(vlm, requests)
    scores_BV = remembered.logits(prompts)[torch.tensor(prompt_of)]
    if sampling.temperature > 0:
        scores_BV = SeededGumbel([request.seed for request in requests], sampling)(torch.empty(0), scores_BV)
    texts = vlm.tokenizer.batch_decode(scores_BV.argmax(-1, keepdim=True), skip_special_tokens=True)
    return [cut_at(text, sampling.stop).strip() for text in texts]


class LocalWriter:
    """A loaded model as a policy."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self._remembered = Remembered(vlm) if Remembered.can(vlm) else None

    def write(
        self, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
    ) -> list[str]:
        one_token = sampling.max_new_tokens == 1 and 0 < len(requests) <= sampling.batch_size
        if self._remembered is None or not one_token:
            return generate(self.vlm, requests, sampling, progress)
        texts = next_tokens(self._remembered, requests, sampling)
        if progress is not None:
            progress(len(texts))
        return texts
