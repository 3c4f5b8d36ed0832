"""A longer answer as the claims that it makes: its sentences, with their places, so that each can be judged on its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

FEWEST_WORDS = 3
_SHORT_FORMS = (
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "no", "vs", "etc", "e.g", "i.e", "u.s", "u.k", "a.m", "p.m", "approx",
    "fig", "vol", "inc", "ltd", "co", "gen", "sen", "rep", "gov", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept",
    "sep", "oct", "nov", "dec", "c", "ca", "cf", "al", "pp", "art", "sec", "para", "min", "max", "mt", "ft",
)  # fmt: skip
# From the first mark of a run on and without going back: a model may write thousands of them in a row.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|$)|\n+")
_MARKER = re.compile(r"\s*(?:[-*•]+|\(?\d{1,2}[.)]|#+)\s+")
_NUMBER = re.compile(r"\s*\d{1,2}")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SAYS_NOTHING = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|yes|no|here (?:is|are)|i hope|let me know|thank|(?:in )?summary:?$)\b"
    r"[^.]{0,60}[.:!]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Span:
    """A part of a text: ``text`` is ``whole[start:end]``."""

    start: int
    end: int
    text: str


def sentences_of(text: str) -> list[Span]:
    """The sentences of a text in order, without list marks and surrounding space.

    A line break ends a sentence. A full stop does not where it follows a single capital, a known short form (Dr., e.g.), or
    stands before a small letter or within a number.
    """
    found, start = [], 0
    for match in _END.finditer(text):
        if match.group().startswith("\n") or _ends(text, match):
            found.append((start, match.end()))
            start = match.end()
    found.append((start, len(text)))
    return [span for begin, end in found if (span := _trimmed(text, begin, end)) is not None]


def claims_of(text: str) -> list[Span]:
    """The sentences that say something which can be true or false.

    Questions, headings (a line that ends in a colon), pleasantries ("Sure, here is a summary:") and bits of fewer than three
    words are left out.
    """
    return [span for span in sentences_of(text) if _claims(span.text)]


def _claims(sentence: str) -> bool:
    words = _WORD.findall(sentence)
    bare = sentence.rstrip("\"'”’)]* ")
    return len(words) >= FEWEST_WORDS and not bare.endswith(("?", ":")) and not _SAYS_NOTHING.match(sentence)


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether a full stop or its like ends a sentence here."""
    if not match.group().startswith("."):
        return True
    line = text[max(text.rfind("\n", 0, match.start()) + 1, match.start() - 40) : match.start()]
    if _NUMBER.fullmatch(line):  # a mark of a list
        return False
    word = line.rsplit(None, 1)[-1].lstrip("\"'“‘([") if line.strip() else ""
    if len(word) == 1 and word.isupper():
        return False
    after = text[match.end() : match.end() + 40].lstrip()
    return not (word.lower() in _SHORT_FORMS and after) and not after[:1].islower()


def _trimmed(text: str, start: int, end: int) -> Span | None:
    marker = _MARKER.match(text, start, end)
    start = marker.end() if marker else start
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    return Span(start, end, text[start:end]) if start < end else None
