"""Answers from an encoder-decoder, many prompts at a time.

Each distinct prompt is read once, however many answers it gets. All answers begin with the same tokens, so rows need
no padding; they leave the batch as they end. Each sampled row draws from a random stream of its own seed, so that an
answer does not depend on what else was in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audit.models.sampling import draw
from audit.models.seq2seq_scorer import Ids, Seq2SeqScorer


@dataclass(frozen=True)
class Writing:
    """A prompt to answer with at most ``max_tokens`` tokens; temperature 0 takes the likeliest token each time."""

    source: Ids
    max_tokens: int
    temperature: float
    seed: int


@dataclass
class Written:
    """Token ids without start and end tokens; ``logprob`` in nats of all chosen tokens, the end token included."""

    ids: list[int]
    logprob: float
    ended: bool


class Seq2SeqGenerator:
    """Generates with one decoder pass a token for all unfinished rows.

    Args:
        scorer: reads prompts, and holds the model and what answers begin with.
        ends: tokens that end an answer.
        never: tokens that are never chosen. Log-probabilities are the model's own, as in scores, not renewed without
            these.
    """

    def __init__(self, scorer: Seq2SeqScorer, ends: Sequence[int], never: Sequence[int]) -> None:
        self._scorer = scorer
        self._ends = frozenset(ends)
        self._never = sorted(set(never) - self._ends)

    @torch.inference_mode()
    def generate(self, tasks: Sequence[Writing]) -> list[Written]:
        """One answer a task, in order."""
        answers = [Written([], 0.0, False) for _ in tasks]
        streams = [torch.Generator().manual_seed(task.seed) for task in tasks]
        model, device = self._scorer.model, self._scorer.device
        sources = list(dict.fromkeys(task.source for task in tasks))
        read = self._scorer.read(sources)
        prompts = torch.tensor([sources.index(task.source) for task in tasks], device=device)
        ids = torch.tensor([self._scorer.start] * len(tasks), device=device)
        rows, cache, known = list(range(len(tasks))), None, read.of(prompts)
        while rows:
            out = model(**known, decoder_input_ids=ids, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            logprobs = out.logits[:, -1].float().log_softmax(-1).cpu()
            chosen = [self._choose(logprobs[r], tasks[row], streams[row]) for r, row in enumerate(rows)]
            alive = self._record(rows, chosen, logprobs, tasks, answers)
            if not alive:
                break
            if len(alive) < len(rows):
                keep = torch.tensor(alive, device=device)
                cache.batch_select_indices(keep)
                prompts = prompts[keep]
                known = read.of(prompts)
            rows = [rows[r] for r in alive]
            ids = torch.tensor([[chosen[r]] for r in alive], device=device)
        return answers

    def _record(
        self, rows: list[int], chosen: list[int], logprobs: Tensor, tasks: Sequence[Writing], answers: list[Written]
    ) -> list[int]:
        """Note the chosen tokens; the places of the rows that go on."""
        alive = []
        for r, row in enumerate(rows):
            answer, token = answers[row], chosen[r]
            answer.logprob += logprobs[r, token].item()
            if token in self._ends:
                answer.ended = True
                continue
            answer.ids.append(token)
            if len(answer.ids) < tasks[row].max_tokens:
                alive.append(r)
        return alive

    def _choose(self, logprobs: Tensor, task: Writing, stream: torch.Generator) -> int:
        if bool(logprobs.isnan().any()):  # NaN is chosen, and then seen in the sum
            return int(logprobs.argmax())
        allowed = logprobs.clone()
        allowed[self._never] = -torch.inf
        if task.temperature == 0.0:
            return int(allowed.argmax())
        return draw(allowed[None], [task.temperature], [stream])[0]


def never_chosen(settings: Any) -> list[int]:
    """Single tokens that a generation config bans (``suppress_tokens``, ``bad_words_ids`` of one token)."""
    words = getattr(settings, "bad_words_ids", None) or []
    suppressed = getattr(settings, "suppress_tokens", None) or []
    return sorted({int(word[0]) for word in words if len(word) == 1} | {int(token) for token in suppressed})


def passed_over(settings: Any) -> str | None:
    """One sentence on what a generation config asks for and answers here do without; None where that is nothing."""
    asked = []
    if (beams := getattr(settings, "num_beams", None) or 1) > 1:
        asked.append(f"beam search with {beams} beams")
    neutral = {"no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0, "repetition_penalty": 1.0}
    neutral |= {"encoder_repetition_penalty": 1.0, "min_length": 0, "min_new_tokens": 0}
    for name, nothing in neutral.items():
        value = getattr(settings, name, None)
        if value is not None and value != nothing:
            asked.append(f"{name} {value}")
    if any(len(word) > 1 for word in getattr(settings, "bad_words_ids", None) or []):
        asked.append("banned words of several tokens")
    if getattr(settings, "begin_suppress_tokens", None):
        asked.append("begin_suppress_tokens")
    if not asked:
        return None
    return f"Its generation settings ask for {', '.join(asked)}; answers here are plain greedy or sampled ones."
