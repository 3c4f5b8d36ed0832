"""Vectors of texts from a model's last hidden states: rows in passes of like length, and the mean over a text's tokens.

A language model was not made to give a vector for a text. The mean of its last states over the text's own tokens is the
rule that sentence encoders follow where their folder says nothing, so that kinds of models compare. The last token alone,
which SEAT takes of GPT, is in a sentence its full stop; the first of BERT, which SEAT takes, is taught by no task in
RoBERTa and its kin. Special tokens are left out: the first token of a left-to-right model gathers attention whatever the
text, and its state says little else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audit.models.requests import Request
from audit.models.responses import Embedded, Failure

RULE = "mean of the last states of the text's own tokens, 1"
"""Part of the fingerprint of the models that follow it."""
SAVE_TOKENS = 32768  # tokens whose vectors are handed to the cache together
BATCH_TOKENS = 4096
EMPTY = Failure("failed", "The text has no tokens.")
NOT_FINITE = Failure("not_a_number", "The vector is not finite.")

Row = tuple[int, ...]


def by_length(requests: Sequence[tuple[int, Request]], most: int = SAVE_TOKENS) -> list[list[Request]]:
    """Requests with their numbers of tokens, in groups for one call each; equal sets of requests give equal groups.

    ``most``: tokens from which on a group is full.
    """
    groups: list[list[Request]] = []
    size = 0
    for tokens, request in sorted(requests, key=lambda r: (r[0], r[1].key)):
        if not groups or size >= most:
            groups.append([])
            size = 0
        groups[-1].append(request)
        size += tokens
    return groups


def passes(rows: Sequence[Row], budget: int) -> Iterator[list[Row]]:
    """The distinct rows in the order of length, as many in one pass as have room in ``budget`` tokens."""
    ordered = sorted(set(rows), key=lambda row: (len(row), row))
    while ordered:
        size = 1
        while size < len(ordered) and (size + 1) * len(ordered[size]) <= budget:
            size += 1
        yield ordered[:size]
        ordered = ordered[size:]


def padded(rows: Sequence[Row], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids ``[rows, longest]`` filled up on the right, and a mask that is 1 where there are tokens."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = torch.tensor(row)
        mask[n, : len(row)] = 1
    return ids, mask


@torch.inference_mode()
def text_vectors(
    model: Any, texts: Sequence[tuple[Row, range | Sequence[int]]], pad: int, budget: int | None
) -> list[Embedded | Failure]:
    """The mean of the last hidden states over each text's own tokens, float32 ``[width]``.

    Args:
        model: a language model with its head, which is not applied.
        texts: token ids with the places of the text's own tokens among them; none where there are no such tokens.
        pad: what rows are filled up with.
        budget: tokens in one pass; None for a number that fits a laptop.
    """
    wanted = {row: list(places) for row, places in texts if len(places)}
    table: dict[Row, Tensor] = {}
    for group in passes(list(wanted), budget or BATCH_TOKENS):
        ids, mask = padded(group, pad)
        states = _last_states(model, ids.to(model.device), mask.to(model.device)).float().cpu()
        table.update({row: states[n, wanted[row]].mean(0) for n, row in enumerate(group)})
    found: list[Embedded | Failure] = []
    for row, places in texts:
        vector = table[row].numpy() if len(places) else None
        finite = vector is not None and bool(np.isfinite(vector).all())
        found.append(EMPTY if vector is None else Embedded(vector) if finite else NOT_FINITE)
    return found


def _last_states(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """``[rows, tokens, width]``, after the last norm where there is one: what the head is given."""
    body = model.base_model
    if body is model:  # an architecture without a part of its own below the head
        states: Tensor = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
        return states
    states = body(input_ids=ids, attention_mask=mask).last_hidden_state
    return states
