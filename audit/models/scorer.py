"""Log-likelihoods from a causal language model, in batches, each distinct row of tokens computed once.

The head of the model is applied only where something is scored: hidden states are gathered first, so that logits over
the whole vocabulary exist for scored positions alone. A check at load time compares this with the model's own logits
and falls back to them where a model does more than a linear head (soft caps, scales).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

HEAD_ROWS = 256  # rows of logits at a time: 256 x 49,152 float32 are 50 MB
SHARED_PREFIX = 12  # shorter common beginnings cost more to handle than to repeat
_CHECK_TOLERANCE = 1e-3  # nats; an unlike head is off by whole nats


@dataclass(frozen=True)
class Continuation:
    """Token ids of a context (at least one) and of what follows it."""

    context: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def row(self) -> tuple[int, ...]:
        """The model's input; the last target token is predicted, never read."""
        return (self.context + self.target)[:-1]


@dataclass(frozen=True)
class Likelihood:
    """Sum of the target tokens' log-probabilities in nats; ``greedy``: each was the model's first choice."""

    logprob: float
    greedy: bool


def make_batches(rows: Sequence[Sequence[int]], budget: int) -> list[list[int]]:
    """Indices of rows in groups whose padded size stays within ``budget`` tokens.

    Rows with the same beginning stay together, so that a group can compute it once; the longest come first, so that
    memory is tried where it is tightest. The same rows in any order give the same groups.
    """
    lead = [tuple(row[:SHARED_PREFIX]) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (lead[i], -len(rows[i]), tuple(rows[i])))
    batches: list[list[int]] = []
    width = 0
    for i in order:
        open_batch = bool(batches) and lead[batches[-1][0]] == lead[i] and len(lead[i]) == SHARED_PREFIX
        short = bool(batches) and len(rows[i]) * 2 >= width
        if batches and (open_batch or short) and (len(batches[-1]) + 1) * max(width, len(rows[i])) <= budget:
            batches[-1].append(i)
            width = max(width, len(rows[i]))
        else:
            batches.append([i])
            width = len(rows[i])
    return batches


class Scorer:
    """Scores continuations with one forward pass a batch.

    Args:
        model: a transformers causal language model in evaluation mode.
        budget: padded tokens in one forward pass.
    """

    def __init__(self, model: Any, budget: int) -> None:
        self.model = model
        self.budget = budget
        self.device = model.device
        self.gathers = True
        self.gathers = self._head_is_linear()

    @torch.inference_mode()
    def score(self, continuations: Sequence[Continuation]) -> list[Likelihood | None]:
        """The likelihood of each continuation, in order; None where the model's numbers are not finite."""
        places: dict[tuple[int, ...], list[int]] = {}
        for index, continuation in enumerate(continuations):
            places.setdefault(continuation.row, []).append(index)
        rows = list(places)
        results: list[Likelihood | None] = [None] * len(continuations)
        for batch in make_batches(rows, self.budget):
            wanted = [(r, index) for r, i in enumerate(batch) for index in places[rows[i]]]
            scored = self._batch([rows[i] for i in batch], [(r, continuations[index]) for r, index in wanted])
            for (_, index), likelihood in zip(wanted, scored, strict=True):
                results[index] = likelihood
        return results

    def _batch(self, rows: list[tuple[int, ...]], wanted: list[tuple[int, Continuation]]) -> list[Likelihood | None]:
        first = min(len(c.context) - 1 for _, c in wanted)
        shared = _common_prefix(rows, first)
        states = self._states(rows, shared)
        picked = [(r, p) for r, c in wanted for p in range(len(c.context) - 1, len(c.row))]
        at = torch.tensor(picked, device=self.device)
        targets = torch.tensor([t for _, c in wanted for t in c.target], device=self.device)
        logprobs, greedy = self._logprobs(states[at[:, 0], at[:, 1] - shared], targets)
        return _sum_by_target(logprobs, greedy, [len(c.target) for _, c in wanted])

    def _states(self, rows: list[tuple[int, ...]], shared: int) -> Tensor:
        """Hidden states (or logits, where the head is not linear) ``[rows, longest - shared, width]``.

        Rows are padded on the right: what stands to the right of a token never reaches it in a causal model, so no
        attention mask is needed.
        """
        longest = max(len(row) for row in rows)
        padded = torch.zeros((len(rows), longest - shared), dtype=torch.long)
        for r, row in enumerate(rows):
            padded[r, : len(row) - shared] = torch.tensor(row[shared:])
        ids = padded.to(self.device)
        if not shared:
            return self._run(ids, None)
        head = torch.tensor([rows[0][:shared]], device=self.device)
        cache = self.model(head, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(len(rows))
        return self._run(ids, cache)

    def _run(self, ids: Tensor, cache: Any) -> Tensor:
        options = {"past_key_values": cache, "use_cache": True} if cache is not None else {"use_cache": False}
        if self.gathers:
            states: Tensor = self.model.get_decoder()(input_ids=ids, **options).last_hidden_state
            return states
        logits: Tensor = self.model(input_ids=ids, **options).logits
        return logits

    def _logprobs(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs, greedy = [], []
        for start in range(0, len(states), HEAD_ROWS):
            part, wanted = states[start : start + HEAD_ROWS], targets[start : start + HEAD_ROWS]
            logits = (self.model.get_output_embeddings()(part) if self.gathers else part).float()
            chosen = logits.gather(1, wanted[:, None])[:, 0]
            logprobs.append(chosen - logits.logsumexp(1))
            greedy.append(logits.argmax(1) == wanted)
        return torch.cat(logprobs), torch.cat(greedy)

    @torch.inference_mode()
    def _head_is_linear(self) -> bool:
        """Whether hidden states through the output embeddings give the model's own log-probabilities."""
        ids = torch.tensor([[3, 5, 7, 11]], device=self.device)
        try:
            states = self._run(ids, None)[0]
            ours = self.model.get_output_embeddings()(states).float().log_softmax(-1)
        except (AttributeError, TypeError, RuntimeError):
            return False
        theirs = self.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
        return ours.shape == theirs.shape and bool(torch.allclose(ours, theirs, atol=_CHECK_TOLERANCE, rtol=1e-4))


def _common_prefix(rows: list[tuple[int, ...]], limit: int) -> int:
    """How many leading tokens all rows share, at most ``limit``; 0 where sharing would not pay."""
    if len(rows) < 2:
        return 0
    low, high = min(rows), max(rows)  # the extremes in order differ first where any two do
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    shared = min(shared, limit)
    return shared if shared >= SHARED_PREFIX else 0


def _sum_by_target(logprobs: Tensor, greedy: Tensor, lengths: list[int]) -> list[Likelihood | None]:
    results: list[Likelihood | None] = []
    values, firsts = logprobs.double().tolist(), greedy.tolist()
    start = 0
    for length in lengths:
        end = start + length
        total = math.fsum(values[start:end]) if all(map(math.isfinite, values[start:end])) else math.nan
        results.append(Likelihood(total, all(firsts[start:end])) if math.isfinite(total) else None)
        start = end
    return results
