"""Geometry of a metric over time: audits across, values upward, and above them where something changed.

Horizontal places are percentages of the drawing's width, vertical ones pixels, as in ``charts``. Audits stand evenly spaced,
in the order of time: they come in bursts, and what changed between two neighbours must have room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from audit.results.comparison import Occasion, Point, Series
from audit.results.sameness import MODEL_PARTS, Changed, Fate
from audit.results.schema import GateVerdict
from reports.amounts import kind
from reports.charts import Scale, scale_over
from reports.text import number

Kind = Literal["model", "questions", "settings", "program"]
KINDS: tuple[Kind, ...] = ("model", "questions", "settings", "program")
ROW = 18  # height of a row of changes
TOP, HEIGHT, AXIS = 6, 190, 26
CROWDED = 24  # audits from which on the marks are small
MOST = 60  # audits that are drawn; the table holds all
LABELS = 3  # dates under the axis: as many as fit on a phone
_WORST: tuple[GateVerdict, ...] = ("not_met", "not_established", "met")


@dataclass(frozen=True)
class Dot:
    """One value; ``verdict`` is the worst of its audit's pass marks, None where it had none."""

    x: float
    y: float
    low: float
    high: float
    verdict: GateVerdict | None


@dataclass(frozen=True)
class Stroke:
    """A straight line from one place to another."""

    x1: float
    x2: float
    y1: float
    y2: float


@dataclass(frozen=True)
class Change:
    """Something changed, or may have, between two neighbours."""

    x: float
    y: int
    fate: Fate


@dataclass(frozen=True)
class Date:
    """A moment under the axis."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class TrendChart:
    """A chart that is ready to draw."""

    key: str
    dots: list[Dot]
    gaps: list[float]
    joined: list[Stroke]
    marks: list[Stroke]
    chances: list[Stroke]
    changes: list[Change]
    lines: list[float]
    ticks: list[tuple[float, str]]
    rows: list[tuple[int, Kind]]
    dates: list[Date]
    small: bool
    left_out: int
    plot: int
    bottom: int
    height: int


def trend_chart(key: str, series: Series, audits: Sequence[Occasion]) -> TrendChart | None:
    """The chart of one metric over the newest audits, or None where none of them measured it."""
    points, shown = series.points[-MOST:], audits[-MOST:]
    ends = [v for p in points for v in _ends(p)]
    if not any(p.measurement is not None and p.measurement.value is not None for p in points):
        return None
    scale = scale_over(ends, kind(series.unit) == "rate")
    plot = len(KINDS) * ROW + TOP
    xs = _across(len(points))
    dots = [_dot(p, x, scale, plot) for p, x in zip(points, xs, strict=True)]
    changes = [c for i in range(1, len(points)) for c in _changes(shown[i], points[i], (xs[i - 1] + xs[i]) / 2)]
    return TrendChart(
        key=key,
        dots=[dot for dot in dots if dot is not None],
        gaps=[x for dot, x in zip(dots, xs, strict=True) if dot is None],
        joined=_joined(dots, points),
        marks=_levels([_thresholds(p) for p in points], xs, scale, plot),
        chances=_levels([_chance(p) for p in points], xs, scale, plot),
        changes=changes,
        lines=sorted({c.x for c in changes if c.fate == "changed"}),
        ticks=[(_up(scale, place, plot), _tick(series, text)) for place, text in _round_numbers(scale)],
        rows=[(row * ROW + 13, name) for row, name in enumerate(KINDS)],
        dates=_dates(shown, xs),
        small=len(points) > CROWDED,
        left_out=len(audits) - len(shown),
        plot=plot,
        bottom=plot + HEIGHT,
        height=plot + HEIGHT + AXIS,
    )


def fates(occasion: Occasion, questions: Changed | None) -> dict[Kind, Fate]:
    """What became of the model, the questions, the settings and the program since the audit before."""
    if not occasion.changes:
        return {}
    by_part = {change.part: change.fate for change in occasion.changes}
    model: Fate = "same" if by_part.get("weights") == "same" else "unknown"
    if any(by_part.get(part) == "changed" for part in MODEL_PARTS):
        model = "changed"
    asked: Fate = questions.fate if questions is not None else "same"
    return {
        "model": model,
        "questions": asked,
        "settings": by_part.get("settings", "unknown"),
        "program": by_part.get("program", "unknown"),
    }


def worst_verdict(point: Point) -> GateVerdict | None:
    """The worst verdict of the audit's own gates on the metric, None where it had none."""
    verdicts = {gate.verdict for gate in point.gates}
    return next((verdict for verdict in _WORST if verdict in verdicts), None)


