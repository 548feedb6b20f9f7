"""Samples from a local transformers model; a row's seed decides its sample, whatever batch it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.policy.protocol import Request, Sampling
    from vlrm.vlm import Vlm


class _SeededGumbel(LogitsProcessor):
    """Adds Gumbel noise from each row's own generator: the argmax is then a sample from the softmax."""

    def __init__(self, seeds: Sequence[int], sampling: Sampling) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.sampling = sampling

    def __call__(self, input_ids: Tensor, scores_BV: Tensor) -> Tensor:
        scores_BV = scores_BV.float() / self.sampling.temperature
        if self.sampling.top_p < 1:
            ranked, order = scores_BV.sort(descending=True)
            before = ranked.softmax(-1).cumsum(-1) - ranked.softmax(-1)
            ranked = ranked.masked_fill(before >= self.sampling.top_p, -torch.inf)
            scores_BV = torch.empty_like(ranked).scatter(1, order, ranked)
        uniform = torch.stack([torch.rand(scores_BV.shape[1], generator=g) for g in self.generators])
        return scores_BV - torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)).to(scores_BV.device))


@torch.no_grad()
def generate(
    vlm: Vlm, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
) -> list[str]:
    """The assistant's next turn for each request, in the order given."""
    if not requests:
        return []
    ids = vlm.token_ids([vlm.text(r.conversation.messages, reply=True) for r in requests])
    order = sorted(range(len(requests)), key=lambda i: len(ids[i]))
    written = [""] * len(requests)
    for start in range(0, len(order), sampling.batch_size):
        part = order[start : start + sampling.batch_size]
        inputs = vlm.inputs([requests[i].conversation.image for i in part], [ids[i] for i in part], side="left")
        noise = _SeededGumbel([requests[i].seed for i in part], sampling)
        output = vlm.model.generate(
            **inputs,
            max_new_tokens=sampling.max_new_tokens,
            do_sample=False,
            logits_processor=LogitsProcessorList([noise] if sampling.temperature > 0 else []),
        )
        fresh = output[:, inputs["input_ids"].shape[1] :]
        for i, text in zip(part, vlm.tokenizer.batch_decode(fresh, skip_special_tokens=True), strict=True):
            written[i] = text.strip()
        if progress is not None:
            progress(len(part))
    return written


class LocalWriter:
    """A loaded model as a policy."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm

    def write(
        self, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
    ) -> list[str]:
        return generate(self.vlm, requests, sampling, progress)
