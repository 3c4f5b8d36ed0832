"""How many tokens to compute in one forward pass, from the memory that the machine has.

The total is asked for, never what happens to be free: batches that changed with the machine's load would change the
last digits of a result.
"""

from __future__ import annotations

import os
from typing import Any

import torch

FEWEST = 512
MOST_ON_CPU = 2048  # more gains nothing: the products are at their full rate, and the caches overflow
MOST_ON_GPU = 65536
MOST_WITH_GRADIENTS = 192  # on a processor; such a pass keeps what every layer computed
SHARE = 0.25  # of the memory that the weights leave, for what one pass holds at a time


def total_memory(device: torch.device) -> int:
    """Bytes of memory of a device; of the machine where the device has none of its own."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30  # systems that do not tell; what most machines have


def tokens_per_pass(model: Any) -> int:
    """Tokens, padding included, that fit one forward pass of a model."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    left = max(0, total_memory(model.device) - 2 * weights)
    most = MOST_ON_GPU if model.device.type == "cuda" else MOST_ON_CPU
    return int(min(most, max(FEWEST, SHARE * left // bytes_per_token(model))))


def bytes_per_token(model: Any) -> int:
    """What a pass without gradients holds for one token at its widest: states, one layer's products, keys and values."""
    text = model.config.get_text_config()
    hidden = getattr(text, "hidden_size", 1024)
    wide = getattr(text, "intermediate_size", None) or 4 * hidden
    layers = getattr(text, "num_hidden_layers", 24)
    return int((8 * hidden + 4 * wide + 2 * layers * hidden) * model.dtype.itemsize)


def tokens_per_gradient_pass(model: Any) -> int:
    """Tokens, padding included, of one pass whose gradients are asked for.

    Such a pass keeps what every layer computed: some ten states and four times the inner width for each token.
    """
    text = model.config.get_text_config()
    hidden = getattr(text, "hidden_size", 1024)
    wide = getattr(text, "intermediate_size", None) or 4 * hidden
    layers = getattr(text, "num_hidden_layers", 24)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    left = max(0, total_memory(model.device) - 2 * weights)
    most = MOST_WITH_GRADIENTS if model.device.type != "cuda" else MOST_ON_GPU
    return int(min(most, max(1, SHARE * left // (4 * layers * (10 * hidden + 4 * wide)))))
