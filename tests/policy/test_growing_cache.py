"""A cache with room holds what transformers' own holds, token by token, through rows that leave and room that ends."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache

from vlrm.policy.growing_cache import GrowingLayer, with_room


@pytest.mark.parametrize("room", [0, 3, 40])
def test_it_holds_what_the_plain_cache_holds(room):
    generator = torch.Generator().manual_seed(0)

    def states(rows, length):
        return [torch.randn(rows, 2, length, 4, generator=generator) for _ in range(2)]

    plain, roomy = DynamicCache(), DynamicCache()
    for layer in (0, 1):
        first = states(5, 7)
        for cache in (plain, roomy):
            cache.update(*first, layer)
    with_room(roomy, room)
    assert all(isinstance(layer, GrowingLayer) for layer in roomy.layers)
    rows = 5
    for step in range(12):
        for layer in (0, 1):
            new = states(rows, 1)
            for ours, theirs in zip(roomy.update(*new, layer), plain.update(*new, layer), strict=True):
                assert torch.equal(ours, theirs)
        if step == 5:
            stay = torch.tensor([3, 0, 4])
            for cache in (plain, roomy):
                cache.batch_select_indices(stay)
            rows = len(stay)
    assert roomy.get_seq_length() == plain.get_seq_length() == 19
