"""Answers from a causal language model, many prompts at a time.

Prompts are read as prefix trees, like what is scored: what they share (a chat template's beginning, a prompt of which
several samples are asked) is computed once, and there is no padding. Answers are then written a token at a time for all
rows, and those that have ended leave at once. Each sampled row draws from a random stream of its own seed, so that an
answer does not depend on what else was in the batch. Models that cannot be packed read prompts padded on the left; those
whose state is more than keys and values (recurrent layers) are asked row by row. Checks at load time find both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audit.models.growing import GrowingLayer, fits, growing_cache, leave
from audit.models.packing import FEWEST_ROWS, SHORTEST_TRUNK, common_length, reach
from audit.models.sampling import draw
from audit.models.scorer import Scorer

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

    Args:
        scorer: of the model, which reads prompts.
        end_tokens: ids that end an answer.
        pad_token: any id, for rows that are padded.

    Attributes:
        batches: whether rows are computed together; False where the model gives other numbers that way.
        packs: whether prompts are read packed; False where the scorer does not pack, or the model keeps more than keys and
            values of all tokens.
    """

    def __init__(self, scorer: Scorer, end_tokens: Sequence[int], pad_token: int) -> None:
        self.model = scorer.model
        self.ends = frozenset(end_tokens)
        self.pad = pad_token
        self._scorer = scorer
        self.packs = scorer.packs and _grows(self.model.config)
        self.packs = self.packs and self._check()
        self.batches = self.packs or self._check()

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

    def _together(self, rows: list[_Row], testing: bool = False) -> None:
        """Write all rows. ``testing``: by the way that is tried, with no other one to fall to."""
        if not rows:
            return
        longest = max(len(r.task.prompt) + r.task.max_tokens for r in rows)
        packed = self.packs and longest <= reach(self.model.config)
        logits, cache, mask = self._packed(rows, longest) if packed else self._read(rows, longest)
        # One prompt's fault spoils those that are read beside it, even behind a mask; padded rows are apart.
        if packed and not testing and bool(logits.isnan().any()):
            del cache  # or there were two at a time
            logits, cache, mask = self._read(rows, longest)
        while True:
            chosen = self._choose(rows, logits)
            alive = [r for r, row in enumerate(rows) if not row.over]
            if not alive:
                return
            if len(alive) < len(rows):
                order = leave(cache, alive)
                rows, chosen, mask = [rows[r] for r in order], [chosen[r] for r in order], mask[order]
            ids = torch.tensor(chosen, device=mask.device)[:, None]
            mask = torch.cat([mask, mask.new_ones((len(rows), 1))], dim=1)
            positions = mask.sum(1, keepdim=True) - 1
            logits = self._step(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)

    def _step(self, **inputs: Any) -> Tensor:
        logits: Tensor = self.model(**inputs, use_cache=True, logits_to_keep=1).logits[:, -1].float()
        return logits

    def _packed(self, rows: Sequence[_Row], longest: int) -> tuple[Tensor, Any, Tensor]:
        """The logits after each row's prompt, the cache that holds them all, and the mask over their tokens."""
        prompts = list(dict.fromkeys(row.task.prompt for row in rows))
        asking: dict[tuple[int, ...], list[int]] = {}
        for r, row in enumerate(rows):
            asking.setdefault(row.task.prompt, []).append(r)
        tokens = max(map(len, prompts))
        cache, device = growing_cache(self.model.config), self.model.device
        mask = torch.zeros((len(rows), tokens), dtype=torch.long)
        parts, taken = [], []
        for reading in self._scorer.read(prompts):
            own = [(r, i) for i, number in enumerate(reading.numbers) for r in asking[prompts[number]]]
            places = torch.zeros((len(own), tokens), dtype=torch.long)  # before a prompt, any node: the mask hides it
            for k, (r, i) in enumerate(own):
                places[k, tokens - len(reading.places[i]) :] = torch.tensor(reading.places[i])
                mask[r, tokens - len(reading.places[i]) :] = 1
            numbers, places = torch.tensor([r for r, _ in own], device=device), places.to(device)
            for layer, read in zip(cache.layers, reading.cache.layers, strict=True):
                layer.place(numbers, read.keys, read.values, places, (len(rows), longest))
            parts.append(reading.logits[[i for _, i in own]])
            taken += [r for r, _ in own]
        return torch.cat(parts)[torch.tensor(taken).argsort()], cache, mask.to(device)

    def _read(self, rows: Sequence[_Row], longest: int) -> tuple[Tensor, Any, Tensor]:
        """The same, by rows of equal length that are padded on the left."""
        prompts = list(dict.fromkeys(row.task.prompt for row in rows))
        # Padding after a shared beginning would take up places of a sliding window.
        shared = shared_beginning(prompts) if longest <= reach(self.model.config) else 0
        cache = growing_cache(self.model.config)
        if shared:
            self._step(input_ids=torch.tensor([prompts[0][:shared]], device=self.model.device), past_key_values=cache)
            cache.batch_repeat_interleave(len(prompts))
        ids, mask = self._padded(prompts, shared)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        logits = self._step(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)
        if len(prompts) == len(rows):
            return logits, cache, mask
        number = {prompt: i for i, prompt in enumerate(prompts)}
        asked = torch.tensor([number[row.task.prompt] for row in rows])  # logits and cache may be on several devices
        cache.batch_select_indices(asked)
        return logits[asked], cache, mask[asked]

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

    def _choose(self, rows: Sequence[_Row], logits: Tensor) -> list[int]:
        """The next token of each row, noted in its answer. Logits are used up."""
        top, likeliest = logits.max(-1, keepdim=True)  # NaN is chosen, and then seen in the sum
        chosen = likeliest[:, 0].tolist()
        finite = top[:, 0].isfinite().tolist()
        drawing = [r for r, row in enumerate(rows) if row.task.temperature > 0.0 and finite[r]]
        if drawing:
            own = [rows[r] for r in drawing]
            drawn = draw(logits[drawing], [row.task.temperature for row in own], [row.stream for row in own])
            for r, token in zip(drawing, drawn, strict=True):
                chosen[r] = token
        picked = logits.gather(1, torch.tensor(chosen, device=logits.device)[:, None])
        logprobs = (picked - top - logits.sub_(top).exp_().sum(1, keepdim=True).log())[:, 0].tolist()
        for row, token, logprob in zip(rows, chosen, logprobs, strict=True):
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
        prompts = [tuple(i % size for i in ids) for ids in (range(3, 12), (3, 4, 5, 40))]  # that begin alike and part
        tasks = [Task(prompt, 3, 0.0, 0) for prompt in (*prompts, prompts[1])]
        together = [_Row(t, Answer([], 0.0, False), torch.Generator()) for t in tasks]
        try:
            if not fits(growing_cache(self.model.config)):
                return False
            self._together(together, testing=True)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, KeyError, NotImplementedError):
            return False  # an architecture that keeps its state in another way
        twins = together[1].answer.ids == together[2].answer.ids
        return twins and all(self._as_alone(row) for row in together[:2])

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


def _grows(config: Any) -> bool:
    """Whether all layers of a model keep the keys and values of all tokens, and nothing else."""
    try:
        layers = growing_cache(config).layers
    except (AttributeError, TypeError, ValueError, KeyError):
        return False  # an architecture that keeps its state in another way
    return bool(layers) and all(isinstance(layer, GrowingLayer) for layer in layers)


def shared_beginning(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many leading tokens all prompts share, leaving each at least one; 0 where it is too short to pay."""
    if len(prompts) < FEWEST_ROWS:
        return 0
    # The first and the last in order differ first where any two do.
    shared = min(common_length(min(prompts), max(prompts)), min(len(p) for p in prompts) - 1)
    return shared if shared >= SHORTEST_TRUNK else 0
