"""Answers from a causal language model, many prompts at a time.

Rows are padded on the left and leave the batch as they end. Each sampled row draws from a random stream of its own
seed, so that an answer does not depend on what else was in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


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


class Generator:
    """Generates with one forward pass a token for all unfinished rows."""

    def __init__(self, model: Any, end_tokens: Sequence[int], pad_token: int) -> None:
        self.model = model
        self.ends = frozenset(end_tokens)
        self.pad = pad_token

    @torch.inference_mode()
    def generate(self, tasks: Sequence[Task]) -> list[Answer]:
        """One answer a task, in order."""
        answers = [Answer([], 0.0, False) for _ in tasks]
        streams = [torch.Generator().manual_seed(task.seed) for task in tasks]
        rows = list(range(len(tasks)))
        ids, mask = self._padded([task.prompt for task in tasks])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache: Any = None
        while rows:
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            logprobs = out.logits[:, -1].float().log_softmax(-1).cpu()
            chosen = [_choose(logprobs[r], tasks[row], streams[row]) for r, row in enumerate(rows)]
            alive = self._record(rows, chosen, logprobs, tasks, answers)
            if not alive:
                break
            if len(alive) < len(rows):
                keep = torch.tensor(alive, device=ids.device)
                cache.batch_select_indices(keep)
                mask, positions = mask[keep], positions[keep]
            rows = [rows[r] for r in alive]
            ids = torch.tensor([[chosen[r]] for r in alive], device=mask.device)
            mask = torch.cat([mask, mask.new_ones((len(rows), 1))], dim=1)
            positions = positions[:, -1:] + 1
        return answers

    def _padded(self, prompts: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        longest = max(len(p) for p in prompts)
        ids = torch.full((len(prompts), longest), self.pad, dtype=torch.long)
        mask = torch.zeros((len(prompts), longest), dtype=torch.long)
        for r, prompt in enumerate(prompts):
            ids[r, longest - len(prompt) :] = torch.tensor(prompt)
            mask[r, longest - len(prompt) :] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _record(
        self, rows: list[int], chosen: list[int], logprobs: Tensor, tasks: Sequence[Task], answers: list[Answer]
    ) -> list[int]:
        """Note the chosen tokens; the places of the rows that go on."""
        alive = []
        for r, row in enumerate(rows):
            answer, token = answers[row], chosen[r]
            answer.logprob += logprobs[r, token].item()
            if token in self.ends:
                answer.ended = True
                continue
            answer.ids.append(token)
            if len(answer.ids) < tasks[row].max_tokens:
                alive.append(r)
        return alive


def _choose(logprobs: Tensor, task: Task, stream: torch.Generator) -> int:
    if task.temperature == 0.0:
        return int(logprobs.argmax())
    return int(torch.multinomial((logprobs / task.temperature).softmax(-1), 1, generator=stream))
