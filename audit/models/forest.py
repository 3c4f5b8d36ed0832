"""Attention over packed prefix trees: every node sees the common beginning, its ancestors and itself.

All packs of a pass lie one after another in one sequence, so that the matrix products see no padding. Attention is
computed pack by pack. The nodes of a pack stand in depth-first order, so that the descendants of a node are the run of
nodes after it: a node sees another exactly if it lies in that node's run. On a GPU the same rule becomes the blocks of
FlexAttention, which skips the pairs of strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from audit.models.packing import Pack

NAME = "fairwitness_forest"  # of this way in transformers' table of attention functions


@dataclass(frozen=True)
class Span:
    """One pack's nodes, ``start`` to ``end``, and what is added to their scores, ``[nodes, shared + nodes]``."""

    start: int
    end: int
    mask: Tensor


@dataclass(frozen=True)
class Layout:
    """The packs of one pass, after ``shared`` tokens that every node sees."""

    shared: int
    spans: tuple[Span, ...]


def runs(packs: Sequence[Pack]) -> Tensor:
    """``[nodes]`` of all packs: the last node that sees each node, counted over all packs; itself for a leaf."""
    ends: list[int] = []
    for pack in packs:
        start = len(ends)
        ends += [start + end for end in pack.ends()]
    return torch.tensor(ends)


def layout(packs: Sequence[Pack], shared: int, groups: int, dtype: torch.dtype, device: torch.device) -> Layout:
    """How packs lie in one sequence; masks are repeated for the ``groups`` query heads that share keys and values."""
    spans = []
    start = 0
    for pack in packs:
        end = start + len(pack.tokens)
        mask = dense(torch.tensor(pack.ends()), shared, dtype).repeat(groups, 1)
        spans.append(Span(start, end, mask.to(device)))
        start = end
    return Layout(shared, tuple(spans))


def dense(ends: Tensor, shared: int, dtype: torch.dtype) -> Tensor:
    """``[nodes, shared + nodes]``: 0 where a node of one pack sees another, else the lowest number of the type."""
    order = torch.arange(len(ends))
    seen = (order[None, :] <= order[:, None]) & (order[:, None] <= ends[None, :])
    added = torch.zeros((len(ends), shared + len(ends)), dtype=dtype)
    added[:, shared:].masked_fill_(~seen, torch.finfo(dtype).min)
    return added


def blocks(ends: Tensor, shared: int) -> BlockMask:
    """The same for all packs at once and for FlexAttention, on the device of ``ends``."""

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        other = (key - shared).clamp(min=0)
        return (key < shared) | ((other <= query) & (query <= ends[other]))

    return create_block_mask(sees, 1, None, len(ends), shared + len(ends), device=ends.device)


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    forest: Layout | None = None,
    position_bias: Tensor | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within each pack, in the form that transformers asks for.

    Args:
        module: the attention layer.
        query: ``[1, heads, nodes, width]``.
        key: ``[1, kept heads, shared + nodes, width]``.
        value: the same.
        attention_mask: not used; the layout says what sees what.
        scaling: of the scores; one over the root of the width where None.
        softcap: where given, scores s become ``softcap * tanh(s / softcap)`` (Gemma 2).
        forest: the layout.
        position_bias: not supported.
        s_aux: attention sinks, not supported.

    Returns:
        ``[1, nodes, heads, width]``, and no weights.

    Raises:
        NotImplementedError: for kinds of attention that this does not compute.
    """
    if forest is None or position_bias is not None or s_aux is not None:
        raise NotImplementedError("attention over packs does not know this kind of layer")
    heads, kept = query.shape[1], key.shape[1]
    beginning = slice(0, forest.shared)
    parts = []
    for span in forest.spans:
        here = slice(forest.shared + span.start, forest.shared + span.end)
        keys, values = key[:, :, here], value[:, :, here]
        if forest.shared:
            keys = torch.cat([key[:, :, beginning], keys], dim=2)
            values = torch.cat([value[:, :, beginning], values], dim=2)
        # Heads that share keys stand as further queries of one head, so that keys need not be repeated.
        asked = query[:, :, span.start : span.end].reshape(1, kept, -1, query.shape[-1])
        found = _attend(asked, keys, values, span.mask, scaling, softcap)
        parts.append(found.reshape(1, heads, span.end - span.start, -1))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None, softcap: float | None
) -> Tensor:
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask[None, None], scale=scaling)
    scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    weights = (softcap * (scores / softcap).tanh() + mask).softmax(-1, dtype=torch.float32)
    return weights.to(query.dtype) @ value


AttentionInterface.register(NAME, attention)
