"""Changes to the surface of a question that leave its meaning: letter case, typing errors, spacing, look-alike letters.

Names, numbers and short words are never touched by an edit of single words, so that a person can still read the question
and its answer stays the same. Every edit is drawn from a seed of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

# Words that carry the grammar and not the matter, with question words; shorter ones are left alone anyhow.
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """about after against among before below between doing during every having nearest other somebody someone their there
        these those through under until using where which while whole whose within without would""",
    )
)
# Words that a typing error makes of words of the questions, and that mean something else ("planet" without its e). Such an
# error changes the question and not its surface, so that another one is drawn.
OTHER_WORDS = frozenset(
    re.findall(
        r"\w+",
        """angels back bitter bother caries closet cooked cooling county coves dessert dive divers dove drams drives drove fakes
        fist fore gasses hose lies lived loves loving meal moths pans pant pants pies pills pint plans plant plats pups rover
        sand shoes simmer steams stores stuck""",
    )
)
NEIGHBOURS = {  # on a QWERTY keyboard, in the same row
    **dict(zip("qwertyuiop", "wertyuiopo", strict=True)),
    **dict(zip("asdfghjkl", "sdfghjklk", strict=True)),
    **dict(zip("zxcvbnm", "xcvbnmn", strict=True)),
}
CYRILLIC = {"a": "а", "c": "с", "e": "е", "i": "і", "o": "о", "p": "р", "s": "ѕ", "x": "х", "y": "у"}
GREEK = {"i": "ι", "o": "ο", "p": "ρ", "u": "υ", "v": "ν"}
_WORD = re.compile(r"(?<![\w'’-])[a-z]{5,}(?![\w'’-])")
_BEFORE_GAP = re.compile(r"(?<![\w'’-])[a-z]+(?= [a-z])")


def content_words(text: str) -> list[re.Match[str]]:
    """Words of five or more small letters that carry meaning; never a name, a number or part of a compound."""
    return [m for m in _WORD.finditer(text) if m[0] not in FUNCTION_WORDS]


def _each(text: str, strength: float, rng: np.random.Generator, edit: Callable[[str, np.random.Generator], str]) -> str:
    """The text with that share of its content words edited, at least one, of those that the edit changes."""
    spans = [m for m in content_words(text) if edit(m[0], np.random.default_rng(0)) != m[0]]
    wanted = max(1, round(strength * len(content_words(text))))
    picked = rng.choice(len(spans), min(wanted, len(spans)), replace=False)
    for m in (spans[i] for i in sorted(picked, reverse=True)):
        text = text[: m.start()] + edit(m[0], rng) + text[m.end() :]
    return text


def _swapped(word: str, rng: np.random.Generator) -> str:
    places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
    if not places:
        return word
    i = places[rng.integers(len(places))]
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _missing(word: str, rng: np.random.Generator) -> str:
    i = rng.integers(1, len(word) - 1)
    return word[:i] + word[i + 1 :]


def _doubled(word: str, rng: np.random.Generator) -> str:
    i = rng.integers(1, len(word))
    return word[:i] + word[i] + word[i:]


def _neighbouring(word: str, rng: np.random.Generator) -> str:
    i = rng.integers(1, len(word))
    return word[:i] + NEIGHBOURS[word[i]] + word[i + 1 :]


def _split(word: str, rng: np.random.Generator) -> str:
    i = rng.integers(1, len(word))
    return f"{word[:i]} {word[i:]}"


def _alike(letters: dict[str, str]) -> Callable[[str, np.random.Generator], str]:
    return lambda word, rng: "".join(letters.get(c, c) for c in word)


def _joined(text: str, strength: float, rng: np.random.Generator) -> str:
    """Some gaps between words of small letters left out, at least one; a name or number keeps its gaps."""
    gaps = [m.end() for m in _BEFORE_GAP.finditer(text)]
    left_out = {
        gaps[i] for i in rng.choice(len(gaps), min(len(gaps), max(1, round(strength * len(gaps)))), replace=False)
    }
    return "".join(c for i, c in enumerate(text) if i not in left_out)


Edit = Callable[[str, float, np.random.Generator], str]


def _of_words(edit: Callable[[str, np.random.Generator], str]) -> Edit:
    return lambda text, strength, rng: _each(text, strength, rng, edit)


def _mistyped(edit: Callable[[str, np.random.Generator], str]) -> Edit:
    """An error in words that makes no other word of them."""

    def unlike(word: str, rng: np.random.Generator) -> str:
        return next(found for found in iter(lambda: edit(word, rng), None) if found not in OTHER_WORDS)

    return _of_words(unlike)


EDITS: dict[str, dict[str, Edit]] = {
    "case": {
        "upper": lambda text, strength, rng: text.upper(),
        "lower": lambda text, strength, rng: text.lower(),
    },
    "typos": {
        "swapped": _mistyped(_swapped),
        "missing": _mistyped(_missing),
        "doubled": _mistyped(_doubled),
        "neighbouring": _mistyped(_neighbouring),
    },
    "spacing": {
        "wide": lambda text, strength, rng: text.replace(" ", "  "),
        "joined": _joined,
        "split": _of_words(_split),
    },
    "homoglyphs": {"cyrillic": _of_words(_alike(CYRILLIC)), "greek": _of_words(_alike(GREEK))},
}
"""By kind and variant: the text, the share of content words (or gaps) that change, and a stream of random numbers."""


def edited(text: str, kind: str, variant: str, strength: float, seed: int) -> str:
    """The text with one edit.

    Args:
        text: a question.
        kind, variant: of ``EDITS``.
        strength: share of content words (for joined words: of gaps) that are changed, above 0 up to 1; at least one is.
            Letter case and wide spacing change the whole text whatever it is.
        seed: of the places.

    Returns:
        Another text; the same one where it has no word that the edit could change.
    """
    return EDITS[kind][variant](text, strength, np.random.default_rng(seed))
