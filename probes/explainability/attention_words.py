"""A text as a model reads it: what is asked, and where its words stand, so that weights of tokens become weights of words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.models import Attend, Capability

FloatArray = NDArray[np.float64]
Places = tuple[tuple[int, ...], ...]
Span = tuple[int, int]
WORD = re.compile(r"\w+(?:-\w+)*['’]?")
_LONGEST_GAP = 8  # letters that tokens of half a letter may stand for


def reading(text: str, capabilities: frozenset[Capability]) -> Attend:
    """The request for a model's attention within a text, whatever its kind.

    A language model needs a last word as its continuation; an encoder-decoder's encoder and a classifier read all as prompt.
    """
    stem, _, last = text.rpartition(" ")
    if Capability.CROSS_ATTENTION in capabilities:
        return Attend(text, last, "encoder")
    if Capability.CLASSIFY in capabilities and Capability.SCORE not in capabilities:
        return Attend(text, "")
    return Attend(stem, f" {last}")


def word_spans(text: str) -> tuple[Span, ...]:
    """First and last characters of the words of a text, without punctuation; ``l'`` is a word of its own."""
    return tuple((m.start(), m.end()) for m in WORD.finditer(text))


def span_of(text: str, words: str) -> Span:
    """Where some words stand in a text.

    Raises:
        ValueError: unless they are there exactly once, as whole words.
    """
    found = list(re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text))
    if len(found) != 1:
        raise ValueError(f"{words!r} is {len(found)} times in {text!r}")
    return found[0].start(), found[0].end()


def word_places(pieces: Sequence[str], text: str, words: Sequence[Span]) -> Places | None:
    """The positions of each word's tokens.

    Args:
        pieces: ``[tokens]`` text of each token. Spaces, case, accents and the marks of sub-words may differ from the text;
            tokens that are not of the text, such as ``[CLS]``, may stand between.
        text: what the tokens were made of.
        words: first and last characters of the words.

    Returns:
        ``[words]`` positions; None where the tokens do not spell the text, or a word has no token.
    """
    spans = _spans(pieces, text)
    if spans is None:
        return None
    found = tuple(
        tuple(i for i, span in enumerate(spans) if span is not None and span[0] < end and start < span[1])
        for start, end in words
    )
    return found if all(found) else None


def _spans(pieces: Sequence[str], text: str) -> list[Span | None] | None:
    letters = _letters(text)
    bare = "".join(letter for letter, _ in letters)
    found: list[Span | None] = [None] * len(pieces)
    place, waiting = 0, list[int]()  # tokens of half a letter wait for the next whole one
    for i, piece in enumerate(pieces):
        plain = "".join(letter for letter, _ in _letters(piece.removeprefix("##").replace("▁", "")))
        if "\ufffd" in piece:
            waiting.append(i)
            continue
        gaps = range(_LONGEST_GAP if waiting else 1)
        gap = next((g for g in gaps if plain and bare.startswith(plain, place + g)), None)
        if gap is None:
            continue
        for half in waiting if gap else ():
            found[half] = (letters[place][1], letters[place + gap - 1][1] + 1)
        waiting, place = [], place + gap
        found[i] = (letters[place][1], letters[place + len(plain) - 1][1] + 1)
        place += len(plain)
    for half in waiting if place < len(letters) else ():
        found[half] = (letters[place][1], len(text))
    return found if waiting or place == len(letters) else None


def _letters(text: str) -> list[tuple[str, int]]:
    """The letters and signs of a text without spaces, case and accents, each with its place in the text."""
    return [
        (letter, place)
        for place, character in enumerate(text)
        for letter in unicodedata.normalize("NFKD", character).casefold()
        if not letter.isspace() and not unicodedata.combining(letter)
    ]


def mass_by_word(pieces: Sequence[str], mass: FloatArray, words: Sequence[str]) -> FloatArray | None:
    """Sum of token masses for each word.

    Args:
        pieces: ``[tokens]`` text of each token; joined they hold the words in order, or spell them as ``word_places``
            allows.
        mass: ``[tokens]`` numbers.
        words: ``[words]`` without spaces.

    Returns:
        ``[words]`` sums; None where the words are not found in the joined text in order.
    """
    text = "".join(pieces)
    found = list(re.finditer(r"\s+".join(f"({re.escape(word)})" for word in words), text)) if words else []
    if not found:
        return _spelled(pieces, mass, words) if words else None
    starts = [found[-1].start(w + 1) for w in range(len(words))]
    sums = np.zeros(len(words))
    end = 0
    for piece, weight in zip(pieces, mass, strict=True):
        begin, end = end, end + len(piece)
        owner = next((w for w, s in enumerate(starts) if s < end and begin < s + len(words[w])), None)
        if owner is not None:
            sums[owner] += weight
    return sums


def _spelled(pieces: Sequence[str], mass: FloatArray, words: Sequence[str]) -> FloatArray | None:
    """For tokens that do not carry their spaces: those of a classifier that marks the parts of words instead."""
    text = " ".join(words)
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])
    places = word_places(pieces, text, [(int(s), int(s) + len(w)) for s, w in zip(starts, words, strict=False)])
    return None if places is None else np.array([mass[list(tokens)].sum() for tokens in places])


def attention_by_word(weights: FloatArray, rows: Places, columns: Places) -> FloatArray:
    """Attention of words to words: the mean over a word's rows of the sum over the other word's columns.

    Args:
        weights: ``[..., tokens, sources]``.
        rows, columns: positions of each word's tokens.

    Returns:
        ``[..., row words, column words]``.
    """
    summed = np.stack([weights[..., list(tokens)].sum(axis=-1) for tokens in columns], axis=-1)
    return np.stack([summed[..., list(tokens), :].mean(axis=-2) for tokens in rows], axis=-2)
