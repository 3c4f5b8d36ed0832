"""The parts of a masked language model's scores: text to tokens, masked copies of it, and what stands behind a mask.

Every masked copy that a batch of requests needs is collected first; equal copies are computed once, together with the
others of about its length. The head, which is as wide as the vocabulary, is applied at masked positions alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor

from audit.models.base import ModelError
from audit.models.requests import Infill, Prompt
from audit.models.text import TextEncoder

HEAD_ROWS = 256  # masked positions in one forward pass: 256 x 30,522 float32 are 31 MB of logits
_TOLERANCE = 1e-3  # nats, in float32; a wrong way is off by whole nats
_RUN = re.compile(r"\S+")

Row = tuple[int, ...]
"""Token ids of a text, special tokens and masks included."""


@dataclass(frozen=True)
class Encoded:
    """A text's tokens.

    ``spans[i]``: the characters of token i without spaces around them; ``words[i]``: the number of its word, None for
    the special tokens that the tokenizer adds.
    """

    ids: Row
    spans: tuple[tuple[int, int], ...]
    words: tuple[int | None, ...]

    def within(self, start: int, end: int) -> list[int]:
        """Places of the tokens all of whose characters lie from ``start`` to ``end``."""
        return [i for i, (a, b) in enumerate(self.spans) if self.words[i] is not None and start <= a and b <= end]

    def after(self, boundary: int) -> list[int]:
        """Places of the tokens that end after a character; one that lies on both sides of it is among them."""
        found = enumerate(self.spans)
        return [i for i, (a, b) in found if self.words[i] is not None and (b > boundary or a == b == boundary)]


@dataclass(frozen=True)
class Blank:
    """A masked copy of a text, the masked place that is asked about, and the token that stands there in the text."""

    row: Row
    place: int
    target: int


class MaskedEncoder(TextEncoder):
    """Tokenises for a masked language model, with the characters and the word of each token.

    Raises:
        ModelError: where the tokenizer has no mask.
    """

    def __init__(self, tokenizer: Any, chat_template: bool | None, source: str) -> None:
        if tokenizer.mask_token_id is None:
            raise ModelError(f"{source} is not a masked language model: its tokenizer has no mask token.")
        super().__init__(tokenizer, chat_template)
        self.mask = int(tokenizer.mask_token_id)
        sample = self.encode("a")
        own = [i for i, word in enumerate(sample.words) if word is not None]
        self._frame = (sample.ids[: own[0]], sample.ids[own[-1] + 1 :])

    def _lead(self, prompt: Prompt) -> list[int]:
        return []  # special tokens are put around the whole row, see framed()

    def encode(self, text: str) -> Encoded:
        """All tokens of a text, special ones included.

        Tokens are of one word where the tokenizer takes them from one piece of text without a space in it.
        """
        found = self.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        runs = [(m.start(), m.end()) for m in _RUN.finditer(text)]
        spans, words = [], []
        names: dict[tuple[int | None, int], int] = {}
        marks = zip(found.offset_mapping, found.word_ids(0), found.special_tokens_mask, strict=True)
        for (first, last), piece, special in marks:
            while first < last and text[first].isspace():
                first += 1
            while last > first and text[last - 1].isspace():
                last -= 1
            run = next((r for r, (a, b) in enumerate(runs) if a < max(last, first + 1) <= b), -1)
            spans.append((first, last))
            words.append(None if special else names.setdefault((piece, run), len(names)))
        return Encoded(tuple(int(i) for i in found.input_ids), tuple(spans), tuple(words))

    def whole(self, prompt: Prompt, continuation: str) -> str:
        """Prompt and continuation as one text."""
        return self._joining(prompt) + continuation

    def joined(self, prompt: Prompt, continuation: str) -> tuple[Encoded, list[int]]:
        """The tokens of prompt and continuation as one text, and the places of the continuation's tokens."""
        text = self._joining(prompt)
        found = self.encode(self.whole(prompt, continuation))
        return found, found.after(len(text.rstrip(" "))) if continuation.strip() else []

    def joins(self, prompt: Prompt, continuation: str) -> bool:
        """Whether the tokens of prompt and answer are others than those of their common text."""
        encoded, places = self.joined(prompt, continuation)
        return self.framed(self.units(prompt).ids, [encoded.ids[i] for i in places])[0] != encoded.ids

    def shown(self, encoded: Encoded, text: str) -> tuple[str, ...]:
        """Each token as the piece of the text that it stands for, with the space before it; special ones by name."""
        names = self.tokenizer.convert_ids_to_tokens(list(encoded.ids))
        pieces, end = [], 0
        for name, (_, last), word in zip(names, encoded.spans, encoded.words, strict=True):
            pieces.append(str(name) if word is None else text[end:last])
            end = end if word is None else max(end, last)
        return tuple(pieces)

    def answer_pieces(self, prompt: Prompt, continuation: str) -> tuple[str, ...]:
        """The piece of the text that each of the answer's tokens stands for."""
        encoded, places = self.joined(prompt, continuation)
        shown = self.shown(encoded, self.whole(prompt, continuation))
        return tuple(shown[place] for place in places)

    def framed(self, context: Sequence[int], target: Sequence[int]) -> tuple[Row, int]:
        """Tokens with the special ones around them, and the place of the target's first token."""
        row = (*self._frame[0], *context, *target, *self._frame[1])
        return row, len(self._frame[0]) + len(context)

    def asked(self, request: Infill, encoded: Encoded) -> list[int]:
        """Places of the tokens that a request is about."""
        places = {place for start, end in request.spans for place in encoded.within(start, end)}
        if request.common_to is not None:
            places &= self._shared(request.text, request.common_to)
        return sorted(places)

    def _shared(self, text: str, pair: tuple[str, str]) -> set[int]:
        first, second = (self.encode(one).ids for one in pair)
        blocks = SequenceMatcher(None, first, second).get_matching_blocks()
        starts = [(block.a if text == pair[0] else block.b, block.size) for block in blocks]
        return {start + i for start, size in starts for i in range(size)}

    def blanks(self, ids: Row, words: Sequence[int | None], places: Iterable[int], whole_words: bool) -> list[Blank]:
        """One masked copy for each place; with ``whole_words`` the later tokens of its word are masked as well."""
        found = []
        for place in places:
            row = list(ids)
            row[place] = self.mask
            later = place + 1
            while whole_words and later < len(row) and words[later] is not None and words[later] == words[place]:
                row[later] = self.mask
                later += 1
            found.append(Blank(tuple(row), place, ids[place]))
        return found


