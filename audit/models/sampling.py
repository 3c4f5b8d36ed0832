"""Tokens drawn at random, each row from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = 16  # at a time: their sums in float64 stay in the processor's cache


def draw(logits: Tensor, temperatures: Sequence[float], streams: Sequence[torch.Generator]) -> list[int]:
    """A token of each row, with the chances ``softmax(logits / temperature)``.

    One number u, uniform in [0, 1), is taken of each row's stream; the token is the first at which the sum of the
    chances exceeds u. So what a row draws does not depend on the rows beside it.

    Args:
        logits: ``[rows, vocabulary]``, finite or minus infinity (never drawn).
        temperatures: of each row, above 0.
        streams: of each row; each moves on by one number.
    """
    tokens: list[int] = []
    for start in range(0, len(logits), ROWS):
        part = slice(start, start + ROWS)
        below = (logits[part] - logits[part].amax(-1, keepdim=True)).cpu().double()  # so that no temperature overflows
        sums = (below / torch.tensor(temperatures[part], dtype=torch.float64)[:, None]).softmax(-1).cumsum(-1)
        places = torch.stack([torch.rand(1, generator=stream, dtype=torch.float64) for stream in streams[part]])
        found = torch.searchsorted(sums, places * sums[:, -1:], right=True)
        tokens += found[:, 0].clamp(max=logits.shape[-1] - 1).tolist()
    return tokens
