"""Answers from a causal language model, many prompts at a time.

A beginning that all prompts share (a chat template's) is computed once. Rows are padded on the left of what follows,
and leave the batch as they end. Each sampled row draws from a random stream of its own
seed, so that an answer does not depend on what else was in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audit.models.packing import FEWEST_ROWS, SHORTEST_TRUNK, common_length, reach


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
        prompts = [task.prompt for task in tasks]
        # Padding after a shared beginning would take up places of a sliding window.
        longest = max((len(task.prompt) + task.max_tokens for task in tasks), default=0)
        shared = shared_beginning(prompts) if longest <= reach(self.model.config) else 0
        cache = self._keep(prompts[0][:shared], len(tasks)) if shared else None
        ids, mask = self._padded(prompts, shared)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
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

    def _keep(self, beginning: tuple[int, ...], rows: int) -> Any:
        """Keys and values of a beginning that all rows share."""
        ids = torch.tensor([beginning], device=self.model.device)
        cache = self.model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(rows)
        return cache

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


def shared_beginning(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many leading tokens all prompts share, leaving each at least one; 0 where it is too short to pay."""
    if len(prompts) < FEWEST_ROWS:
        return 0
    # The first and the last in order differ first where any two do.
    shared = min(common_length(min(prompts), max(prompts)), min(len(p) for p in prompts) - 1)
    return shared if shared >= SHORTEST_TRUNK else 0


def _choose(logprobs: Tensor, task: Task, stream: torch.Generator) -> int:
    if task.temperature == 0.0 or bool(logprobs.isnan().any()):  # NaN is chosen, and then seen in the sum
        return int(logprobs.argmax())
    return int(torch.multinomial((logprobs / task.temperature).softmax(-1), 1, generator=stream))
