"""From prompts and answers to the token ids of an encoder-decoder: two texts, each tokenised by itself."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from audit.models.requests import Prompt, Unit
from audit.models.text import TextEncoder, Units
from audit.models.units import unit_members

_WORD = re.compile(r"\S+")


class SourceEncoder(TextEncoder):
    """Tokenises for a model that reads the prompt in its encoder and writes the answer in its decoder.

    The prompt gets the special tokens that the tokenizer puts around a text, for that is how such models were taught to
    read. The answer is a text of its own, so its leading spaces, which join it to a prompt elsewhere, are dropped; it is
    tokenised as a target (another vocabulary in some translation models) and without special tokens: the token that
    ends an answer is not part of it.
    """

    def prefix(self) -> list[int]:
        """What the encoder reads of an empty prompt."""
        ids = [int(i) for i in self.tokenizer("").input_ids]
        return ids or super().prefix()

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt; never empty."""
        text = self.text(prompt).rstrip(" ")
        # A chat template writes its own special tokens; adding others would double them.
        ids = self.tokenizer(text, add_special_tokens=not self._templated(prompt)).input_ids
        return [int(i) for i in ids] if ids else self.prefix()

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """Token ids of a prompt for the encoder, and of an answer for the decoder."""
        return self.prompt_ids(prompt), self.target_ids(continuation)

    def target_ids(self, text: str) -> list[int]:
        """Token ids of an answer, without special tokens."""
        ids = self.tokenizer(text_target=text.lstrip(), add_special_tokens=False).input_ids
        return [int(i) for i in ids]

    def target_lead(self) -> list[int]:
        """The special tokens (a language, a beginning) that the tokenizer puts before an answer."""
        whole, body = [int(i) for i in self.tokenizer(text_target="a").input_ids], self.target_ids("a")
        starts = [i for i in range(len(whole)) if body and whole[i : i + len(body)] == body]
        return whole[: starts[0]] if starts else []

    def units(self, prompt: Prompt, unit: Unit = "word") -> Units:
        """The prompt's tokens with the parts of its text, or of its last message, as removable units.

        Raises:
            ValueError: where the tokenizer does not say which tokens make up a word.
        """
        text, within = self._explained(prompt)
        ids, offsets = self._placed(prompt, text)
        words, members = unit_members(text, within, offsets, unit, [int(first == last) for first, last in offsets])
        return Units(tuple(ids), words, members)

    def answer_pieces(self, prompt: Prompt, continuation: str) -> tuple[str, ...]:
        """The text that each of the answer's tokens adds."""
        return self.target_pieces(self.target_ids(continuation))

    def source_pieces(self, prompt: Prompt) -> tuple[str, ...]:
        """The text of each of the prompt's tokens; joined they are the prompt, with special tokens by their names."""
        text = self.text(prompt).rstrip(" ")
        ids, offsets = self._placed(prompt, text)
        pieces, end = [], 0
        for token, (first, last) in zip(ids, offsets, strict=True):
            if last > first:
                pieces.append(text[min(end, first) : last] if last > end else "")
                end = max(end, last)
            else:
                pieces.append(str(self.tokenizer.decode([token])))
        return tuple(pieces)

    def target_pieces(self, ids: list[int]) -> tuple[str, ...]:
        """The text that each token adds to an answer, spaces between words included."""
        pieces, before = [], ""
        for i, token in enumerate(ids):
            now = str(self.tokenizer.decode(ids[: i + 1]))
            pieces.append(now[len(before) :] if now.startswith(before) else str(self.tokenizer.decode([token])))
            before = now
        return tuple(pieces)

    def _templated(self, prompt: Prompt) -> bool:
        return self.chat and not isinstance(prompt, str)

    def _placed(self, prompt: Prompt, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids as in ``prompt_ids``, and the characters of the text that each stands for; (0, 0) for none."""
        ids = self.prompt_ids(prompt)
        if not self.tokenizer.is_fast:
            return ids, self._placed_by_words(text, ids)
        special = not self._templated(prompt)
        encoded = self.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        offsets = [(int(first), int(last)) for first, last in encoded.offset_mapping]
        return ids, offsets or [(0, 0)] * len(ids)

    def _placed_by_words(self, text: str, ids: list[int]) -> list[tuple[int, int]]:
        """For tokenizers that know no characters: each word tokenised by itself, where that makes the same tokens."""
        words = [(m.start(), m.end()) for m in _WORD.finditer(text)]
        each = [self._encode(text[first:last]) for first, last in words]
        body = [token for tokens in each for token in tokens]
        lead = next((i for i in range(len(ids) - len(body) + 1) if ids[i : i + len(body)] == body), None)
        if lead is None:
            raise ValueError("the tokenizer does not say which tokens make up a word")
        spans = [s for word, tokens in zip(words, each, strict=True) for s in self._placed_in(text, word, tokens)]
        return [(0, 0)] * lead + spans + [(0, 0)] * (len(ids) - lead - len(body))

    def _placed_in(self, text: str, word: tuple[int, int], tokens: list[int]) -> list[tuple[int, int]]:
        """The characters of a word that each of its tokens stands for; all of them where its pieces are not the word."""
        pieces = [str(piece).replace("\u2581", "") for piece in self.tokenizer.convert_ids_to_tokens(tokens)]
        if "".join(pieces) != text[slice(*word)]:
            return [word] * len(tokens)
        starts = accumulate((len(piece) for piece in pieces), initial=word[0])
        # A piece of nothing but the mark of a word's beginning stands with the word's first letter.
        return [(start, start + max(1, len(piece))) for start, piece in zip(starts, pieces, strict=False)]


def first_limit(config: Any, names: tuple[str, ...]) -> int | None:
    """The first of a config's fields that holds a length."""
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int) and value > 0), None)


_ANY = ("max_position_embeddings", "n_positions")
_NO_LIMIT = 10**6  # tokenizers without a limit name a number far above it


def source_limit(config: Any, tokenizer: Any) -> int | None:
    """The longest prompt in tokens.

    Models with relative positions (T5) can read more than they were trained on, but what they then say is not what was
    published of them: the length that their files name counts as the limit, here and in the tokenizer.
    """
    named = [first_limit(config, ("max_encoder_position_embeddings", *_ANY)), tokenizer.model_max_length]
    return min((int(n) for n in named if n is not None and 0 < n < _NO_LIMIT), default=None)


def target_limit(config: Any) -> int | None:
    """The longest answer in tokens, the tokens that the decoder begins with included."""
    return first_limit(config, ("max_decoder_position_embeddings", "max_target_positions", *_ANY))
