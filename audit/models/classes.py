"""From token rows to class probabilities: what a classifier's outputs stand for, and how rows are filled and read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.models.base import ModelError
from audit.models.loading import longest_input
from audit.models.requests import Message, Prompt, Unit, plain_chat
from audit.models.responses import Failure
from audit.models.scorer import Continuation, Likelihood
from audit.models.text import Units
from audit.models.units import unit_members

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """What a classifier's outputs stand for.

    ``single``: one output, whose sigmoid is the probability of the second of two classes. ``independent``: an output a
    class, each with a sigmoid of its own. Otherwise a softmax over all outputs.
    """

    labels: tuple[str, ...]
    single: bool = False
    independent: bool = False

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """``[rows, classes]`` in nats, float64, from ``[rows, outputs]`` logits."""
        exact = logits.double()
        if self.single:
            return torch.nn.functional.logsigmoid(torch.cat([-exact, exact], dim=-1))
        return torch.nn.functional.logsigmoid(exact) if self.independent else exact.log_softmax(-1)


def read_classes(config: Any, source: str) -> Classes:
    """What a model's config says of its classes.

    Raises:
        ModelError: where the model gives numbers instead of classes, or names two classes alike.
    """
    kind, count = config.problem_type, config.num_labels
    if kind == "regression" or (count == 1 and kind != "multi_label_classification"):
        raise ModelError(
            f"{source} gives a number, not classes (a regression head); if its one output is the score of a class, "
            'say so with "problem_type": "multi_label_classification" in its config.json.'
        )
    labels = tuple(str(config.id2label.get(i, f"LABEL_{i}")) for i in range(count))
    if len(set(labels)) < count:
        raise ModelError(f"{source} names two of its classes alike; give each a name of its own under id2label.")
    if count == 1:
        return Classes((f"not {labels[0]}", labels[0]), single=True)
    return Classes(labels, independent=kind == "multi_label_classification")


class ClassReader:
    """Reads texts with a sequence classifier; its own encoder and scorer where a class takes a continuation's place.

    Args:
        model: a transformers sequence classifier in evaluation mode.
        tokenizer: its fast tokenizer.
        classes: what its outputs stand for.
        budget: padded tokens in one forward pass.

    Attributes:
        limit: the most tokens that the model reads, None for no limit.
        pads: whether rows are filled up to one length; False where the model would read them otherwise than alone.
    """

    def __init__(self, model: Any, tokenizer: Any, classes: Classes, budget: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.classes = classes
        self.budget = budget
        self.limit = longest_input(model, tokenizer)
        self._accepts = set(inspect.signature(model.forward).parameters)
        self._pad = _padding_token(model.config.get_text_config(), tokenizer)
        self.pads = self._pad is not None
        self.pads = self.pads and self._reads_filled_rows_alike()

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, with the special tokens that the tokenizer adds."""
        return tuple(int(i) for i in self.tokenizer(text).input_ids)

    def pair_ids(self, text: str, second: str) -> tuple[tuple[int, ...], int]:
        """Token ids of a pair of texts, and how many of them the model takes for the first text's."""
        encoded = self.tokenizer(text, second)
        kinds = [int(kind) for kind in encoded.get("token_type_ids") or ()]
        ids = tuple(int(i) for i in encoded.input_ids)
        return ids, kinds.index(1) if 1 in kinds else len(ids)

    def unfit(self, ids: Sequence[int]) -> Failure | None:
        """Why the model cannot read a row."""
        if not ids:
            return Failure("failed", "The text has no tokens.")
        if self.limit is not None and len(ids) > self.limit:
            return Failure("truncated", f"The input has {len(ids)} tokens; the model reads {self.limit}.")
        return None

    def groups(self, rows: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
        """Distinct rows by length, in groups that hold no more than the budget's tokens once filled."""
        groups: list[list[tuple[int, ...]]] = []
        for row in sorted(set(rows), key=lambda r: (len(r), r)):
            # Rows come by length, so this one is the longest of its group and all are filled up to it.
            if not groups or (len(groups[-1]) + 1) * len(row) > self.budget:
                groups.append([])
            groups[-1].append(row)
        return groups

    @torch.inference_mode()
    def log_probabilities(
        self, rows: Sequence[tuple[int, ...]], firsts: Mapping[tuple[int, ...], int] | None = None
    ) -> dict[tuple[int, ...], FloatArray]:
        """``[classes]`` in nats for each row; ``firsts``: of rows that hold two texts, how many tokens are the first's."""
        found: dict[tuple[int, ...], FloatArray] = {}
        for group in self.groups(rows):
            for part in [group] if self.pads else [[row] for row in group]:
                logits = self.model(**self.filled(part, firsts)).logits
                found.update(zip(part, self.classes.log_probabilities(logits).cpu().numpy(), strict=True))
        return found

    def filled(
        self, rows: Sequence[tuple[int, ...]], firsts: Mapping[tuple[int, ...], int] | None = None
    ) -> dict[str, Tensor]:
        """Rows as the model takes them, the shorter ones filled on the right; ``firsts`` as above."""
        width = max(len(row) for row in rows)
        ids = [[*row, *[self._pad or 0] * (width - len(row))] for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        made = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        if firsts is not None:
            kinds = [[int(firsts[row] <= place < len(row)) for place in range(width)] for row in rows]
            made["token_type_ids"] = torch.tensor(kinds)
        return {name: value.to(self.model.device) for name, value in made.items() if name in self._accepts}

    def units(self, prompt: Prompt, unit: Unit = "word") -> Units:
        """The text's tokens, special ones included, with the parts of it, or of its last message, as removable units."""
        text = plain_text(prompt)
        encoded = self.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        special = encoded.special_tokens_mask
        words, members = unit_members(text, _last_message(prompt, text), encoded.offset_mapping, unit, special)
        return Units(tuple(int(i) for i in encoded.input_ids), words, members)

    def answer_pieces(self, prompt: Prompt, continuation: str) -> tuple[str, ...]:
        """The class, in the place of an answer's tokens."""
        return (continuation.strip(),)

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """The text's tokens, and the number of the class that a continuation names in the place of its tokens."""
        return list(self.ids(plain_text(prompt))), [self.classes.labels.index(continuation.strip())]

    def prefix(self) -> list[int]:
        """What is read where no token is left."""
        known = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, 0)
        return [int(next(token for token in known if token is not None))]

    def score(self, continuations: Sequence[Continuation]) -> list[Likelihood | None]:
        """log p(class | tokens) in nats, as a language model's scorer gives log p(continuation | tokens)."""
        found = self.log_probabilities([c.context for c in continuations])
        results: list[Likelihood | None] = []
        for c in continuations:
            row, wanted = found[c.context], c.target[0]
            value = float(row[wanted])
            finite = bool(np.isfinite(value))
            results.append(Likelihood(value, int(row.argmax()) == wanted, (value,)) if finite else None)
        return results

    def _reads_filled_rows_alike(self) -> bool:
        """Whether a row gives the same filled up as alone; models that read a row's last place do not."""
        size = self.model.get_input_embeddings().num_embeddings
        usable = [i for i in range(2, min(size, 40)) if i != self._pad]
        short, long = tuple(usable[:3]), tuple(usable[:12])
        try:
            together = self.log_probabilities([short, long])[short]
        except (ValueError, RuntimeError):  # a model that wants an end token in every row
            return False
        alone = self.log_probabilities([short])[short]
        near = 1e-4 if self.model.dtype == torch.float32 else 1e-2  # half precision rounds
        return bool(np.allclose(together, alone, rtol=near, atol=near, equal_nan=True))


def plain_text(prompt: Prompt) -> str:
    """A prompt as a classifier reads it."""
    return prompt if isinstance(prompt, str) else plain_chat(prompt)


def _last_message(prompt: Prompt, text: str) -> tuple[int, int]:
    """Where the last message, or all of a text that is none, stands in what the classifier reads."""
    if isinstance(prompt, str):
        return 0, len(text)
    last = prompt[-1]
    start = len(plain_chat((*prompt[:-1], Message(last.role, "")))) - len(plain_chat(()))
    return start, start + len(last.content)


def _padding_token(config: Any, tokenizer: Any) -> int | None:
    """The token to fill rows with, which the config must name as well; None where there is none.

    A decoder takes the last token that is not ``config.pad_token_id`` for the end of the text, and refuses more than one
    row without it. A token chosen here could stand in a text, so there is no filling where the model has none.
    """
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
    return None if config.pad_token_id is None else int(config.pad_token_id)
