"""Attention over packed prefix trees: every node sees the common beginning, its ancestors and itself.

All packs of a pass lie one after another in one sequence, so that the matrix products see no padding. The nodes of a pack
stand in depth-first order, so that the descendants of a node are the run of nodes after it: a node sees another exactly
if it lies in that node's run. Attention is computed for some nodes at a time, over the keys that any of them sees: the
beginning, the path to the first of them, and themselves. So its work does not grow with the size of a tree. On a GPU
the same rule becomes the blocks of FlexAttention, which skips the pairs of strangers.
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


SPAN_NODES = 96  # whose attention is computed together: fewer are more calls, more look at more strangers


@dataclass(frozen=True)
class Span:
    """Nodes ``start`` to ``end`` of a pass, the places of the keys that they see, and what is added to their scores.

    ``mask`` is ``[groups x nodes, keys]``.
    """

    start: int
    end: int
    keys: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Layout:
    """The nodes of one pass, span by span."""

    spans: tuple[Span, ...]


def runs(packs: Sequence[Pack]) -> Tensor:
    """``[nodes]`` of all packs: the last node that sees each node, counted over all packs; itself for a leaf."""
    ends: list[int] = []
    for pack in packs:
        start = len(ends)
        ends += [start + end for end in pack.ends()]
    return torch.tensor(ends)


def layout(packs: Sequence[Pack], shared: int, groups: int, dtype: torch.dtype, device: torch.device) -> Layout:
    """How packs lie in one sequence, after ``shared`` tokens that all nodes see.

    Masks are repeated for the ``groups`` query heads that share keys and values.
    """
    spans = []
    offset = 0
    for pack in packs:
        ends = torch.tensor(pack.ends())
        for start in range(0, len(pack.tokens), SPAN_NODES):
            end = min(start + SPAN_NODES, len(pack.tokens))
            nodes = torch.tensor([*pack.path(start), *range(start, end)])
            keys = torch.cat([torch.arange(shared), shared + offset + nodes])
            mask = dense(ends, nodes, end - start, shared, dtype).repeat(groups, 1)
            spans.append(Span(offset + start, offset + end, keys.to(device), mask.to(device)))
        offset += len(pack.tokens)
    return Layout(tuple(spans))


def dense(ends: Tensor, nodes: Tensor, asking: int, shared: int, dtype: torch.dtype) -> Tensor:
    """``[asking, shared + nodes]``: 0 where one of the last ``asking`` of some nodes sees another, else the lowest number.

    Args:
        ends: the last node of each node's subtree, of the whole pack.
        nodes: which of the pack's, rising.
        asking: how many of them, the last, look at the others.
        shared: tokens before the pack that all see.
        dtype: of the scores.
    """
    own = nodes[len(nodes) - asking :, None]
    seen = (nodes[None, :] <= own) & (own <= ends[nodes][None, :])
    added = torch.zeros((asking, shared + len(nodes)), dtype=dtype)
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
    parts = []
    for span in forest.spans:
        keys, values = key.index_select(2, span.keys), value.index_select(2, span.keys)
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
