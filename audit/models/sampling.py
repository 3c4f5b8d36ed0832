"""Tokens drawn at random, each row from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = 16  # at a time: their numbers stay in the processor's cache
COLDEST, SMALLEST = (
    1e-30,
    1e-20,
)  # of temperatures and of uniform numbers; below, float32 would divide by 0 or see log(0)


def draw(logits: Tensor, temperatures: Sequence[float], streams: Sequence[torch.Generator]) -> list[int]:
    """A token of each row, with the chances ``softmax(logits / temperature)``.

    By the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014, arXiv:1411.0030): each token of the vocabulary takes a uniform
    number u of the row's stream, and the largest of ``logits / temperature - log(-log(u))`` wins. So what a row draws does not
    depend on the rows beside it, and logits that differ in their last digits hardly ever draw another token, which a
    look-up in the sum of the chances would: there every boundary moves with those before it. The numbers have 24 bits, so
    that chances below about 1e-7 are coarse.

    Args:
        logits: ``[rows, vocabulary]``, at least one of each row finite; minus infinity is never drawn.
        temperatures: of each row, above 0.
        streams: of each row; each moves on by as many numbers as there are tokens.
    """
    tokens: list[int] = []
    for start in range(0, len(logits), ROWS):
        part = slice(start, start + ROWS)
        warmth = torch.tensor([max(t, COLDEST) for t in temperatures[part]])[:, None]
        below = (logits[part] - logits[part].amax(-1, keepdim=True)).float().cpu() / warmth
        taken = torch.stack([torch.rand(logits.shape[-1], generator=stream) for stream in streams[part]])
        tokens += below.sub_(taken.clamp_(min=SMALLEST).log_().neg_().log_()).argmax(-1).tolist()
    return tokens
