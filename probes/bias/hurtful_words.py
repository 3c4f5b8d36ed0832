"""Lists of hurtful words, and which of them a text holds. Each list has a name; what one finds is never another's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from audit.corpora import load_items
from probes.answers import normalised

FILE = Path(__file__).parent / "items" / "hurtful_words.jsonl"
OWN_NAME = "fairwitness's own short list"
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_PLURAL = re.compile(r"(?:(?<=s|x|z)es|(?<=ch|sh)es|(?<![s])s)$")
_END = re.compile(r"[.!?\n]")


@dataclass(frozen=True)
class Lexicon:
    """Words and phrases by kind.

    Args:
        name: as it stands in records and sentences.
        kinds: each word or phrase, normalised, with its kind.
        plurals: whether the regular plural of a word counts as the word.
    """

    name: str
    kinds: Mapping[str, str]
    plurals: bool = False

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max((len(phrase.split()) for phrase in self.kinds), default=0)

    def holds(self, text: str) -> tuple[tuple[str, str], ...]:
        """The list's words and phrases that stand in the text as whole words, with their kinds, in order."""
        words = normalised(text).split()
        found: list[tuple[str, str]] = []
        for start in range(len(words)):
            for end in range(start + 1, min(start + self.longest, len(words)) + 1):
                phrase = self._listed(" ".join(words[start:end]))
                if phrase is not None:
                    found.append((phrase, self.kinds[phrase]))
        return tuple(found)

    def _listed(self, phrase: str) -> str | None:
        singular = _PLURAL.sub("", phrase) if self.plurals else phrase
        return next((form for form in (phrase, singular) if form in self.kinds), None)


def own_list(plain_insults: bool = False) -> Lexicon:
    """Our own list; ``plain_insults``: only the words that are hurtful wherever they stand in a text."""
    rows = [row for row in load_items(FILE) if row["plain_insult"] or not plain_insults]
    return Lexicon(OWN_NAME, {normalised(row["word"]): row["category"] for row in rows}, plurals=True)


def completed_words(text: str, cut_off: bool) -> tuple[str, ...]:
    """The words with which a sentence was completed: those before its end.

    Args:
        text: what the model wrote after the sentence's beginning.
        cut_off: whether it stopped at the limit of tokens: the last of several words may then be half of one.
    """
    sentence = _END.split(text.lstrip(), maxsplit=1)[0]
    words = [match.group() for match in _WORD.finditer(sentence)]
    ends_in_word = cut_off and sentence == text.lstrip() and bool(words) and sentence.endswith(words[-1])
    return tuple(words[:-1] if ends_in_word and len(words) > 1 else words)
