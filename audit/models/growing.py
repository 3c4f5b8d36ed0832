"""Keys and values of a growing sequence, kept in buffers with room to grow.

transformers' own layer joins old and new at every step, which copies all there is for each token written.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 64  # tokens to grow by, at least


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers' classes have no types
    """One layer's keys and values, ``[rows, heads, tokens, width]`` views of larger buffers."""

    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()
        self._buffers: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Put new keys and values after those that are there; all of them, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        end = before + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < end:
            room = max(ROOM, end // 4)
            self._buffers = (
                _wider(self.keys, key_states, before, end + room),
                _wider(self.values, value_states, before, end + room),
            )
        keys, values = self._buffers
        keys[:, :, before:end] = key_states
        values[:, :, before:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the rows ``indices``, in that order; a row may be taken several times."""
        super().batch_select_indices(indices)
        self._buffers = None  # the selection is a copy without room; the next update makes some

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Every row ``repeats`` times."""
        super().batch_repeat_interleave(repeats)
        self._buffers = None

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last ``-tokens_to_remove`` tokens."""
        super().crop(tokens_to_remove)
        self._buffers = None


def _wider(kept: Tensor, new: Tensor, used: int, size: int) -> Tensor:
    buffer = new.new_empty((new.shape[0], new.shape[1], size, new.shape[3]))
    if used:
        buffer[:, :, :used] = kept
    return buffer


def growing_cache(config: Any) -> Any:
    """An empty cache for a model; its layers of full attention grow in place, all others are transformers' own."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def fits(cache: Any) -> bool:
    """Whether a cache holds nothing but keys and values, so that rows can be repeated and left out freely."""
    return all(isinstance(layer, DynamicLayer) for layer in getattr(cache, "layers", ()))


def bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """Keys and values of one token in all layers, as far as the config tells; a guess of the right size otherwise."""
    text = config.get_text_config()
    layers = getattr(text, "num_hidden_layers", 24)
    heads = getattr(text, "num_attention_heads", None) or 16
    kept = getattr(text, "num_key_value_heads", None) or heads
    width = getattr(text, "head_dim", None) or getattr(text, "hidden_size", 1024) // heads
    return int(2 * layers * kept * width * dtype.itemsize)


def branched(cache: Any) -> Any:
    """A cache to go on from, while the original stays as it is.

    Keys and values are not copied, because transformers' layers join them with the new ones in new tensors.
    """
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        return copy.deepcopy(cache)
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other
