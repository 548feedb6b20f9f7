"""Attention in packed rows: every answer sees its prompt and itself, and no mask of the row's length squared is made.

Registered with transformers as :data:`SEGMENTS`. On a CPU each segment is one call of PyTorch's own attention; on
CUDA all of them are one call of ``torch.nn.attention.varlen``, FlashAttention without its package. A call without
segments (sampling, a padded batch) is transformers' own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

SEGMENTS = "vlrm_segments"
"""The name under which transformers finds :func:`segment_attention`."""
Span = tuple[int, int]
LARGEST_MASK = 2**20
"""Entries of a mask up to which one is made for an answer: on a CPU, PyTorch turns it into numbers of 4 bytes."""


@dataclass(frozen=True)
class Segments:
    """Which tokens of a packed row of L see which: ``trees`` are spans of prompts and of the branches of each."""

    trees: Sequence[tuple[Span, Sequence[Span]]]
    device: torch.device
    _masks: dict[Span, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(lengths: Sequence[tuple[int, Sequence[int]]], device: torch.device) -> Segments:
        """Of trees side by side, each given by the lengths of its prompt and of its branches."""
        trees: list[tuple[Span, list[Span]]] = []
        at = 0
        for prompt, branches in lengths:
            ends = list(accumulate((prompt, *branches), initial=at))
            spans = list(pairwise(ends))
            trees.append((spans[0], spans[1:]))
            at = ends[-1]
        return Segments(trees, device)

    @property
    def length(self) -> int:
        """Of the row, L."""
        prompt, branches = self.trees[-1]
        return (branches[-1] if branches else prompt)[1]

    def lower_right(self, queries: int, keys: int) -> Tensor:
        """The causal mask (queries, keys) of the last ``queries`` of ``keys`` tokens."""
        shape = (queries, keys)
        if shape not in self._masks:
            whole = torch.ones(queries, keys, dtype=torch.bool, device=self.device)
            self._masks[shape] = whole.tril(keys - queries)
        return self._masks[shape]

    @cached_property
    def gathered(self) -> tuple[Tensor, Tensor, Tensor, int, int]:
        """For one call over all segments: indices of keys, starts of queries and of keys, most queries and keys.

        The queries are the row as it is; the keys are [prompt | prompt, answer | prompt, other answer] of each tree.
        """
        keys: list[Tensor] = []
        queries, lengths = [], []
        for (start, end), branches in self.trees:
            prompt = torch.arange(start, end)
            for first, stop in [(start, end), *branches]:
                keys.append(prompt if first == start else torch.cat([prompt, torch.arange(first, stop)]))
                queries.append(stop - first)
                lengths.append(len(keys[-1]))
        starts = [torch.tensor([0, *n]).cumsum(0).int().to(self.device) for n in (queries, lengths)]
        return torch.cat(keys).to(self.device), starts[0], starts[1], max(queries), max(lengths)


def segment_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Segments | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention output (1, L, H, E) of queries (1, H, L, E), keys and values (1, G, L, E); G divides H."""
    if segments is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **more
        )
    if query.is_cuda and query.dtype in (torch.float16, torch.bfloat16):
        return _varlen(query, key, value, segments, scaling), None
    shared = {"scale": scaling, "dropout_p": dropout, "enable_gqa": query.shape[1] != key.shape[1]}
    # The prompt and its first branch lie side by side: one call for the two. The row is split once, since a slice's
    # gradient is as long as the row, while those of a split are joined.
    lengths = []
    for (start, end), branches in segments.trees:
        first, *others = branches or [(start, end)]
        lengths += [first[1] - start, *(stop - at for at, stop in others)]
    parts = zip(*(whole.split(lengths, dim=2) for whole in (query, key, value)), strict=True)
    outputs = []
    for (start, end), branches in segments.trees:
        read = end - start
        queries, keys, values = next(parts)
        outputs.append(scaled_dot_product_attention(queries, keys, values, is_causal=True, **shared))
        prompt = [whole[:, :, :read] for whole in (queries, keys, values)]
        for _ in branches[1:]:
            branch = next(parts)
            own = branch[0].shape[2]
            keys, values = (torch.cat(both, dim=2) for both in zip(prompt[1:], branch[1:], strict=True))
            if own * (own + read) <= LARGEST_MASK or own * 8 <= read:
                mask = segments.lower_right(own, own + read)
                outputs.append(scaled_dot_product_attention(branch[0], keys, values, attn_mask=mask, **shared))
                continue
            # A mask of a long answer grows with its square: the prompt's queries are asked again instead, unmasked.
            queries = torch.cat([prompt[0], branch[0]], dim=2)
            again = scaled_dot_product_attention(queries, keys, values, is_causal=True, **shared)
            outputs.append(again[:, :, read:])
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _varlen(query: Tensor, key: Tensor, value: Tensor, segments: Segments, scaling: float | None) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    index, query_starts, key_starts, most_queries, most_keys = segments.gathered
    queries, keys, values = (whole[0].transpose(0, 1) for whole in (query, key, value))
    attended: Tensor = varlen_attn(
        queries.contiguous(), keys[index], values[index], query_starts, key_starts, most_queries, most_keys,
        scale=scaling, window_size=(-1, 0), enable_gqa=queries.shape[1] != keys.shape[1],
    )  # fmt: skip
    return attended[None]


AttentionInterface.register(SEGMENTS, segment_attention)
AttentionMaskInterface.register(SEGMENTS, sdpa_mask)
