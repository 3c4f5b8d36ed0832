"""What happens inside a network: the states of a text, what each layer would answer, and which states carry a difference.

Generic over the kinds of models opened from weights: all of it stands on ``Forced``, the teacher-forced pass, and on the
network's blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from audit.models.blocks import NoBlocks, Watched, blocks_of, can_keep, reading_part, run_from, watched, writing_part
from audit.models.forced import Forced, same_inputs
from audit.models.loading import unfit
from audit.models.requests import Decision, Lens, Patch, Prompt, Request, States
from audit.models.responses import Failure, Hidden, Lensed, Patched
from audit.models.states import Row, padded, passes
from audit.models.text import Units
from audit.results import ModelFacts

LEAST_DIFFERENCE = 0.1
"""Nats between the two prompts below which there is nothing to restore: shares of less would be rounding."""
STATE_TOKENS = 1024  # in one pass whose states of all layers are held at once
PATCH_TOKENS = 512  # in one pass whose logits of all tokens are held at once
SAME = 1e-4  # nats between the last layer's reading and the model's own answer
SAME_HALF = 2e-2  # of numbers of half precision, whose products round by the shape of the batch
_NOT_FINITE = Failure("not_a_number", "The model's states are not finite.")
_NO_VOCABULARY = Failure("failed", "A classifier has no vocabulary by which its layers' states could be read.")
_EMPTY = Failure("failed", "The text has no tokens.")


@dataclass(frozen=True)
class Reading:
    """The tokens of a text alone, as the model or its encoder reads them; ``own``: the places of the text's own tokens."""

    row: Row
    own: tuple[int, ...]


class Opened(Protocol):
    """What is needed of a model opened from weights."""

    @property
    def network(self) -> Any:
        """The transformers model."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """Among them the context length."""
        ...

    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone."""
        ...

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """The teacher-forced pass."""
        ...

    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value."""
        ...


def read_units(units: Units, row: Sequence[int] | None = None, before: int = 0) -> Reading:
    """The reading of a prompt's units; ``row`` holds them after ``before`` special tokens where it is not theirs alone."""
    own = sorted(place + before for members in units.members for place in members)
    return Reading(tuple(units.ids if row is None else row), tuple(own))


def state_groups(model: Opened, requests: Sequence[States]) -> list[list[Request]]:
    """Requests of like length together; equal sets of requests give equal groups."""
    lengths = {prompt: len(model.reading(prompt).row) for prompt in {r.prompt for r in requests}}
    groups: list[list[Request]] = []
    for request in sorted(requests, key=lambda r: (lengths[r.prompt], r.key)):
        if not groups or (len(groups[-1]) + 1) * lengths[request.prompt] > STATE_TOKENS:
            groups.append([])
        groups[-1].append(request)
    return groups