class MaskedScorer:
    """log-probabilities of tokens behind masks.

    Args:
        model: a transformers masked language model in evaluation mode.
        pad: the token that fills rows up.
        budget: padded tokens in one forward pass.

    Attributes:
        gathers: whether the head is applied at masked positions alone; False where that gives other numbers.
    """

    def __init__(self, model: Any, pad: int, mask: int, budget: int) -> None:
        self.model = model
        self.budget = budget
        self._pad = pad
        self.gathers = True
        self._check(mask)

    @torch.inference_mode()
    def score(self, blanks: Sequence[Blank]) -> list[tuple[float, bool]]:
        """(log-probability in nats, is it the first choice) of each blank, in order; NaN where the model gives it."""
        distinct = sorted(set(blanks), key=lambda b: (len(b.row), b.row, b.place, b.target))
        table: dict[Blank, tuple[float, bool]] = {}
        for group in self._groups(distinct):
            found = self._together(group)
            table.update(zip(group, found, strict=True))
        return [table[blank] for blank in blanks]

    def _groups(self, ordered: Sequence[Blank]) -> Iterator[list[Blank]]:
        """Neighbours in the order of length, as many as the budget takes."""
        group: list[Blank] = []
        rows: set[Row] = set()
        for blank in ordered:
            size = len(rows | {blank.row}) * len(blank.row)
            if group and (size > self.budget or len(group) >= HEAD_ROWS):
                yield group
                group, rows = [], set()
            group.append(blank)
            rows.add(blank.row)
        if group:
            yield group

    def _together(self, group: Sequence[Blank]) -> list[tuple[float, bool]]:
        rows = list(dict.fromkeys(blank.row for blank in group))
        number = {row: n for n, row in enumerate(rows)}
        logits = self._logits(rows, [number[b.row] for b in group], [b.place for b in group]).float()
        targets = torch.tensor([b.target for b in group], device=logits.device)
        chosen = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(1)
        return list(zip(chosen.tolist(), (logits.argmax(1) == targets).tolist(), strict=True))

    def _logits(self, rows: Sequence[Row], numbers: list[int], places: list[int]) -> Tensor:
        """Logits ``[asked, vocabulary]`` at places of rows."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for n, row in enumerate(rows):
            ids[n, : len(row)] = torch.tensor(row)
            mask[n, : len(row)] = 1
        device = self.model.device
        options = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if not self.gathers:
            return self.model(**options).logits[numbers, places]  # type: ignore[no-any-return]

        def keep(_module: Any, _inputs: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[numbers, places][None]
            return output

        # The head works on each position alone, so it can be given those that matter as one row.
        handle = self.model.base_model.register_forward_hook(keep)
        try:
            return self.model(**options).logits[0]  # type: ignore[no-any-return]
        finally:
            handle.remove()

    @torch.inference_mode()
    def _check(self, mask: int) -> None:
        size = self.model.get_input_embeddings().num_embeddings
        rows = [tuple((i * 7 + n) % size for i in range(4 + n)) for n in (0, 3)]
        blanks = [Blank((*row[:2], mask, *row[3:]), 2, row[2]) for row in rows]
        self.gathers = False
        expected = self._together(blanks)
        self.gathers = True
        loose = 1.0 if self.model.dtype == torch.float32 else 100.0  # half precision rounds to tenths of a nat
        try:
            found = self._together(blanks)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            self.gathers = False  # an architecture built in another way; its own logits are left
            return
        self.gathers = all(
            math.isclose(a, b, abs_tol=_TOLERANCE * loose, rel_tol=1e-4)
            for (a, _), (b, _) in zip(found, expected, strict=True)
        )
