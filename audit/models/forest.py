"""What the nodes of packed prefix trees may attend to, as a dense mask or as blocks for FlexAttention.

The nodes of a pack stand in depth-first order, so that the descendants of a node are the run of nodes after it. A node
sees another exactly if it lies in that node's run: two comparisons, and no matrix has to be kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from audit.models.packing import Pack

NOBODY = -1  # the end of the run of a node that is padding


def runs(packs: Sequence[Pack]) -> Tensor:
    """``[packs, nodes]``: the last node that sees each node; itself for a leaf, ``NOBODY`` for padding."""
    longest = max(len(pack.tokens) for pack in packs)
    ends = torch.full((len(packs), longest), NOBODY, dtype=torch.long)
    for r, pack in enumerate(packs):
        ends[r, : len(pack.tokens)] = torch.tensor(pack.ends())
    return ends


def dense(ends: Tensor, shared: int, dtype: torch.dtype) -> Tensor:
    """``[packs, 1, nodes, shared + nodes]``: what is added to attention scores, 0 or the lowest number of the type.

    Every node sees the ``shared`` tokens before the packs. Padding sees them and itself, or its softmax would not be a
    number; nothing sees padding.
    """
    nodes = ends.shape[1]
    order = torch.arange(nodes)
    seen = (order[None, None, :] <= order[None, :, None]) & (order[None, :, None] <= ends[:, None, :])
    seen |= torch.eye(nodes, dtype=torch.bool)
    added = torch.zeros((len(ends), 1, nodes, shared + nodes), dtype=dtype)
    added[:, 0, :, shared:].masked_fill_(~seen, torch.finfo(dtype).min)
    return added


def blocks(ends: Tensor, shared: int) -> BlockMask:
    """The same for FlexAttention, on the device of ``ends``; blocks of strangers are never computed."""
    nodes = ends.shape[1]

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        other = (key - shared).clamp(min=0)
        inside = (other <= query) & (query <= ends[row, other])
        return (key < shared) | inside | (other == query)

    return create_block_mask(sees, len(ends), None, nodes, shared + nodes, device=ends.device)
