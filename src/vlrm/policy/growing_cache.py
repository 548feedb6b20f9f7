"""Keys and values with room for what is still to be written: a token is put in its place, none is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache


class GrowingLayer(DynamicLayer):
    """Of one layer, (B, G, L, E) each, inside tensors of ``room`` more tokens; without gradients only.

    transformers' own layer copies all of the past for every token.
    """

    def __init__(self, filled: DynamicLayer, room: int) -> None:
        super().__init__()
        self.lazy_initialization(filled.keys, filled.values)
        self._width = filled.get_seq_length() + room
        self._hold(filled.keys, filled.values)

    def _hold(self, keys: Tensor, values: Tensor) -> None:
        length = keys.shape[-2]
        self._keys, self._values = (
            whole.new_empty(*whole.shape[:-2], self._width, whole.shape[-1]) for whole in (keys, values)
        )
        self._keys[..., :length, :], self._values[..., :length, :] = keys, values
        self._show(length)

    def _show(self, length: int) -> None:
        self.keys, self.values = self._keys[..., :length, :], self._values[..., :length, :]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        before = self.keys.shape[-2]
        after = before + key_states.shape[-2]
        if after > self._width:
            self._width = 2 * after
            self._hold(self.keys, self.values)
        self._keys[..., before:after, :], self._values[..., before:after, :] = key_states, value_states
        self._show(after)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        self._hold(self.keys[indices], self.values[indices])


def with_room(cache: DynamicCache, tokens: int) -> DynamicCache:
    """The same cache, its layers with room for ``tokens`` more, where they are keys and values alone."""
    cache.layers = [GrowingLayer(layer, tokens) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
