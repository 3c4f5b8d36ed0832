"""Geometry of the chart of a remedy's settings: how far groups differ across, how often it is right upwards.

As in ``charts``: horizontal places are percentages of the width, vertical ones pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.mitigation import FrontierPoint
from reports.charts import Scale, Tick

HEIGHT = 300  # of the drawing without its axis
LEFT, RIGHT = 13.0, 97.0  # percent; what stands left of it are the numbers of the upright axis
TOP, BOTTOM = 14, 286
NARROW = 320  # pixels of width for which labels are kept apart; wider drawings have more room
# Where a label may stand beside its mark: right, left, then above and below.
PLACES = ((12, 4, "start"), (-12, 4, "end"), (0, -12, "middle"), (0, 22, "middle"),
          (12, -10, "start"), (-12, -10, "end"), (12, 19, "start"), (-12, 19, "end"))  # fmt: skip
CLOSE = 13  # pixels between the middles of two labels, or of a label and a mark


@dataclass(frozen=True)
class Mark:
    """One setting with its whiskers; ``dx``, ``dy`` and ``side`` place its label beside it."""

    point: FrontierPoint
    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    dx: int
    dy: int
    side: str


@dataclass(frozen=True)
class Frontier:
    """A chart that is ready to draw."""

    marks: list[Mark]
    across: list[Tick]
    upward: list[tuple[float, str]]
    height: int = HEIGHT


def frontier_chart(points: Sequence[FrontierPoint]) -> Frontier | None:
    """The chart of the settings, or None where there are fewer than two."""
    if len(points) < 2:
        return None
    wide = _scale([v for p in points for v in (p.disparity_low, p.disparity_high)])
    high = _scale([v for p in points for v in (p.accuracy_low, p.accuracy_high)])
    marks: list[Mark] = []
    middles = [(_across(wide, p.disparity) * NARROW / 100, _up(high, p.accuracy)) for p in points]
    taken = list(middles)
    for point, (x, y) in zip(points, middles, strict=True):
        dx, dy, side = _label(x, y, taken)
        taken.append((x + dx, y + dy - 4))
        marks.append(
            Mark(
                point=point,
                x=_across(wide, point.disparity),
                y=y,
                left=_across(wide, point.disparity_low),
                right=_across(wide, point.disparity_high),
                top=_up(high, point.accuracy_high),
                bottom=_up(high, point.accuracy_low),
                dx=dx,
                dy=dy,
                side=side,
            )
        )
    across = [Tick(_shifted(tick.x), _percent(tick.text), tick.anchor) for tick in wide.ticks()]
    upward = [(_turned(tick.x), _percent(tick.text)) for tick in high.ticks()]
    return Frontier(marks, across, upward)


def _scale(ends: Sequence[float]) -> Scale:
    first, last = min(ends), max(ends)
    margin = (last - first) * 0.06 or 0.05
    return Scale(max(first - margin, 0.0), min(last + margin, 1.0))


def _shifted(place: float) -> float:
    """From the percentages of ``Scale``, which are 2 to 98, to those of this drawing."""
    return round(LEFT + (place - 2) / 96 * (RIGHT - LEFT), 2)


def _turned(place: float) -> float:
    return round(BOTTOM - (place - 2) / 96 * (BOTTOM - TOP), 1)


def _percent(text: str) -> str:
    return f"{100 * float(text):.4g} %"


def _across(scale: Scale, value: float) -> float:
    return _shifted(scale.place(value))


def _up(scale: Scale, value: float) -> float:
    return _turned(scale.place(value))


def _label(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[int, int, str]:
    """The first place that is clear of all marks and labels; where none is, the one farthest from them."""

    def room(place: tuple[int, int, str]) -> float:
        at_x, at_y = x + place[0], y + place[1] - 4
        near = [max(abs(at_x - a), abs(at_y - b)) for a, b in taken if (a, b) != (x, y)]
        return min([*near, CLOSE], default=CLOSE)

    return max(PLACES, key=room)


def percentages(point: FrontierPoint) -> tuple[str, str]:
    """Accuracy and gap with their ranges, in points of 100, for the table beside the chart."""
    return tuple(  # type: ignore[return-value]
        f"{100 * value:.1f} ({100 * low:.1f} – {100 * high:.1f})"
        for value, low, high in (
            (point.accuracy, point.accuracy_low, point.accuracy_high),
            (point.disparity, point.disparity_low, point.disparity_high),
        )
    )
