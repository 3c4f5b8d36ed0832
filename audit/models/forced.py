"""One teacher-forced pass: what a model reads to say how likely an answer is, with the places that matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Forced:
    """The pass for one prompt and one answer, of any kind of model.

    Attributes:
        inputs: the model's arguments. ``input_ids`` is ``[rows, tokens]``: one row, or one for each hidden target of a
            masked model; of an encoder-decoder they are the encoder's.
        prompt: the places in ``input_ids`` of the tokens of the prompt's ``Units.ids``, in order and alike in all rows.
        deciding: for each target the row and the place from whose state it is read: of ``input_ids``, of an
            encoder-decoder of ``decoder_input_ids``; of a classifier empty, whose head reads as it likes.
        read: the model's output to log p of each target given those before it, ``[targets]`` in nats, which gradients pass.
        targets: the token ids of the answer; of a classifier the number of the class.
    """

    inputs: dict[str, Tensor]
    prompt: range
    deciding: tuple[tuple[int, int], ...]
    read: Callable[[Any], Tensor]
    targets: tuple[int, ...]


def same_inputs(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether a model reads the same in two passes."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def read_tokens(deciding: tuple[tuple[int, int], ...], targets: tuple[int, ...]) -> Callable[[Any], Tensor]:
    """How language models are read: the log-softmax of the logits at each deciding place, at its target."""
    rows, places = [row for row, _ in deciding], [place for _, place in deciding]

    def read(output: Any) -> Tensor:
        logprobs = output.logits[rows, places].float().log_softmax(-1)
        chosen: Tensor = logprobs.gather(1, logprobs.new_tensor(targets).long()[:, None])[:, 0]
        return chosen

    return read
