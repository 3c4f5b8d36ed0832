"""Personal data in a text: where they stand, of which kind, and the text with them blotted out.

Found are data that tell who or where somebody is, or let one in: addresses of e-mail and streets, numbers of telephones,
payment cards, bank accounts and identity papers, addresses on the internet, keys. Names are not: half of what a bias probe
says is names, and they are blotted out only where a probe draws them out. ``docs/privacy.md`` has the rules' measured error.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from audit.results.personal_keys import keys
from audit.results.personal_numbers import accounts, cards, identity_numbers, phones
from audit.results.personal_places import emails, hosts, streets
from audit.results.schema import DatumKind

MASK = "•"
_BEFORE = 200  # characters that may tell what follows them
_FINDERS: dict[DatumKind, Callable[[str], Iterable[tuple[int, int, str]]]] = {
    "key": keys,
    "account": accounts,
    "card": cards,
    "identity number": identity_numbers,
    "e-mail": emails,
    "phone": phones,
    "internet address": hosts,
    "street address": streets,
}
KINDS: tuple[DatumKind, ...] = tuple(_FINDERS)
"""The kinds that rules find."""
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−﹣－"), "-")


@dataclass(frozen=True)
class Span:
    """A datum in a text: ``text[start:end]``, and the same as it is compared (without spaces, in one form)."""

    kind: DatumKind
    start: int
    end: int
    datum: str = field(repr=False)


def personal(text: str) -> tuple[Span, ...]:
    """The personal data in a text, by place; none overlaps another.

    Where two kinds claim a place, the first of ``KINDS`` has it. Time is linear in the length of the text.
    """
    if MASK in text and not any(c.isalnum() for c in text):
        return ()
    plain, places = _plain(text)
    taken: list[Span] = []
    for kind, finder in _FINDERS.items():
        for start, end, datum in finder(plain):
            if places is not None:
                start, end = places[start], places[end - 1] + 1
            if all(end <= span.start or start >= span.end for span in taken):
                taken.append(Span(kind, start, end, datum))
    return tuple(sorted(taken, key=lambda span: span.start))


def continued(before: str, text: str) -> tuple[Span, ...]:
    """The personal data in a text, also those that only what stands before it tells, such as ``Phone:`` or ``api_key = "``."""
    tail = before[-_BEFORE:]
    tail += " " if tail[-1:].isalnum() else ""
    spans = [s for s in personal(tail + text) if s.end > len(tail)]
    after = [Span(s.kind, max(s.start - len(tail), 0), s.end - len(tail), s.datum) for s in spans]
    # What begins at the text's edge may look like a part of something else.
    return merged(after, personal(text))


def merged(first: Sequence[Span], second: Sequence[Span]) -> tuple[Span, ...]:
    """The first spans and those of the second that overlap none of them, by place."""
    more = [s for s in second if all(s.end <= f.start or s.start >= f.end for f in first)]
    return tuple(sorted([*first, *more], key=lambda span: span.start))


def masked(text: str, spans: Sequence[Span] | None = None) -> str:
    """The text with every letter and digit of its personal data as a dot; the length and the separators stay.

    ``spans``: what ``personal`` found in it, where that is known already.
    """
    parts, done = [], 0
    for span in personal(text) if spans is None else spans:
        parts += [text[done : span.start], _dots(text[span.start : span.end])]
        done = span.end
    return "".join([*parts, text[done:]])


def _dots(datum: str) -> str:
    return "".join(MASK if unicodedata.category(c)[0] in "LMN" else c for c in datum)


def _plain(text: str) -> tuple[str, list[int] | None]:
    """The text in ASCII's signs where it has others for the same, and without invisible ones.

    The places say where each character stood; None: all where they are.
    """
    if text.isascii():
        return text, None
    read = list(_signs(text))
    return "".join(sign for sign, _ in read), [place for _, place in read]


def _signs(text: str) -> Iterator[tuple[str, int]]:
    for place, character in enumerate(text):
        if character.isascii():
            yield character, place
        elif (
            unicodedata.category(character) != "Cf"
        ):  # a zero-width space in a number hides it from rules, not from eyes
            same = unicodedata.normalize("NFKC", character)
            if character.isdigit():
                same = str(unicodedata.digit(character))
            yield (same if len(same) == 1 else character).translate(_DASHES), place
