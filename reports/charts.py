"""Geometry of the charts: pure arithmetic; the templates draw.

Horizontal places are percentages of the drawing's width, so that a chart fits a phone and a wall without scaling
its text; vertical places are pixels.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.schema import Measurement
from reports.amounts import kind
from reports.text import count, number, shorten

LINE = 16
TOP = 6
AXIS = 26
WRAP = 36  # characters of a label that stand beside a value on a phone
LONGEST_LABEL = 160
MOST_ROWS = 40


@dataclass(frozen=True)
class Mark:
    """One dot with its whisker; ``top`` is the baseline of the label's first line.

    ``chance`` is the row's own level, where the rows of a chart have different ones. ``note`` stands below the label.
    """

    label: str
    lines: list[str]
    top: int
    value: str
    x: float
    low: float
    high: float
    y: int
    chance: float | None
    clear_of_chance: bool
    note: str = ""

    @property
    def note_top(self) -> int:
        """The baseline of the note."""
        return self.top + LINE * len(self.lines)


@dataclass(frozen=True)
class Tick:
    """A place on the axis, with its number and how that text is anchored."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """A dot-and-whisker chart, ready to draw."""

    key: str
    title: str
    marks: list[Mark]
    ticks: list[Tick]
    chance: float | None
    chance_text: str
    chance_by_row: bool
    height: int
    bottom: int
    left_out: int
    rows: list[Measurement]


@dataclass(frozen=True)
class Strip:
    """One value on its full scale, for a small chart beside a sentence."""

    x: float
    low: float
    high: float
    chance: float | None


def _round(x: float) -> float:
    return round(x, 2)


def _step(span: float) -> float:
    """A round distance between ticks, for about four of them."""
    raw = span / 4
    base = 10.0 ** math.floor(math.log10(raw))
    return next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= raw * 0.999)


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to percentages of the width."""

    first: float
    last: float

    def place(self, value: float) -> float:
        """The percentage at which ``value`` stands; the margin keeps dots inside."""
        share = (value - self.first) / (self.last - self.first)
        return _round(2 + 96 * min(max(share, 0.0), 1.0))

    def ticks(self) -> list[Tick]:
        """Round numbers along the scale."""
        step = _step(self.last - self.first)
        start = math.ceil(self.first / step - 1e-9)
        stop = math.floor(self.last / step + 1e-9)
        places = [(self.place(i * step), f"{round(i * step, 10):g}") for i in range(start, stop + 1)]
        return [Tick(x, text, "start" if x < 6 else "end" if x > 94 else "middle") for x, text in places]


def scale_of(measurements: Sequence[Measurement]) -> Scale:
    """A scale that holds all values, intervals and chance levels; rates stay within 0 and 1."""
    ends = [v for m in measurements for v in (m.value, m.low, m.high, m.chance) if v is not None]
    return scale_over(ends, all(m.unit in ("rate", "probability") for m in measurements))


def scale_over(ends: Sequence[float], shares: bool) -> Scale:
    """A scale that holds these values, of which there is at least one; ``shares`` stay within 0 and 1."""
    first, last = min(ends), max(ends)
    margin = (last - first) * 0.06 or max(abs(last) * 0.1, 0.1)
    first, last = first - margin, last + margin
    if shares:
        first, last = max(first, 0.0), min(last, 1.0)
        if first >= last:
            first, last = 0.0, 1.0
    return Scale(first, last)


def _clear(m: Measurement) -> bool:
    """True where the interval leaves the chance level out.

    A rate's level of 0 or 1 never counts: a single case is enough to take the interval of a rate away from there.
    """
    if m.chance is None or m.low is None or m.high is None:
        return False
    if m.unit == "rate" and m.chance in (0, 1):
        return False
    return not m.low <= m.chance <= m.high


def _note(m: Measurement) -> str:
    interval = "" if m.low is None or m.high is None else f", [{number(m.low)}, {number(m.high)}]"
    return f"n = {count(m.n)}{interval}"


def dot_whisker(
    key: str,
    title: str,
    measurements: Sequence[Measurement],
    fewest: int = 2,
    most: int = MOST_ROWS,
    notes: bool = False,
) -> Chart | None:
    """A chart of the first ``most`` measurements that have a value, or None where fewer than ``fewest`` have one.

    ``notes``: with n and the interval in figures below each label, where no table stands beside the chart.
    """
    drawn = [m for m in measurements if m.value is not None]
    if len(drawn) < fewest:
        return None
    shown = drawn[:most]
    scale = scale_of(shown)
    levels = {m.chance for m in shown}
    differ = len(levels) > 1
    level = None if differ else next(iter(levels))
    marks: list[Mark] = []
    bottom = TOP
    for m in shown:
        value = m.value if m.value is not None else 0.0
        low, high = (m.low if m.low is not None else value), (m.high if m.high is not None else value)
        label = shorten(m.slice or m.label, LONGEST_LABEL)
        lines = textwrap.wrap(label, WRAP) or [""]
        note = _note(m) if notes else ""
        y = bottom + LINE * (len(lines) + bool(note)) + 10
        marks.append(
            Mark(
                label=label,
                lines=lines,
                top=bottom + 13,
                value=number(m.value),
                x=scale.place(value),
                low=scale.place(low),
                high=scale.place(high),
                y=y,
                chance=scale.place(m.chance) if differ and m.chance is not None else None,
                clear_of_chance=_clear(m),
                note=note,
            )
        )
        bottom = y + 12
    bottom += 2
    return Chart(
        key=key,
        title=title,
        marks=marks,
        ticks=scale.ticks(),
        chance=None if level is None else scale.place(level),
        chance_text="" if level is None else f"{level:.4g}",
        chance_by_row=differ,
        height=bottom + AXIS,
        bottom=bottom,
        left_out=len(drawn) - len(shown),
        rows=shown,
    )


def strip(m: Measurement) -> Strip | None:
    """A rate, probability or share on the scale from 0 to 1; None for other units and missing values."""
    if m.value is None or kind(m.unit) not in ("rate", "scale") or not 0 <= m.value <= 1:
        return None
    scale = Scale(0.0, 1.0)
    low, high = (m.low if m.low is not None else m.value), (m.high if m.high is not None else m.value)
    chance = None if m.chance is None else scale.place(m.chance)
    return Strip(scale.place(m.value), scale.place(low), scale.place(high), chance)
