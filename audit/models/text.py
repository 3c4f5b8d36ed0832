"""From prompts to token ids: one place that decides how text, conversations and answers are tokenised."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from audit.models.requests import Message, Prompt, Unit, plain_chat
from audit.models.units import unit_members

KEPT_TEXTS = 8192  # whose tokens are kept: a request is batched and then computed, and its prompt has several answers


@dataclass(frozen=True)
class Units:
    """A prompt's token ids with the units that an explanation may remove.

    ``words[i]`` is the text of unit i and ``members[i]`` the positions of its tokens in ``ids``; tokens of no unit
    (a chat template's frame) are always kept.
    """

    ids: tuple[int, ...]
    words: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    def left(self, kept: Iterable[int]) -> list[int]:
        """The token ids without those of the units that are not kept."""
        gone = set(range(len(self.members))).difference(kept)
        places = {place for unit in gone for place in self.members[unit]}
        return [token for place, token in enumerate(self.ids) if place not in places]


def summed(scores: Sequence[float], units: Units) -> tuple[float, ...]:
    """From one signed score a token of ``units.ids`` to one a unit: the sum over its tokens; frame tokens have no share.

    Raises:
        ValueError: where there is not one score a token.
    """
    if len(scores) != len(units.ids):
        raise ValueError(f"{len(scores)} scores for {len(units.ids)} tokens")
    return tuple(math.fsum(scores[position] for position in members) for members in units.members)


class TextEncoder:
    """Tokenises for one model.

    Raw text is encoded as it stands: with the tokenizer's own beginning-of-sequence token where it adds one, and
    from its prefix token where the prompt is empty. A conversation goes through the chat template where there is
    one, otherwise through :func:`audit.models.requests.plain_chat`.
    """

    def __init__(self, tokenizer: Any, chat_template: bool | None) -> None:
        self.tokenizer = tokenizer
        has_template = bool(getattr(tokenizer, "chat_template", None))
        self.chat = has_template if chat_template is None else chat_template and has_template
        self._bos = self._leading_token()
        self._kept = lru_cache(KEPT_TEXTS)(self._tokens)

    @property
    def template_hash(self) -> str | None:
        """SHA-256 of the chat template in use, or None."""
        return hashlib.sha256(str(self.tokenizer.chat_template).encode()).hexdigest() if self.chat else None

    def _leading_token(self) -> list[int]:
        bos = self.tokenizer.bos_token_id
        ids = self.tokenizer("a").input_ids
        return [bos] if bos is not None and ids[:1] == [bos] else []

    def prefix(self) -> list[int]:
        """The token that stands before an empty prompt."""
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return [int(token)]
        return [0]

    def text(self, prompt: Prompt) -> str:
        """The string that the model reads."""
        if isinstance(prompt, str):
            return prompt
        if not self.chat:
            return plain_chat(prompt)
        return self._template(prompt)

    def _template(self, messages: tuple[Message, ...]) -> str:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def _encode(self, text: str) -> list[int]:
        return self._kept(text).tolist()

    def _tokens(self, text: str) -> array[int]:
        return array("q", self.tokenizer(text, add_special_tokens=False).input_ids)

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt; never empty."""
        ids = self._encode(self.text(prompt))
        return self._lead(prompt) + ids if ids else self.prefix()

    def _lead(self, prompt: Prompt) -> list[int]:
        # A chat template writes its own first token; adding another would double it.
        return self._bos if isinstance(prompt, str) or not self.chat else []

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """Token ids of a prompt and of its continuation.

        Both are tokenised as one string and cut where the prompt alone would end, with the prompt's trailing spaces
        moved to the continuation, as lm-evaluation-harness does it: a word keeps the token it would have in text.
        """
        text = self._joining(prompt)
        stem = text.rstrip(" ")
        tail = text[len(stem) :] + continuation
        if not stem:
            return self.prefix(), self._encode(tail)
        head = self._encode(stem)
        return self._lead(prompt) + head, self._encode(stem + tail)[len(head) :]

    def joins(self, prompt: Prompt, continuation: str) -> bool:
        """Whether the prompt's end is tokenised otherwise with the answer after it than alone, as where they share a token.

        What ``pair`` then gives is no tokenisation of that text: the prompt as it is alone, and what is left of both.
        """
        text = self._joining(prompt)
        head = self._encode(text.rstrip(" "))
        return self._encode(text + continuation)[: len(head)] != head

    def _joining(self, prompt: Prompt) -> str:
        text = self.text(prompt)
        # Plain dialogue ends in "Answer:", after which an answer begins with a space.
        return text if isinstance(prompt, str) or self.chat else text + " "

    def units(self, prompt: Prompt, unit: Unit = "word") -> Units:
        """The prompt's tokens with the parts of its text, or of its last message, as removable units."""
        text, within = self._explained(prompt)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        lead = self._lead(prompt)
        words, members = unit_members(text, within, encoded.offset_mapping, unit)
        return Units(
            ids=(*lead, *(int(i) for i in encoded.input_ids)),
            words=words,
            members=tuple(tuple(position + len(lead) for position in word) for word in members),
        )

    def _explained(self, prompt: Prompt) -> tuple[str, tuple[int, int]]:
        """What the model reads, and the first and last character of what is taken apart."""
        text = self.text(prompt).rstrip(" ")  # as in pair(): the last spaces go with the answer
        return text, (0, len(text)) if isinstance(prompt, str) else self._last_message(prompt, text)

    def _last_message(self, messages: tuple[Message, ...], text: str) -> tuple[int, int]:
        """Where the last message stands in the rendered text; its words may also stand in the template's frame."""
        mark = "\ue000\ue001"
        framed = self.text((*messages[:-1], Message(messages[-1].role, mark))).rstrip(" ")
        before, _, after = framed.partition(mark)
        if text.startswith(before) and text.endswith(after):
            return len(before), len(text) - len(after)
        start = text.rindex(messages[-1].content.strip())  # a template that writes messages differently by content
        return start, start + len(messages[-1].content.strip())

    def pieces(self, ids: list[int]) -> tuple[str, ...]:
        """Each token's text, for showing."""
        return tuple(str(self.tokenizer.decode([i])) for i in ids)

    def answer_pieces(self, prompt: Prompt, continuation: str) -> tuple[str, ...]:
        """The text that each of the answer's tokens adds; a character of several tokens stands with the first of them."""
        text = self._joining(prompt)
        start = len(text.rstrip(" "))
        whole = text + continuation
        placed = self.tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
        count = len(self.pair(prompt, continuation)[1])
        pieces = []
        for first, last in placed[len(placed) - count :]:
            first = max(int(first), start)
            pieces.append(whole[first:last])
            start = max(start, int(last))
        return tuple(pieces)