def _ends(point: Point) -> list[float]:
    m = point.measurement
    own = [] if m is None or m.value is None else [m.value, m.low, m.high, m.chance]
    return [v for v in [*own, *_thresholds(point)] if v is not None]


def _thresholds(point: Point) -> list[float]:
    """The pass marks on the value itself; what a baseline allows is no place on its scale."""
    return [gate.threshold for gate in point.gates if gate.rule != "no_worse_than_baseline"]


def _chance(point: Point) -> list[float]:
    m = point.measurement
    return [] if m is None or m.value is None or m.chance is None else [m.chance]


def _across(n: int) -> list[float]:
    return [50.0] if n == 1 else [round(4 + 92 * i / (n - 1), 2) for i in range(n)]


def _up(scale: Scale, value: float, plot: int) -> float:
    return round(plot + HEIGHT - (scale.place(value) - 2) / 96 * HEIGHT, 1)


def _dot(point: Point, x: float, scale: Scale, plot: int) -> Dot | None:
    m = point.measurement
    if m is None or m.value is None:
        return None
    low, high = (m.low if m.low is not None else m.value), (m.high if m.high is not None else m.value)
    y, bottom, top = (_up(scale, v, plot) for v in (m.value, low, high))
    return Dot(x, y, bottom, top, worst_verdict(point))


def _joined(dots: Sequence[Dot | None], points: Sequence[Point]) -> list[Stroke]:
    """Lines between neighbours that were asked the same: over a gap, or over other questions, nothing is joined."""
    found = []
    for before, after, point in zip(dots[:-1], dots[1:], points[1:], strict=True):
        if before and after and point.questions is not None and point.questions.fate == "same":
            found.append(Stroke(before.x, after.x, before.y, after.y))
    return found


def _levels(values: Sequence[Sequence[float]], xs: Sequence[float], scale: Scale, plot: int) -> list[Stroke]:
    """The levels of each audit, as wide as the room that it has; the same level of neighbours is one line."""
    half = 46.0 if len(xs) == 1 else 46 / (len(xs) - 1)
    found: list[Stroke] = []
    open_: dict[float, Stroke] = {}
    for own, x in zip(values, xs, strict=True):
        y_of = {_up(scale, value, plot) for value in own}
        left, right = round(max(x - half, 0), 2), round(min(x + half, 100), 2)
        found += [stroke for y, stroke in open_.items() if y not in y_of]
        open_ = {y: Stroke(open_[y].x1 if y in open_ else left, right, y, y) for y in sorted(y_of)}
    return [*found, *open_.values()]


def _changes(occasion: Occasion, point: Point, x: float) -> list[Change]:
    told = fates(occasion, point.questions)
    return [
        Change(round(x, 2), row * ROW + ROW // 2, told[name])
        for row, name in enumerate(KINDS)
        if told.get(name, "same") != "same"
    ]


def _round_numbers(scale: Scale) -> list[tuple[float, str]]:
    return [(float(tick.text), tick.text) for tick in scale.ticks()]


def _tick(series: Series, text: str) -> str:
    if kind(series.unit) == "rate":
        return f"{100 * float(text):.4g} %"
    return number(float(text))


def _dates(audits: Sequence[Occasion], xs: Sequence[float]) -> list[Date]:
    """The first, the last and one between, as days; where all are of one day, as times of it."""
    n = len(audits)
    places = sorted({round(i * (n - 1) / (LABELS - 1)) for i in range(LABELS)}) if n > 1 else [0]
    one_day = n > 1 and len({a.created[:10] for a in audits}) == 1
    texts = [audits[i].created[11:16] if one_day else audits[i].created[:10] for i in places]
    anchors = ["end" if xs[i] > 90 else "middle" for i in places]  # to the left there is room beside the drawing
    return [Date(xs[i], text, anchor) for i, text, anchor in zip(places, texts, anchors, strict=True)]
