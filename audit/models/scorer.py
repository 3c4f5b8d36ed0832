"""Log-likelihoods from a causal language model, each distinct piece of work done once.

Rows of tokens are packed as prefix trees (:mod:`audit.models.packing`); common beginnings are computed once and their
keys and values reused. The head is applied only where something is scored: hidden states are gathered first, so that
logits over the whole vocabulary exist for scored positions alone. Two checks at load time compare these ways with the
model's plain forward pass and do without them where a model needs more (soft caps, sliding windows, recurrent layers).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from audit.models.forest import NAME, blocks, layout, runs
from audit.models.growing import branched
from audit.models.implementation import implementation
from audit.models.packing import Pack, Trunk, batches, groups_of, plant, reach

KEPT_TRUNKS = 4  # common beginnings whose keys and values stay between calls
HEAD_ROWS = 128  # of logits at a time: 128 x 49,152 float32 are 25 MB; above 32 MB memory is asked of the system anew
ALL_LOGITS = 512 << 20  # bytes of logits in one pass where they cannot be made of gathered states
_TOLERANCE = 1e-3  # nats, in float32; a wrong way is off by whole nats


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
    """Sum of the target tokens' log-probabilities in nats; ``greedy``: each was the model's first choice.

    ``by_token``: the log-probability of each target token given those before it.
    """

    logprob: float
    greedy: bool
    by_token: tuple[float, ...]


@dataclass(frozen=True)
class Reading:
    """Prompts that were read in one pass.

    ``numbers``: which of those that were asked for. ``logits``: float32 ``[prompts, vocabulary]`` after each. ``cache``: keys
    and values of the pass, one row. ``places``: where each prompt's tokens are in it.
    """

    numbers: tuple[int, ...]
    logits: Tensor
    cache: Any
    places: tuple[tuple[int, ...], ...]


class Scorer:
    """Scores continuations.

    Args:
        model: a transformers causal language model in evaluation mode.
        budget: padded tokens in one forward pass.

    Attributes:
        gathers: whether the head is applied to gathered states; False where the model's own logits differ.
        packs: whether rows are packed as trees; False where the model gives other numbers that way.
    """

    def __init__(self, model: Any, budget: int) -> None:
        self.model = model
        self.budget = budget
        self.device = model.device
        self.gathers = True
        self.packs = True
        self._flex = self.device.type == "cuda"  # its blocks skip strangers; on a processor it is slower than a mask
        self._groups = groups_of(model.config)
        self._reach = reach(model.config)
        self._trunks: dict[tuple[int, ...], Any] = {}
        self._check()

    @torch.inference_mode()
    def score(self, continuations: Sequence[Continuation]) -> list[Likelihood | None]:
        """The likelihood of each continuation, in order; None where the model's numbers are not finite."""
        needed: dict[tuple[int, ...], int] = {}
        for c in continuations:
            needed[c.row] = min(needed.get(c.row, len(c.row)), len(c.context) - 1)
        # Packs give every node all of its ancestors; rows longer than a window need the model's own mask.
        packed = {row: n for row, n in needed.items() if self.packs and len(row) <= self._reach}
        plain = {row: n for row, n in needed.items() if row not in packed}
        table = self._by_trees(packed, [c for c in continuations if c.row in packed]) if packed else {}
        if plain:
            table |= self._plainly(plain, [c for c in continuations if c.row in plain])
        found = [_looked_up(table, c) for c in continuations]
        for i, c in enumerate(continuations):
            if found[i] is None:
                # A number that is not finite spoils what is computed beside it, even where a mask hides it; alone,
                # the row shows whether the fault is its own.
                found[i] = _looked_up(self._plainly({c.row: needed[c.row]}, [c]), c)
        return found

    def read(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[Reading]:
        """Distinct prompts, so that they can be gone on from: packed like what is scored. For models that ``packs``."""
        number = {prompt: i for i, prompt in enumerate(prompts)}
        for trunk in plant(prompts, [len(prompt) - 1 for prompt in prompts], self.budget):
            shared = len(trunk.beginning)
            for starts, states, cache in self._passes(trunk, caching=True):
                rows = [row for row in trunk.rows if trunk.places[row][0] in starts]
                nodes = [[starts[pack] + node for node in own] for pack, own in (trunk.places[row] for row in rows)]
                yield Reading(
                    tuple(number[row] for row in rows),
                    self._logits(states[0, [own[-1] for own in nodes]]),
                    cache,
                    tuple((*range(shared), *(shared + node for node in own)) for own in nodes),
                )

    def forget(self) -> None:
        """Let go of kept beginnings, as where the model's weights have changed."""
        self._trunks.clear()

    def _by_trees(self, needed: dict[tuple[int, ...], int], asked: Sequence[Continuation]) -> _Table:
        by_row: dict[tuple[int, ...], list[Continuation]] = {}
        for c in asked:
            by_row.setdefault(c.row, []).append(c)
        table: _Table = {}
        for trunk in plant(list(needed), list(needed.values()), self.budget):
            start = len(trunk.beginning)
            wanted: dict[int, dict[tuple[int, int], tuple[int, ...]]] = {}
            for row in trunk.rows:
                pack, nodes = trunk.places[row]
                for c in by_row[row]:
                    for i, target in enumerate(c.target):
                        at = len(c.context) - 1 + i
                        wanted.setdefault(pack, {})[nodes[at - start], target] = row[: at + 1]
            self._trunk(trunk, wanted, table)
        return table

    def _trunk(self, trunk: Trunk, wanted: dict[int, dict[tuple[int, int], tuple[int, ...]]], table: _Table) -> None:
        """Score what is wanted of each pack: (node, target) and the prefix that it stands for."""
        for starts, states, _ in self._passes(trunk):
            picked = [
                (start + node, target, prefix)
                for i, start in starts.items()
                for (node, target), prefix in wanted[i].items()
            ]
            found = self._logprobs(
                states[0, [p[0] for p in picked]], torch.tensor([p[1] for p in picked], device=self.device)
            )
            table.update({(prefix, target): f for (_, target, prefix), f in zip(picked, found, strict=True)})

    def _passes(self, trunk: Trunk, caching: bool = False) -> Iterator[tuple[Mapping[int, int], Tensor, Any]]:
        """Its packs in passes: where each pack starts, the states of all nodes, and their keys and values where asked for."""
        kept = self._keep(trunk.beginning) if trunk.beginning else None
        for group in batches(trunk.packs, self.budget):
            packs = [trunk.packs[i] for i in group]
            empty = DynamicCache(config=self.model.config) if caching else None
            cache = branched(kept) if kept is not None else empty
            states = self._forest(packs, len(trunk.beginning), cache)
            starts = accumulate((len(pack.tokens) for pack in packs), initial=0)
            yield dict(zip(group, starts, strict=False)), states, cache

    def _keep(self, beginning: tuple[int, ...]) -> Any:
        """Keys and values of a beginning; those used last stay for the next call, which often begins alike."""
        kept = self._trunks.pop(beginning, None)
        if kept is None:
            ids = torch.tensor([beginning], device=self.device)
            kept = self.model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
        self._trunks[beginning] = kept
        while len(self._trunks) > KEPT_TRUNKS:
            del self._trunks[next(iter(self._trunks))]
        return kept

    def _forest(self, packs: Sequence[Pack], shared: int, cache: Any) -> Tensor:
        """Hidden states (or logits) ``[1, nodes, width]``; nodes see the beginning, their ancestors and themselves.

        The nodes' keys and values are added to a cache, which holds those of the beginning, where there is one.
        """
        ids = torch.tensor([[token for pack in packs for token in pack.tokens]])
        positions = torch.tensor([[position for pack in packs for position in pack.positions]])
        options: dict[str, Any] = {"position_ids": self._moved(positions)}
        if self._flex:
            options["attention_mask"] = blocks(self._moved(runs(packs)), shared)
        else:
            options["forest"] = layout(packs, shared, self._groups, self.model.dtype, self.device)
        if cache is not None:
            options["past_key_values"] = cache
        with implementation(self.model, "flex_attention" if self._flex else NAME):
            return self._run(self._moved(ids), **options)

    def _moved(self, tensor: Tensor) -> Tensor:
        """On the model's device; by way of pinned memory to a GPU, so that the copy and the computing overlap."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _run(self, ids: Tensor, **options: Any) -> Tensor:
        options.setdefault("use_cache", "past_key_values" in options)
        if self.gathers:
            states: Tensor = self.model.get_decoder()(input_ids=ids, **options).last_hidden_state
            return states
        logits: Tensor = self.model(input_ids=ids, **options).logits
        return logits

    def _logits(self, states: Tensor) -> Tensor:
        """In float32, of what a pass gives."""
        return self._head(states).float() if self.gathers else states.float()

    def _head(self, states: Tensor) -> Tensor:
        """Logits as the usual architectures make them of states; the check at load time finds the unusual ones."""
        logits: Tensor = self.model.get_output_embeddings()(states)
        text = self.model.config.get_text_config()
        if scale := getattr(text, "logit_scale", None):  # Cohere
            logits = logits * scale
        if divisor := getattr(text, "logits_scaling", None):  # Granite
            logits = logits / divisor
        if cap := getattr(text, "final_logit_softcapping", None):  # Gemma
            logits = cap * (logits / cap).tanh()
        return logits

    def logits(self, rows: Sequence[tuple[int, ...]], at: tuple[Sequence[int], Sequence[int]]) -> Iterator[Tensor]:
        """Logits ``[places, vocabulary]`` in float32 at places (row, column) of rows, ``HEAD_ROWS`` of them at a time."""
        states = self._run(self._padded(rows))[list(at[0]), list(at[1])]
        for start in range(0, len(states), HEAD_ROWS):
            yield self._logits(states[start : start + HEAD_ROWS])

    def _padded(self, rows: Sequence[tuple[int, ...]]) -> Tensor:
        """Rows, the longest first, padded on the right: in a causal model what stands there never reaches a token."""
        ids = torch.zeros((len(rows), len(rows[0])), dtype=torch.long)
        for r, row in enumerate(rows):
            ids[r, : len(row)] = torch.tensor(row)
        return ids.to(self.device)

    def _logprobs(self, states: Tensor, targets: Tensor) -> list[tuple[float, bool]]:
        """(log-probability in nats, is it the first choice) of each target after its state."""
        found: list[tuple[float, bool]] = []
        for start in range(0, len(states), HEAD_ROWS):
            part, wanted = states[start : start + HEAD_ROWS], targets[start : start + HEAD_ROWS]
            logits = self._logits(part)
            chosen = logits.gather(1, wanted.to(logits.device)[:, None])  # of a spread model, the head's
            top = logits.amax(1, keepdim=True)
            # In place, and summed by sum(): log_softmax is as fast but adds 49,152 terms with ten times the error.
            logprobs = chosen - top - logits.sub_(top).exp_().sum(1, keepdim=True).log()
            found += zip(logprobs[:, 0].tolist(), (chosen == top)[:, 0].tolist(), strict=True)
        return found

    def _plainly(self, needed: dict[tuple[int, ...], int], asked: Sequence[Continuation]) -> _Table:
        """Each row by itself."""
        table: _Table = {}
        by_row: dict[tuple[int, ...], list[Continuation]] = {}
        for c in asked:
            by_row.setdefault(c.row, []).append(c)
        rows = sorted(needed, key=lambda row: (-len(row), row))
        while rows:
            count = max(1, self.budget // len(rows[0]))
            batch, rows = rows[:count], rows[count:]
            states = self._run(self._padded(batch))
            picked = [
                (r, len(c.context) - 1 + i, target, c.context + c.target[:i])
                for r, row in enumerate(batch)
                for c in by_row[row]
                for i, target in enumerate(c.target)
            ]
            found = self._logprobs(
                states[[p[0] for p in picked], [p[1] for p in picked]],
                torch.tensor([p[2] for p in picked], device=self.device),
            )
            table.update({(prefix, target): f for (_, _, target, prefix), f in zip(picked, found, strict=True)})
        return table

    @torch.inference_mode()
    def _check(self) -> None:
        """Turn off what does not give the model's own log-probabilities on a few rows."""
        size = self.model.get_input_embeddings().num_embeddings
        length = int(min(14, max(2, self._reach - 6)))  # what is packed in use lies within a window
        stem = tuple(i % size for i in range(3, 3 + length))
        # Two rows of each length, so that the model can read them in two passes without padding.
        tails = [((21, 22, 23), (24, 25)), ((41, 42, 43, 44), (45,)), ((21, 22), (26,)), ((31,), (32, 33))]
        asked = [
            Continuation(stem + tuple(i % size for i in context), tuple(i % size for i in target))
            for context, target in tails
        ]
        needed = {c.row: len(c.context) - 1 for c in asked}
        expected: list[float] = []
        for pair in (asked[:2], asked[2:]):
            ids = torch.tensor([c.row for c in pair], device=self.device)
            for c, own in zip(pair, self.model(input_ids=ids, use_cache=False).logits, strict=True):
                logprobs = own.float().log_softmax(-1)
                expected += [float(logprobs[len(c.context) - 1 + i, t]) for i, t in enumerate(c.target)]
        self.gathers = self._agrees(self._plainly, needed, asked, expected)
        if not self.gathers:  # logits of every position at once
            self.budget = min(self.budget, max(1, ALL_LOGITS // (4 * size)))
        self.packs = self._agrees(self._by_trees, needed, asked, expected)
        if self._flex and not self.packs:
            self._flex = False
            self.packs = self._agrees(self._by_trees, needed, asked, expected)
        self._trunks.clear()

    def _agrees(
        self, way: Any, needed: dict[tuple[int, ...], int], asked: list[Continuation], expected: list[float]
    ) -> bool:
        try:
            table = way(needed, asked)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            return False  # an architecture without this part; the plain way is left
        found = [table[c.context + c.target[:i], t][0] for c in asked for i, t in enumerate(c.target)]
        exact = self.model.dtype == torch.float32 and not getattr(self.model, "is_quantized", False)
        loose = 1.0 if exact else 500.0  # half precision and fewer bits round to tenths of a nat
        return all(
            math.isclose(a, b, abs_tol=_TOLERANCE * loose, rel_tol=1e-4) for a, b in zip(found, expected, strict=True)
        )


_Table = dict[tuple[tuple[int, ...], int], tuple[float, bool]]
"""(prefix, next token) to (log-probability, is it the first choice)."""


def _looked_up(table: _Table, c: Continuation) -> Likelihood | None:
    parts = [table[c.context + c.target[:i], target] for i, target in enumerate(c.target)]
    values = [value for value, _ in parts]
    if not all(map(math.isfinite, values)):
        return None
    return Likelihood(math.fsum(values), all(first for _, first in parts), tuple(values))
