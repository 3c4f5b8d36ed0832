"""Keys and values of a growing sequence, kept in buffers with room to grow.

transformers' own layer joins old and new at every step, which copies all there is for each token written.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
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

    def place(self, rows: Tensor, keys: Tensor, values: Tensor, places: Tensor, size: tuple[int, int]) -> None:
        """Take tokens that were read in one sequence as the first tokens of some rows.

        Args:
            rows: ``[taken]`` numbers of rows.
            keys: ``[1, heads, nodes, width]`` of the sequence.
            values: the same.
            places: ``[taken, tokens]`` which nodes; every call for one layer has as many tokens.
            size: rows and tokens to make room for.
        """
        if self._buffers is None:
            self.lazy_initialization(keys, values)
            shape = (size[0], keys.shape[1], size[1], keys.shape[3])
            self._buffers = (keys.new_empty(shape), values.new_empty(shape))
        count, tokens = places.shape
        rows, places = rows.to(keys.device), places.to(keys.device)
        for buffer, given in zip(self._buffers, (keys, values), strict=True):
            picked = given[0].index_select(1, places.flatten()).view(-1, count, tokens, given.shape[-1])
            buffer[rows, :, :tokens] = picked.transpose(0, 1)
        self.keys, self.values = (buffer[:, :, :tokens] for buffer in self._buffers)

    def close_up(self, order: Sequence[int]) -> None:
        """Keep some rows by moving the last of them into the places of those that leave.

        Args:
            order: for each place the row that stands there from now on: the same one, or one from behind all places.
        """
        if self._buffers is None:  # nothing kept yet, or without room
            if self.get_seq_length():
                self.batch_select_indices(torch.tensor(order, device=self.keys.device))
            return
        for place, row in enumerate(order):
            if row != place:
                for buffer in self._buffers:
                    buffer[place, :, : self.keys.shape[2]] = buffer[row, :, : self.keys.shape[2]]
        self._buffers = (self._buffers[0][: len(order)], self._buffers[1][: len(order)])
        self.keys, self.values = self.keys[: len(order)], self.values[: len(order)]

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


def leave(cache: Any, staying: Sequence[int]) -> list[int]:
    """Let all rows but some out of a cache; which row stands at each place from now on.

    Few rows are copied where layers grow in place: the last ones, into the places that have become free.
    """
    last = iter([row for row in staying if row >= len(staying)])
    own = set(staying)
    order = [place if place in own else next(last) for place in range(len(staying))]
    for layer in cache.layers:
        if isinstance(layer, GrowingLayer):
            layer.close_up(order)
        elif layer.get_seq_length():
            layer.batch_select_indices(torch.tensor(order, device=layer.keys.device))
    return order


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
