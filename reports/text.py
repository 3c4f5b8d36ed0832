"""Text and numbers made safe and readable: the pure functions behind the filters of the templates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from babel.dates import format_date
from pydantic import BaseModel

LONGEST_WORD_END = 15  # characters of a word that are given up rather than shown without the rest
Model = TypeVar("Model", bound=BaseModel)

# Control characters, bidi controls, invisible spaces, tag characters and lone surrogates: all can make a text
# look like another one. Tab and newline stay; the joiners U+200C and U+200D stay because scripts need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with every hidden character written out, e.g. ``⟨U+202E⟩``."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))


def sentences(text: str) -> list[str]:
    """The sentences of a text that code has put together, each of which a catalogue may hold."""
    return re.split(r"(?<=[.?!]) (?=[A-Z{“])", text)


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, with a mark where something was left out; words are not cut near their beginning."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 2]
    space = kept.rfind(" ")
    whole = space <= 0 or space < len(kept) - LONGEST_WORD_END or text[limit - 2] == " "
    return (kept if whole else kept[:space]).rstrip() + " …"


def _cleaned(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return shorten(visible(value), limit)
    if isinstance(value, Mapping):
        return {_cleaned(key, limit): _cleaned(item, limit) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_cleaned(item, limit) for item in value]
    return value


def cleaned(model: Model, limit: int) -> Model:
    """A copy in which every string is visible and of bounded length.

    Names, answers and tokens come from models and data sets; cleaning the whole tree once is safer than
    remembering a filter at every place that prints one.
    """
    return type(model).model_validate(_cleaned(model.model_dump(), limit))


def brief(identity: str) -> str:
    """The first characters of a commit or a hash; any other version name as it is, if it is not too long."""
    return identity[:12] if re.fullmatch(r"[0-9a-f]{16,}", identity) else shorten(identity, 40)


def number(value: float | None) -> str:
    """A number with about three significant digits and no needless ones."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if float(value).is_integer() and size >= 1:
        return f"{value:.0f}"
    if size == 0:
        return "0"
    if size < 0.01:
        return f"{value:.2g}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 1 else 3}f}"


def factor(nats: float) -> str:
    """How many times as much, of a difference in nats."""
    if nats > math.log(1000):
        return "more than 1,000"
    times = math.exp(nats)
    return f"{times:.0f}" if times >= 10 else number(times)


def likelihood(log_p: float) -> str:
    """A probability in percent, in brackets behind its logarithm; empty where that is none."""
    if log_p > 0:
        return ""
    percent = 100 * math.exp(log_p)
    return f" ({percent:{'.0f' if percent >= 10 else '.2g'}}%)" if percent >= 0.01 else " (less than 0.01%)"


def count(value: int | None) -> str:
    """A whole number with thousands separators."""
    return "–" if value is None else f"{value:,}"


def moment(created: str, language: str = "en") -> str:
    """An ISO 8601 time as ``2026-11-23 10:15 UTC``, with the date as another language writes it; any other text unchanged."""
    match = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(\.\d+)?)?(Z|\+00:00)?$", created)
    if match is None:
        return created
    day = match[1] if language == "en" else format_date(date.fromisoformat(match[1]), "long", locale=language)
    return f"{day} {match[2]} UTC"


def duration(seconds: float) -> str:
    """Seconds as ``1 h 02 min``, ``3 min 05 s`` or ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def slug(name: str) -> str:
    """A name as part of an HTML id: letters, digits and hyphens only."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:80] or "x"
