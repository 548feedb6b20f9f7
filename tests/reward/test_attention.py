"""Attention over segments: the calls per segment, the one call of a GPU and one mask over the row are the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from vlrm.reward.attention import Segments, _varlen, segment_attention

CPU = torch.device("cpu")
SHAPES = {
    "a pair": [(7, [4, 5])],
    "one answer": [(5, [3])],
    "no answer": [(6, [])],
    "answers of one token": [(4, [1, 1, 1])],
    "a prompt of one token": [(1, [2, 1])],
    "everything of one token": [(1, [1])],
    "several trees": [(7, [4, 5]), (3, [2]), (9, [1, 6, 2])],
    "a tree without answers between others": [(3, [2, 2]), (5, []), (4, [1])],
    "trees without answers at the ends": [(2, []), (3, [4]), (1, [])],
    "answers longer than their prompt": [(2, [11, 7, 13])],
    "eight answers": [(5, [3, 1, 4, 1, 5, 9, 2, 6])],
}
HEADS = [(4, 4), (4, 2), (6, 1)]
"""Of queries, and of keys and values."""


def segments_of(trees):
    segments = Segments.of(trees, CPU)
    return segments, segments.length


def drawn(length, queries, groups, dtype=torch.float64, width=8):
    generator = torch.Generator().manual_seed(length + queries)
    return [torch.randn(1, heads, length, width, generator=generator).to(dtype) for heads in (queries, groups, groups)]


def by_one_mask(query, key, value, segments, scale):
    """The definition: who sees whom, written token by token."""
    length = query.shape[2]
    allowed = torch.zeros(length, length, dtype=torch.bool)
    for (start, end), branches in segments.trees:
        for at in range(start, end):
            allowed[at, start : at + 1] = True
        for first, stop in branches:
            for at in range(first, stop):
                allowed[at, start:end] = True
                allowed[at, first : at + 1] = True
    repeat = query.shape[1] // key.shape[1]
    keys, values = (whole.repeat_interleave(repeat, dim=1) for whole in (key, value))
    return scaled_dot_product_attention(query, keys, values, attn_mask=allowed, scale=scale).transpose(1, 2)


def varlen_by_loops(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale, window_size, enable_gqa):
    """What ``varlen_attn`` promises, a sequence at a time: (T, H, E), causal from the lower right corner."""
    assert window_size == (-1, 0) and enable_gqa == (query.shape[1] != key.shape[1])
    assert query.is_contiguous() and cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert cu_seq_q[-1] == len(query) and cu_seq_k[-1] == len(key) == len(value)
    assert max_q == cu_seq_q.diff().max() and max_k == cu_seq_k.diff().max()
    repeat = query.shape[1] // key.shape[1]
    outputs = []
    for i in range(len(cu_seq_q) - 1):
        q = query[cu_seq_q[i] : cu_seq_q[i + 1]]
        k, v = (whole[cu_seq_k[i] : cu_seq_k[i + 1]].repeat_interleave(repeat, dim=1) for whole in (key, value))
        scores = torch.einsum("qhe,khe->hqk", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
        back = torch.arange(len(k)) - torch.arange(len(q))[:, None]
        scores = scores.masked_fill(back > len(k) - len(q), -torch.inf)
        outputs.append(torch.einsum("hqk,khe->qhe", scores.softmax(-1), v))
    return torch.cat(outputs)


@pytest.fixture
def plain_varlen(monkeypatch):
    monkeypatch.setattr(varlen, "varlen_attn", varlen_by_loops)


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize(("queries", "groups"), HEADS)
@pytest.mark.parametrize("trees", SHAPES.values(), ids=SHAPES)
def test_the_three_ways_are_the_same(trees, queries, groups, scale, plain_varlen):
    segments, length = segments_of(trees)
    query, key, value = drawn(length, queries, groups)
    whole = by_one_mask(query, key, value, segments, scale)
    parts, weights = segment_attention(None, query, key, value, None, segments=segments, scaling=scale)
    once = _varlen(query, key, value, segments, scale)
    assert weights is None and parts.shape == once.shape == (1, length, queries, 8)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(once, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("trees", [SHAPES["several trees"], SHAPES["trees without answers at the ends"]])
def test_gradients_are_the_same(trees, plain_varlen):
    segments, length = segments_of(trees)
    leaves = [whole.requires_grad_() for whole in drawn(length, 4, 2)]
    towards = torch.randn(1, length, 4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = [
        torch.autograd.grad((way * towards).sum(), leaves)
        for way in (
            by_one_mask(*leaves, segments, None),
            segment_attention(None, *leaves, None, segments=segments)[0],
            _varlen(*leaves, segments, None),
        )
    ]
    for others in found[1:]:
        for got, want in zip(others, found[0], strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_the_gathered_keys_are_the_prompt_and_then_the_prompt_with_each_answer():
    segments, _ = segments_of([(2, [1, 2]), (1, [])])
    index, query_starts, key_starts, most_queries, most_keys = segments.gathered
    assert index.tolist() == [*(0, 1), *(0, 1, 2), *(0, 1, 3, 4), 5]
    assert query_starts.tolist() == [0, 2, 3, 5, 6] and key_starts.tolist() == [0, 2, 5, 9, 10]
    assert (most_queries, most_keys) == (2, 4)


def test_what_an_answer_says_changes_no_other_answer():
    segments, length = segments_of([(5, [3, 4])])
    query, key, value = drawn(length, 4, 2)
    before = segment_attention(None, query, key, value, None, segments=segments)[0]
    key[:, :, 5:8] += 1
    value[:, :, 5:8] += 1
    after = segment_attention(None, query, key, value, None, segments=segments)[0]
    changed = (before != after).any(-1).any(-1)[0]
    assert changed.tolist() == [False] * 5 + [True] * 3 + [False] * 4


def test_in_bfloat16_a_cpu_reads_part_by_part():
    segments, length = segments_of(SHAPES["several trees"])
    exact = drawn(length, 4, 2)
    rounded = [whole.bfloat16() for whole in exact]
    got = segment_attention(None, *rounded, None, segments=segments)[0]
    assert got.dtype is torch.bfloat16
    torch.testing.assert_close(got.double(), by_one_mask(*exact, segments, None), rtol=0, atol=0.03)
