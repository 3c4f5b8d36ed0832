"""Spans of time as people write them."""

from __future__ import annotations

import re

_SPAN = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")
_SECONDS = re.compile(r"[0-9]{1,8}")


def seconds_of(text: str | int) -> int:
    """Whole seconds, at least 1, of ``90s``, ``10m``, ``1h30m``, or a number of seconds.

    Raises:
        ValueError: for anything else, in one sentence.
    """
    written = str(text).strip().lower()
    match = _SPAN.fullmatch(written)
    if _SECONDS.fullmatch(written):
        seconds = int(written)
    elif written and match is not None:
        hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = 3600 * hours + 60 * minutes + rest
    else:
        seconds = 0
    if seconds < 1:
        shown = str(text)[:40].encode("unicode_escape").decode()
        raise ValueError(
            f'a time is written as 90s, 10m or 1h30m, or as a number of seconds from 1 on, not as "{shown}"'
        )
    return seconds
