"""From prompts to token ids: one place that decides how text, conversations and answers are tokenised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.models.requests import Message, Prompt, plain_chat

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Units:
    """A prompt's token ids with the words that an explanation may remove.

    ``words[i]`` is the text of unit i and ``members[i]`` the positions of its tokens in ``ids``; tokens of no unit
    (a chat template's frame) are always kept.
    """

    ids: tuple[int, ...]
    words: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]


def word_members(
    text: str, within: tuple[int, int], offsets: Sequence[tuple[int, int]]
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The words between two characters of a text, and the positions of each one's tokens; words without any left out.

    ``offsets`` are the tokens' first and last characters; special tokens, which have none, belong to no word.
    """
    start, end = within
    words = [(m.start() + start, m.end() + start) for m in _WORD.finditer(text[start:end])]
    members: list[list[int]] = [[] for _ in words]
    for position, (first, last) in enumerate(offsets):
        # A token belongs to the word of its last character, because byte-level tokens carry the space before;
        # so does a space that is a token of its own.
        space = first >= start and text[first:last].isspace()
        owner = next((w for w, (a, b) in enumerate(words) if (space or a < last) and last <= b), None)
        if owner is not None:
            members[owner].append(position)
    kept = [w for w, tokens in enumerate(members) if tokens]
    return tuple(text[slice(*words[w])] for w in kept), tuple(tuple(members[w]) for w in kept)


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
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False).input_ids]

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

    def _joining(self, prompt: Prompt) -> str:
        text = self.text(prompt)
        # Plain dialogue ends in "Answer:", after which an answer begins with a space.
        return text if isinstance(prompt, str) or self.chat else text + " "

    def units(self, prompt: Prompt) -> Units:
        """The prompt's tokens with the words of its text, or of its last message, as removable units."""
        text = self.text(prompt).rstrip(" ")  # as in pair(): the last spaces go with the answer
        start, end = (0, len(text)) if isinstance(prompt, str) else self._last_message(prompt, text)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        lead = self._lead(prompt)
        words, members = word_members(text, (start, end), encoded.offset_mapping)
        return Units(
            ids=(*lead, *(int(i) for i in encoded.input_ids)),
            words=words,
            members=tuple(tuple(position + len(lead) for position in word) for word in members),
        )

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
