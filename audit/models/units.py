"""Which parts of a text an explanation may remove, and which tokens each of them takes with it.

Everything is decided on characters, from the places that the tokenizer gives for its tokens, and never by decoding single
tokens: a byte-level token may be a third of a letter.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from audit.models.requests import Unit

Span = tuple[int, int]
"""First character and the one after the last."""

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA, _KATAKANA = "\u3041-\u309f", "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))  # Thai and Lao, Burmese, Khmer
_OF_UNSPACED = [chr(c) for first, last in _UNSPACED for c in range(first, last + 1)]
_MARKS = "".join(c for c in _OF_UNSPACED if unicodedata.category(c).startswith("M"))
_LETTERS = "".join(c for c in _OF_UNSPACED if unicodedata.category(c) == "Lo")
_OPENING = re.escape("([{\u201c\u2018「『（［｛【《〈")
_AFTER = rf"[^\w\s{_MARKS}{_OPENING}]*"  # other marks go with what they follow
_WORD = re.compile(
    rf"[{_OPENING}]*(?:[{_HAN}]|[{_HIRAGANA}]+|[{_KATAKANA}]+|[{_LETTERS}][{_MARKS}]*){_AFTER}"
    rf"|[^\s{_HAN}{_HIRAGANA}{_KATAKANA}{_LETTERS}]+"
)
_LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]+")
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡]+[」』”’）)]*")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|vs|e\.g|i\.e)\.$")


def unit_members(
    text: str,
    within: Span,
    offsets: Sequence[Span],
    unit: Unit,
    special: Sequence[int] | None = None,
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The units between two characters of a text, and the positions of each one's tokens.

    Words are what stands between spaces. Where a script has none they are what can be told without a dictionary: each
    Chinese character, each run of hiragana or of katakana, and in Thai, Lao, Khmer and Burmese each letter with its marks.
    Segments are sentences and lines. Tokens are tokens, those together that share a character or of which one shows nothing.

    Every token of the text belongs to one unit, and every unit has text and tokens: what a token joins is one unit, spaces go
    with what follows them (the last ones with what stands before), and what the tokenizer drops is left out. A token
    that reaches beyond the text's end into what follows it, a template's frame, is the frame's.

    Args:
        text: what was tokenised.
        within: where the text that is taken apart stands in it.
        offsets: the characters of each token; equal numbers for a token that stands for none.
        unit: what to take apart.
        special: 1 for each token that the tokenizer added and that belongs to no text.
    """
    tokens = [
        (position, *_trimmed(text, max(int(first), within[0]), int(last)))
        for position, (first, last) in enumerate(offsets)
        if not (special is not None and special[position]) and _of_text(text, within, int(first), int(last))
    ]
    marks = [(first, last) for _, first, last in tokens if first < last]
    spans = _joined([*_parts(text, within, marks, unit), *marks])
    ends = [last for _, last in spans]
    members: list[list[int]] = [[] for _ in spans]
    for position, first, _ in tokens:
        if spans:
            members[min(bisect_right(ends, first), len(spans) - 1)].append(position)
    kept = [n for n, positions in enumerate(members) if positions]
    return tuple(text[slice(*spans[n])] for n in kept), tuple(tuple(members[n]) for n in kept)


def _of_text(text: str, within: Span, first: int, last: int) -> bool:
    """Whether a token is of what is taken apart: of the frame before it a token may hold a space, of the one after nothing."""
    start, end = within
    if first < start:
        return start < last <= end and not text[start:last].isspace()
    return last <= end


def _parts(text: str, within: Span, tokens: Sequence[Span], unit: Unit) -> list[Span]:
    start, end = within
    if unit == "token":
        return _shown(text, sorted(set(tokens)))
    if unit == "segment":
        return list(_segments(text, start, end))
    return [(m.start(), m.end()) for m in _WORD.finditer(text, start, end)]


def _shown(text: str, spans: Sequence[Span]) -> list[Span]:
    """Each token's characters; what shows nothing of its own (joiners, accents) goes with what stands before it."""
    found: list[Span] = []
    for first, last in spans:
        silent = all(unicodedata.category(c)[0] == "M" or unicodedata.category(c) == "Cf" for c in text[first:last])
        if silent and found:
            first = found.pop()[0]
        found.append((first, last))
    return found


def _segments(text: str, start: int, end: int) -> Iterator[Span]:
    """Sentences and lines, without the spaces around them."""
    for line in _LINE.finditer(text, start, end):
        begin = line.start()
        for mark in _END.finditer(text, line.start(), line.end()):
            rest = text[mark.end() : line.end()].lstrip()
            if rest[:1].islower() or _ABBREVIATION.search(text[begin : mark.end()]):
                continue
            yield from _solid(text, begin, mark.end())
            begin = mark.end()
        yield from _solid(text, begin, line.end())


def _solid(text: str, first: int, last: int) -> Iterator[Span]:
    first, last = _trimmed(text, first, last)
    if first < last:
        yield first, last


def _trimmed(text: str, first: int, last: int) -> Span:
    """Without the spaces around; nothing, at the end, where there is nothing else."""
    while first < last and text[first].isspace():
        first += 1
    while last > first and text[last - 1].isspace():
        last -= 1
    return first, last


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Spans with those that share a character made one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
