"""Attention of one new token a row, as answers are written: two products over keys and values where they lie.

PyTorch's fused kernel is made for many queries: of three that share a head it takes 1.5 to 2 times as long on two cores (86
rows of 40 to 110 tokens, three heads of width 64). The mask is made once a step, not once a layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

NAME = "fairwitness_step"  # of this way in transformers' table of attention functions


def fits(model: Any) -> bool:
    """Whether a model on a processor computes attention in float32 by the kernel that this stands in for."""
    plain: bool = model.device.type == "cpu" and model.dtype == torch.float32
    return plain and bool(model.config._attn_implementation == "sdpa")


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **named: Any,
) -> tuple[Tensor, None]:
    """Attention of one token a row; of more than one, or with what else transformers knows, by its own function.

    Args:
        module: the attention layer.
        query: ``[rows, heads, 1, width]``.
        key: ``[rows, kept heads, tokens, width]``.
        value: the same.
        attention_mask: added to the scores, ``[rows, 1, 1, tokens]``, other kinds being transformers'; None where all is seen.
        scaling: of the scores; one over the root of the width where None.
        position_bias: see transformers.
        named: see transformers.

    Returns:
        ``[rows, 1, heads, width]``, and no weights.
    """
    rows, heads, asking, width = query.shape
    kept = key.shape[1]
    added = attention_mask is None or (attention_mask.shape[1] == 1 and attention_mask.is_floating_point())
    if asking != 1 or position_bias is not None or not added or named.get("softcap") is not None:
        more = {"scaling": scaling, "position_bias": position_bias, **named}
        found: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return found
    # Heads that share keys stand as further queries of one head, so that keys need not be repeated.
    asked = query.reshape(rows, kept, heads // kept, width)
    scores = torch.matmul(asked, key.transpose(2, 3)).mul_(width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores.add_(attention_mask)
    mixed = torch.matmul(scores.softmax(-1), value)
    return mixed.reshape(rows, 1, heads, -1), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, eager_mask)
