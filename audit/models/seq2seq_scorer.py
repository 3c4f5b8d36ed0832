"""Log-likelihoods from an encoder-decoder: each prompt is read once, its answers are scored over what was read.

The decoder's head is applied only where something is scored. Checks at load time compare these ways with the model's plain
forward pass and do without them where a model needs more (a head that is not a plain product, an encoder that cannot
be called by itself).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from audit.models.scorer import Continuation, Likelihood

HEAD_ROWS = 128  # rows of logits at a time: 128 x 50,000 float32 are 25 MB
_TOLERANCE = 1e-3  # nats, in float32; a wrong way is off by whole nats
Ids = tuple[int, ...]
T = TypeVar("T")
_Table = dict[tuple[Ids, Ids, int], tuple[float, bool]]
"""(source, answer so far, next token) to (log-probability in nats, is it the first choice)."""


@dataclass(frozen=True)
class Read:
    """Prompts after the encoder: ``states [prompts, tokens, width]``, None where each pass has to read them again."""

    ids: Tensor
    mask: Tensor
    states: Tensor | None

    def of(self, rows: Tensor) -> dict[str, Any]:
        """Arguments of the model for answers to the prompts with these numbers."""
        if self.states is None:
            return {"input_ids": self.ids[rows], "attention_mask": self.mask[rows]}
        return {
            "encoder_outputs": BaseModelOutput(last_hidden_state=self.states[rows]),
            "attention_mask": self.mask[rows],
        }


class Seq2SeqScorer:
    """Scores answers; a continuation's context is what the encoder reads.

    Args:
        model: a transformers encoder-decoder in evaluation mode.
        start: the tokens that every answer begins with; they are given, not scored.
        budget: padded tokens in one forward pass.

    Attributes:
        shares: whether prompts are read once and shared; False where the model gives other numbers that way.
        scale: what decoder states are multiplied by before the head is applied to gathered ones; None where only the
            model's own logits are right.
    """

    def __init__(self, model: Any, start: Sequence[int], budget: int) -> None:
        self.model = model
        self.start = tuple(start)
        self.budget = budget
        self.device = model.device
        self.shares = True
        self.scale: float | None = 1.0
        self._check()

    @torch.inference_mode()
    def score(self, continuations: Sequence[Continuation]) -> list[Likelihood | None]:
        """The likelihood of each continuation, in order; None where the model's numbers are not finite."""
        table = self._table(continuations)
        found = [_looked_up(table, c) for c in continuations]
        for i, c in enumerate(continuations):
            if found[i] is None:  # alone, without padding, it shows whether the fault is its own
                found[i] = _looked_up(self._table([c]), c)
        return found

    @torch.inference_mode()
    def read(self, sources: Sequence[Ids]) -> Read:
        """What the encoder makes of prompts, padded on the right."""
        longest = max(len(source) for source in sources)
        ids = torch.zeros((len(sources), longest), dtype=torch.long)
        mask = torch.zeros((len(sources), longest), dtype=torch.long)
        for r, source in enumerate(sources):
            ids[r, : len(source)] = torch.tensor(source)
            mask[r, : len(source)] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        if not self.shares:
            return Read(ids, mask, None)
        return Read(ids, mask, self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state)

    def _table(self, continuations: Sequence[Continuation]) -> _Table:
        needed: dict[Ids, dict[Ids, set[int]]] = {}
        for c in continuations:
            prefixes = needed.setdefault(c.context, {})
            for i, token in enumerate(c.target):
                prefixes.setdefault(c.target[:i], set()).add(token)
        table: _Table = {}
        for sources in _groups(sorted(needed, key=lambda s: (-len(s), s)), self._most(), len):
            read = self.read(sources)
            beside = read.ids.shape[1] + len(self.start)  # a row costs its prompt as well
            rows = [(n, row) for n, source in enumerate(sources) for row in _longest(needed[source])]
            rows.sort(key=lambda nr: (-len(nr[1]), nr))
            for batch in _groups(rows, self._most(), lambda nr: len(nr[1]), beside):
                self._score(read, sources, batch, needed, table)
        return table

    def _most(self) -> int:
        return self.budget if self.shares else 1  # one by one, unpadded: the model's own pass

    def _score(
        self,
        read: Read,
        sources: Sequence[Ids],
        rows: Sequence[tuple[int, Ids]],
        needed: dict[Ids, dict[Ids, set[int]]],
        table: _Table,
    ) -> None:
        """Score all that is needed and lies on the given rows (number of the source, answer)."""
        places, keys = [], []
        for r, (n, row) in enumerate(rows):
            for size in range(len(row) + 1):
                for token in sorted(needed[sources[n]].pop(row[:size], ())):  # each prefix on one row only
                    places.append((r, len(self.start) - 1 + size))
                    keys.append((sources[n], row[:size], token))
        states = self._decode(read, rows)
        found = self._logprobs(
            states[[r for r, _ in places], [i for _, i in places]],
            torch.tensor([token for _, _, token in keys], device=self.device),
        )
        table.update(zip(keys, found, strict=True))

    def _decode(self, read: Read, rows: Sequence[tuple[int, Ids]]) -> Tensor:
        """Decoder states, or logits, ``[rows, tokens, width]``; what pads on the right never reaches a token."""
        longest = len(self.start) + max(len(row) for _, row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        for r, (_, row) in enumerate(rows):
            ids[r, : len(self.start) + len(row)] = torch.tensor(self.start + row)
        ids, index = ids.to(self.device), torch.tensor([n for n, _ in rows], device=self.device)
        if self.scale is None or read.states is None:
            logits: Tensor = self.model(**read.of(index), decoder_input_ids=ids, use_cache=False).logits
            return logits
        states: Tensor = self.model.get_decoder()(
            input_ids=ids,
            encoder_hidden_states=read.states[index],
            encoder_attention_mask=read.mask[index],
            use_cache=False,
        ).last_hidden_state
        return states * self.scale

    def _logprobs(self, states: Tensor, targets: Tensor) -> list[tuple[float, bool]]:
        """(log-probability in nats, is it the first choice) of each target after its state."""
        bias = getattr(self.model, "final_logits_bias", None)
        found: list[tuple[float, bool]] = []
        for start in range(0, len(states), HEAD_ROWS):
            part, wanted = states[start : start + HEAD_ROWS], targets[start : start + HEAD_ROWS]
            if self.scale is not None:
                part = self.model.get_output_embeddings()(part) + (0.0 if bias is None else bias)
            logits = part.float()
            chosen = logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(1)
            found += zip(chosen.tolist(), (logits.argmax(1) == wanted).tolist(), strict=True)
        return found

    @torch.inference_mode()
    def _check(self) -> None:
        """Take the first way that gives the model's own log-probabilities on a few answers."""
        asked = self._samples()
        expected = [self._by_itself(c) for c in asked]
        width = float(getattr(self.model.config, "hidden_size", 1))
        # T5 with a tied head scales its decoder's states; whether it does is named differently from model to model.
        ways: list[tuple[bool, float | None]] = [(True, 1.0), (True, width**-0.5), (True, None), (False, None)]
        for self.shares, self.scale in ways:
            if self._agrees(asked, expected):
                return

    def _samples(self) -> list[Continuation]:
        size = self.model.get_input_embeddings().num_embeddings
        head = self.model.get_output_embeddings()
        size = min(size, head.weight.shape[0]) if head is not None else size
        sources = [tuple(i % size for i in range(3, 3 + n)) for n in (9, 4)]
        targets = [(21, 22, 23), (24,), (21, 31, 32, 33, 34)]
        return [Continuation(s, tuple(i % size for i in t)) for s in sources for t in targets]

    def _by_itself(self, c: Continuation) -> float:
        logits = self.model(
            input_ids=torch.tensor([c.context], device=self.device),
            decoder_input_ids=torch.tensor([self.start + c.target[:-1]], device=self.device),
            use_cache=False,
        ).logits[0, len(self.start) - 1 :]
        logprobs = logits.float().log_softmax(-1)
        return math.fsum(float(logprobs[i, token]) for i, token in enumerate(c.target))

    def _agrees(self, asked: Sequence[Continuation], expected: Sequence[float]) -> bool:
        try:
            table = self._table(asked)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            return False  # an architecture without this part; a plainer way is left
        found = [_looked_up(table, c) for c in asked]
        loose = _TOLERANCE if self.model.dtype == torch.float32 else 100 * _TOLERANCE
        return all(
            f is not None and math.isclose(f.logprob, e, abs_tol=loose, rel_tol=1e-4)
            for f, e in zip(found, expected, strict=True)
        )


def _looked_up(table: _Table, c: Continuation) -> Likelihood | None:
    parts = [table[c.context, c.target[:i], token] for i, token in enumerate(c.target)]
    values = [value for value, _ in parts]
    if not all(map(math.isfinite, values)):
        return None
    return Likelihood(math.fsum(values), all(first for _, first in parts), tuple(values))


def _longest(prefixes: Iterable[Ids]) -> list[Ids]:
    """Those that no other begins with; the others are read on their rows."""
    ordered = sorted(prefixes)
    follows = [*ordered[1:], None]
    return [p for p, after in zip(ordered, follows, strict=True) if after is None or after[: len(p)] != p]


def _groups(ordered: Sequence[T], budget: int, size: Callable[[T], int], beside: int = 0) -> list[list[T]]:
    """Neighbours whose padded cost, that of the largest times their number, stays within the budget."""
    groups: list[list[T]] = []
    largest = 0
    for thing in ordered:
        largest = max(largest, size(thing))
        if not groups or (largest + beside) * (len(groups[-1]) + 1) > budget:
            groups.append([])
            largest = size(thing)
        groups[-1].append(thing)
    return groups
