"""The log-probabilities of a text's tokens one by one, and how those of the whole vocabulary are spread at each place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from audit.models.responses import TokensScored
from audit.models.scorer import Continuation, Scorer

_NOTHING = -110.0  # nats below the likeliest token at which a share is 0 in float32


@torch.inference_mode()
def tokens_scored(scorer: Scorer, texts: Sequence[Continuation]) -> list[TokensScored | None]:
    """What one teacher-forced pass over each text tells, in order; None where the model's numbers are not finite.

    Rows of like length share a pass; the head is applied to some places at a time, so that logits over the whole
    vocabulary exist for these alone.
    """
    found: dict[Continuation, TokensScored | None] = {}
    waiting = sorted(set(texts), key=lambda c: (-len(c.row), c.row, c.target))
    while waiting:
        count = max(1, scorer.budget // len(waiting[0].row))
        batch, waiting = waiting[:count], waiting[count:]
        found.update(zip(batch, _together(scorer, batch), strict=True))
    return [found[c] for c in texts]


def _together(scorer: Scorer, batch: Sequence[Continuation]) -> list[TokensScored | None]:
    places = [(r, len(c.context) - 1 + i) for r, c in enumerate(batch) for i in range(len(c.target))]
    targets = [token for c in batch for token in c.target]
    columns: list[Tensor] = []
    done = 0
    for logits in scorer.logits([c.row for c in batch], ([r for r, _ in places], [p for _, p in places])):
        wanted = torch.tensor(targets[done : done + len(logits)], device=logits.device)
        columns.append(spread(logits, wanted).cpu())
        done += len(logits)
    table = torch.cat(columns, 1)
    told: list[TokensScored | None] = []
    for own in torch.split(table, [len(c.target) for c in batch], 1):
        logprobs, means, deviations = (tuple(row.tolist()) for row in own)
        told.append(TokensScored(logprobs, means, deviations) if bool(torch.isfinite(own).all()) else None)
    return told


def spread(logits: Tensor, targets: Tensor) -> Tensor:
    """``[3, places]``: log p of each target, then mean and standard deviation of log p over the vocabulary, under p.

    Args:
        logits: ``[places, vocabulary]`` in float32; what can never be chosen is minus infinity and counts for nothing.
        targets: ``[places]`` token ids.
    """
    shifted = logits - logits.amax(1, keepdim=True)
    chosen = shifted.gather(1, targets[:, None])[:, 0]
    shifted.clamp_(min=_NOTHING)  # 0 log 0 is 0
    weights = shifted.exp()
    total = weights.sum(1)
    centre = torch.linalg.vecdot(weights, shifted) / total
    shifted.sub_(centre[:, None]).square_()
    variances = torch.linalg.vecdot(weights, shifted) / total
    return torch.stack([chosen - total.log(), centre - total.log(), variances.sqrt()])
