"""Answers from a causal language model, many prompts at a time.

A beginning that all prompts share (a chat template's) is computed once, and so is a prompt of which several samples are
asked. Rows are padded on the left of what follows; those that have ended leave the batch. Each sampled row draws
from a random stream of its own seed, so that an answer does not depend on what else was in the batch. Models whose
state is more than keys and values (recurrent layers) are asked row by row, after a check at load time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audit.models.growing import fits, growing_cache
from audit.models.packing import FEWEST_ROWS, SHORTEST_TRUNK, common_length, reach

MOST_ENDED = 0.25  # share of rows that have ended and are still computed: leaving costs a copy of all keys and values
_TOLERANCE = 1e-2  # nats, in float32; rows that see padding or forget their state are off by more


@dataclass(frozen=True)
class Task:
    """One prompt to continue by at most ``max_tokens`` tokens; temperature 0 takes the likeliest token each time."""

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float
    seed: int


@dataclass
class Answer:
    """Generated token ids without the end token; ``logprob`` in nats of all chosen tokens, the end token included."""

    ids: list[int]
    logprob: float
    ended: bool


@dataclass
class _Row:
    """An answer being written; ``over`` where it takes no more tokens."""

    task: Task
    answer: Answer
    stream: torch.Generator
    over: bool = False

    def take(self, token: int, logprob: float, ends: frozenset[int]) -> None:
        self.answer.logprob += logprob
        if token in ends:
            self.answer.ended = True
        else:
            self.answer.ids.append(token)
        self.over = self.answer.ended or len(self.answer.ids) >= self.task.max_tokens


class Generator:
    """Generates with one forward pass a token for all unfinished rows.

    Attributes:
        batches: whether rows are computed together; False where the model gives other numbers that way.
    """

    def __init__(self, model: Any, end_tokens: Sequence[int], pad_token: int) -> None:
        self.model = model
        self.ends = frozenset(end_tokens)
        self.pad = pad_token
        self.batches = self._check()

    @torch.inference_mode()
    def generate(self, tasks: Sequence[Task]) -> list[Answer]:
        """One answer a task, in order."""
        rows = [_Row(t, Answer([], 0.0, False), torch.Generator().manual_seed(t.seed)) for t in tasks]
        if self.batches:
            self._together([row for row in rows if row.task.max_tokens > 0])
        else:
            for row in rows:
                self._alone(row)
        return [row.answer for row in rows]

    def _together(self, rows: list[_Row]) -> None:
        if not rows:
            return
        prompts = list(dict.fromkeys(row.task.prompt for row in rows))
        logits, cache, mask = self._read(prompts, max(len(r.task.prompt) + r.task.max_tokens for r in rows))
        number = {prompt: i for i, prompt in enumerate(prompts)}
        if len(prompts) < len(rows):
            logits, mask = self._select(cache, [number[row.task.prompt] for row in rows], logits, mask)
        while True:
            chosen = self._choose(rows, logits)
            alive = [r for r, row in enumerate(rows) if not row.over]
            if not alive:
                return
            ids = torch.tensor(chosen, device=mask.device)[:, None]
            if len(alive) <= (1 - MOST_ENDED) * len(rows):
                ids, mask = self._select(cache, alive, ids, mask)
                rows = [rows[r] for r in alive]
            mask = torch.cat([mask, mask.new_ones((len(rows), 1))], dim=1)
            positions = mask.sum(1, keepdim=True) - 1
            logits = self._step(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)

    def _step(self, **inputs: Any) -> Tensor:
        logits: Tensor = self.model(**inputs, use_cache=True, logits_to_keep=1).logits[:, -1].float()
        return logits

    def _read(self, prompts: Sequence[tuple[int, ...]], longest: int) -> tuple[Tensor, Any, Tensor]:
        """The logits after each prompt, the cache that holds them all, and the mask over their tokens."""
        # Padding after a shared beginning would take up places of a sliding window.
        shared = shared_beginning(prompts) if longest <= reach(self.model.config) else 0
        cache = growing_cache(self.model.config)
        if shared:
            self._step(input_ids=torch.tensor([prompts[0][:shared]], device=self.model.device), past_key_values=cache)
            cache.batch_repeat_interleave(len(prompts))
        ids, mask = self._padded(prompts, shared)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        logits = self._step(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)
        return logits, cache, mask

    def _padded(self, prompts: Sequence[tuple[int, ...]], shared: int) -> tuple[Tensor, Tensor]:
        """Token ids after the shared beginning, and the mask over beginning, padding and rest."""
        longest = max(len(p) for p in prompts)
        ids = torch.full((len(prompts), longest - shared), self.pad, dtype=torch.long)
        mask = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask[:, :shared] = 1
        for r, prompt in enumerate(prompts):
            rest = len(prompt) - shared
            ids[r, longest - shared - rest :] = torch.tensor(prompt[shared:])
            mask[r, longest - rest :] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _select(self, cache: Any, wanted: Sequence[int], values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The wanted rows of the cache, in place, and of values and mask."""
        keep = torch.tensor(wanted, device=mask.device)
        cache.batch_select_indices(keep)
        return values[keep], mask[keep]

    def _choose(self, rows: Sequence[_Row], logits: Tensor) -> list[int]:
        """The next token of each row, noted in its answer; of a row that is over, any token."""
        likeliest = logits.argmax(-1)  # NaN is chosen, and then seen in the sum
        whole = logits.logsumexp(-1)
        chosen = likeliest.tolist()
        for r, row in enumerate(rows):
            if row.task.temperature > 0.0 and not row.over and bool(whole[r].isfinite()):
                chances = (logits[r] / row.task.temperature).softmax(-1).cpu()
                chosen[r] = int(torch.multinomial(chances, 1, generator=row.stream))
        picked = torch.tensor(chosen, device=logits.device)[:, None]
        logprobs = (logits.gather(1, picked)[:, 0] - whole).tolist()
        for row, token, logprob in zip(rows, chosen, logprobs, strict=True):
            if not row.over:
                row.take(token, logprob, self.ends)
        return chosen

    def _alone(self, row: _Row) -> None:
        """One row from its tokens alone, all of them again for every new one."""
        while not row.over and row.task.max_tokens > 0:
            ids = torch.tensor([[*row.task.prompt, *row.answer.ids]], device=self.model.device)
            self._choose([row], self.model(input_ids=ids, use_cache=False).logits[:, -1].float())

    @torch.inference_mode()
    def _check(self) -> bool:
        """Whether rows of different lengths get the same numbers together as alone."""
        size = self.model.get_input_embeddings().num_embeddings
        prompts = [tuple(i % size for i in range(3, 3 + length)) for length in (9, 4)]
        tasks = [Task(prompt, 3, 0.0, 0) for prompt in prompts]
        together = [_Row(t, Answer([], 0.0, False), torch.Generator()) for t in tasks]
        try:
            if not fits(growing_cache(self.model.config)):
                return False
            self._together(together)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, KeyError, NotImplementedError):
            return False  # an architecture that keeps its state in another way
        return all(self._as_alone(row) for row in together)

    def _as_alone(self, row: _Row) -> bool:
        """Whether the answer's tokens are as likely as when it is read in one pass."""
        ids = [*row.task.prompt, *row.answer.ids]
        logits = self.model(input_ids=torch.tensor([ids], device=self.model.device), use_cache=False).logits[0].float()
        logprobs = logits.log_softmax(-1)
        start = len(row.task.prompt) - 1
        expected = [float(logprobs[start + i, token]) for i, token in enumerate(row.answer.ids)]
        if row.answer.ended:
            best = logprobs[start + len(row.answer.ids)]
            expected.append(max(float(best[end]) for end in self.ends))
        exact = self.model.dtype == torch.float32 and not getattr(self.model, "is_quantized", False)
        loose = 1.0 if exact else 100.0  # half precision and fewer bits round to tenths of a nat
        found = row.answer.logprob
        if not math.isfinite(found) or not all(map(math.isfinite, expected)):
            return math.isfinite(found) == all(map(math.isfinite, expected))
        return math.isclose(found, math.fsum(expected), abs_tol=_TOLERANCE * loose, rel_tol=1e-3)


def shared_beginning(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many leading tokens all prompts share, leaving each at least one; 0 where it is too short to pay."""
    if len(prompts) < FEWEST_ROWS:
        return 0
    # The first and the last in order differ first where any two do.
    shared = min(common_length(min(prompts), max(prompts)), min(len(p) for p in prompts) - 1)
    return shared if shared >= SHORTEST_TRUNK else 0