@torch.inference_mode()
def states_of(model: Opened, requests: Sequence[States]) -> list[Hidden | Failure]:
    """The states of each text at every layer, by the rule of ``audit.models.states``: the text's own tokens alone."""
    part = reading_part(model.network)
    readings = [model.reading(r.prompt) for r in requests]
    failures = [
        unfit(len(reading.row), model.facts.context_length) or (None if reading.own else _EMPTY) for reading in readings
    ]
    rows = [reading.row for reading, failure in zip(readings, failures, strict=True) if failure is None]
    wanted: dict[Row, list[int]] = {}
    for n, (reading, failure) in enumerate(zip(readings, failures, strict=True)):
        if failure is None:
            wanted.setdefault(reading.row, []).append(n)
    found: dict[int, Hidden | Failure] = {n: failure for n, failure in enumerate(failures) if failure is not None}
    for group in passes(rows, STATE_TOKENS):
        ids, mask = (part_input.to(model.network.device) for part_input in padded(group, _pad(model)))
        layers = part(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        for place, row in enumerate(group):
            for n in wanted[row]:
                own = readings[n].own if requests[n].at == "mean" else readings[n].own[-1:]
                vectors = torch.stack([layer[place, list(own)].float().mean(0) for layer in layers]).cpu().numpy()
                found[n] = Hidden(vectors) if np.isfinite(vectors).all() else _NOT_FINITE
    return [found[n] for n in range(len(requests))]


def _pad(model: Opened) -> int:
    pad = model.tokenizer.pad_token_id
    return int(pad) if pad is not None else 0  # hidden by the mask, whatever it is


@torch.inference_mode()
def lens_of(model: Opened, request: Lens) -> Lensed | Failure:
    """What every layer would answer, by the network's own final norm and head; the last must be what the network says.

    The network is run once more on rows of one token, in which the last block hands on the layers' states in place of its
    own: whatever comes after the last block is then applied to all of them, in any architecture.
    """
    decision = Decision(request.prompt, request.continuation, request.contrast)
    failure = model.undecidable(decision)
    if failure is not None:
        return failure
    forced = [model.forced(request.prompt, ending) for ending in decision.endings]
    if not forced[0].deciding:
        return _NO_VOCABULARY
    read: list[tuple[dict[str, Tensor], Tensor]] = []
    try:
        for one in forced:
            inputs = {name: value[:1] for name, value in one.inputs.items()}
            known = next((values for earlier, values in read if same_inputs(earlier, inputs)), None)
            read.append((inputs, _layers(model, inputs, one.deciding[0][1]) if known is None else known))
    except NoBlocks as error:
        return Failure("failed", str(error))
    columns = [values[:, one.targets[0]] for (_, values), one in zip(read, forced, strict=True)]
    if not all(bool(torch.isfinite(column).all()) for column in columns):
        return _NOT_FINITE
    near = SAME if model.network.dtype == torch.float32 else SAME_HALF
    apart = max(float((column[-1] - column[-2]).abs()) for column in columns)
    if apart > near:
        return Failure("failed", f"What was read off the last layer misses the model's own answer by {apart:.2g} nats.")
    if len(columns) > 1 and forced[0].targets[0] == forced[1].targets[0] and _near(columns[0], columns[1], near):
        columns[1] = columns[0]  # one token after one text: what differs is the rounding of passes of two lengths
    decode = model.tokenizer.decode
    return Lensed(
        answer=tuple(columns[0][:-1].tolist()),
        contrast=tuple(columns[1][:-1].tolist()) if len(columns) > 1 else (),
        top=tuple(str(decode([int(token)])) for token in read[0][1][:-1].argmax(-1)),
        target=str(decode([forced[0].targets[0]])),
        contrast_text=str(decode([forced[1].targets[0]])) if len(forced) > 1 else "",
    )


def _near(first: Tensor, second: Tensor, near: float) -> bool:
    return float((first - second).abs().max()) <= near


def _layers(model: Opened, inputs: dict[str, Tensor], place: int) -> Tensor:
    """Log-probabilities ``[layers + 2, vocabulary]`` at a place: of every layer from 0, and last the model's own."""
    blocks = blocks_of(writing_part(model.network))
    seen = watched(model.network, blocks, inputs)
    rows = len(seen.states)
    states = torch.stack([state[0, place] for state in seen.states])[:, None]
    both = "decoder_input_ids" in inputs
    one = {
        name: (value[:, :1] if both and name != "decoder_input_ids" else value[:, place : place + 1]).expand(rows, 1)
        for name, value in inputs.items()
    }
    told = run_from(model.network, blocks, one, seen, len(blocks), states).logits[:, 0]
    return torch.cat([told, seen.output.logits[:, place]]).float().log_softmax(-1)


@torch.inference_mode()
def patch_of(model: Opened, request: Patch) -> Patched | Failure:
    """How much of the difference between two prompts each single state restores (Meng et al. 2022, arXiv:2202.05262).

    Blocks below the patched layer are passed over, because they would give what they gave before; states that are alike
    in both texts restore nothing and are not run.
    """
    both = [Decision(prompt, request.continuation, request.contrast) for prompt in (request.clean, request.corrupt)]
    failure = next(filter(None, map(model.undecidable, both)), None)
    if failure is not None:
        return failure
    clean, corrupt = ([model.forced(one.prompt, ending) for ending in one.endings] for one in both)
    for first, second in zip(clean, corrupt, strict=True):
        if not _alike(first, second):
            return _unlike(first, second)
    try:
        sides = _sides(model, clean, corrupt)
    except NoBlocks as error:
        return Failure("failed", str(error))
    there, here = sum(side.clean for side in sides), sum(side.corrupt for side in sides)
    if not np.isfinite([there, here]).all():
        return Failure("not_a_number", "The model's log-probability of the answer is not finite.")
    if abs(there - here) < LEAST_DIFFERENCE:
        reason = f"The two prompts differ by {abs(there - here):.2g} nats, so that there is nothing to restore."
        return Failure("unparsed", reason)
    depth = len(sides[0].corrupt_run.raw)
    layers = list(range(depth + 1))
    if request.layers is not None:
        layers = sorted({round(float(layer)) for layer in np.linspace(depth, 1, request.layers)})
    moved = np.array([sum(side.moved(layer) for side in sides) for layer in layers])
    if not np.isfinite(moved).all():
        return _NOT_FINITE
    shares = (moved / (there - here)).astype(np.float32)
    texts = [_texts(model, forced[0]) for forced in (clean, corrupt)]
    return Patched(there, here, shares, tuple(layers), texts[0], texts[1])


def _alike(first: Forced, second: Forced) -> bool:
    """Whether the places of the two passes answer to one another."""
    shapes = all(first.inputs[name].shape == second.inputs[name].shape for name in first.inputs)
    return shapes and (first.prompt, first.targets) == (second.prompt, second.targets)


def _unlike(clean: Forced, corrupt: Forced) -> Failure:
    """Why states of two passes cannot be exchanged."""
    if len(clean.prompt) == len(corrupt.prompt):
        return Failure("unparsed", "An answer has other tokens after one prompt than after the other.")
    return Failure(
        "unparsed",
        f"The prompts have {len(clean.prompt)} and {len(corrupt.prompt)} tokens; states can be exchanged between "
        "prompts of the same number only.",
    )


def _places(forced: Forced) -> list[list[int]]:
    """What is exchanged together: each token of the prompt, and where a masked model hides it, the answer's place."""
    single = [[place] for place in forced.prompt]
    answer = sorted({place for _, place in forced.deciding})
    hidden = "decoder_input_ids" not in forced.inputs and answer and answer[0] not in forced.prompt
    return [*single, answer] if hidden else single


def _texts(model: Opened, forced: Forced) -> tuple[str, ...]:
    ids = forced.inputs["input_ids"][0, list(forced.prompt)].tolist()
    pieces = [str(model.tokenizer.decode([token])) for token in ids]
    return tuple(pieces + [str(model.tokenizer.mask_token)] * (len(_places(forced)) - len(pieces)))


@dataclass(frozen=True)
class Side:
    """The endings that are read off one pass, each with its sign in the scalar."""

    network: Any
    blocks: list[Any]
    endings: tuple[tuple[int, Forced], ...]
    clean_run: Watched
    corrupt_run: Watched

    def _read(self, output: Any) -> float:
        return float(sum(sign * forced.read(output).double().sum().item() for sign, forced in self.endings))

    @property
    def clean(self) -> float:
        """This side's part of f of the clean prompt."""
        return self._read(self.clean_run.output)

    @property
    def corrupt(self) -> float:
        """This side's part of f of the corrupt prompt."""
        return self._read(self.corrupt_run.output)

    def moved(self, layer: int, together: list[list[int]] | None = None) -> np.ndarray:
        """How far f of the corrupt prompt moves with clean states at a layer, for each set of places: ``[sets]``."""
        inputs = self.endings[0][1].inputs
        sets = _places(self.endings[0][1]) if together is None else together
        clean, corrupt = self.clean_run.states[layer], self.corrupt_run.states[layer]
        near = 1e-6 * float(corrupt.abs().max())  # rounding
        apart = ((clean - corrupt).abs() > near).any(-1).any(0)
        told = [n for n, places in enumerate(sets) if bool(apart[places].any())]
        before, (rows, tokens) = self.corrupt, corrupt.shape[:2]
        wanted = sorted({place for _, forced in self.endings for _, place in forced.deciding})
        keep = {"logits_to_keep": torch.tensor(wanted)} if wanted and can_keep(self.network) else {}
        moved = np.zeros(len(sets))
        size = max(1, PATCH_TOKENS // (rows * tokens))
        for group in (told[start : start + size] for start in range(0, len(told), size)):
            states = corrupt.repeat(len(group), 1, 1)
            for n, one in enumerate(group):
                states[n * rows : (n + 1) * rows, sets[one]] = clean[:, sets[one]]
            many = {name: value.repeat(len(group), 1) for name, value in inputs.items()}
            logits = run_from(self.network, self.blocks, many | keep, self.corrupt_run, layer, states).logits
            for n, one in enumerate(group):
                own = logits[n * rows : (n + 1) * rows]
                moved[one] = self._read(SimpleNamespace(logits=_Kept(own, wanted) if keep else own)) - before
        return moved


@dataclass(frozen=True)
class _Kept:
    """Logits ``[rows, kept, vocabulary]`` of some places, read by the numbers of the places."""

    logits: Tensor
    places: list[int]

    def __getitem__(self, at: tuple[list[int], list[int]]) -> Tensor:
        rows, places = at
        return self.logits[rows, [self.places.index(place) for place in places]]


def _sides(model: Opened, clean: Sequence[Forced], corrupt: Sequence[Forced]) -> list[Side]:
    """One side for all endings whose passes are the same, as those of one token are in a model that reads forwards."""
    network, blocks = model.network, blocks_of(reading_part(model.network))
    same = len(corrupt) > 1 and same_inputs(corrupt[0].inputs, corrupt[1].inputs)
    shares = (
        [[(1, 0), (-1, 1)]] if same else [[(sign, n)] for n, sign in zip(range(len(corrupt)), (1, -1), strict=False)]
    )
    return [
        Side(
            network,
            blocks,
            tuple((sign, corrupt[n]) for sign, n in share),
            watched(network, blocks, clean[share[0][1]].inputs),
            watched(network, blocks, corrupt[share[0][1]].inputs),
        )
        for share in shares
    ]
