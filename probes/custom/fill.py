"""Texts with places: ``{column}`` stands for what an item has in that column, ``{{`` and ``}}`` for the braces themselves.

What is filled in is never read again, so that braces in an item stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import regex

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# In a pattern {2} and {2,3} repeat, and \p{L}, \P{L} and \N{DASH} name characters: none of these is a place.
# What follows a place and repeats it, as in {column}?, must repeat all of it.
_IN_PATTERN = re.compile(r"(\\[pPN]\{[^{}]*\}|\\.)|\{([^\W\d][^{}]*)\}(?=([*+?]|\{\d))?", re.DOTALL)


def fields_of(template: str) -> list[str]:
    """The columns that a text names, in order.

    Raises:
        ValueError: a brace that is neither part of a place nor doubled, or a place without a name.
    """
    found: dict[str, None] = {}
    for match in _PART.finditer(template):
        if match[1] is None and match[0] in ("{", "}"):
            raise ValueError(
                f'a single "{match[0]}" stands in {template[:60]!r}; write {match[0] * 2} for the brace itself'
            )
        if match[1] is not None:
            if not match[1].strip():
                raise ValueError("{} names no column; write {{}} for the braces themselves")
            found[match[1].strip()] = None
    return list(found)


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The text with an item's values in its places; a column that the item lacks leaves nothing.

    ``fields_of`` must have passed the text.
    """

    def part(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else fields.get(match[1].strip(), "")

    return _PART.sub(part, template)


def pattern_fields(pattern: str) -> list[str]:
    """The columns that a pattern names."""
    return list(dict.fromkeys(m[2].strip() for m in _IN_PATTERN.finditer(pattern) if m[2] is not None))


def filled_pattern(pattern: str, fields: Mapping[str, str]) -> str:
    """The pattern with an item's values in its places, each character of which stands for itself."""

    def part(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        text = str(regex.escape(fields.get(match[2].strip(), "")))
        return f"(?:{text})" if match[3] else text

    return _IN_PATTERN.sub(part, pattern)
