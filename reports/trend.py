"""The page of one model's audits over time: each gated metric with its interval, and what changed between the audits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.comparison import LeftOut, Occasion, Point, Series, Trend
from audit.results.sameness import Changed
from reports.differences import Against, against
from reports.document import document
from reports.languages import SOURCE
from reports.text import cleaned
from reports.trend_chart import TrendChart, trend_chart, worst_verdict

LONGEST_TEXT = 1200
UNFOLDED = 8  # audits of which the table is shown at once


@dataclass(frozen=True)
class Line:
    """One metric: its chart, its audits from the newest to the oldest with what changed before each, and the last change."""

    series: Series
    chart: TrendChart | None
    rows: list[tuple[Occasion, Point, list[tuple[str, Changed | None]]]]
    last: Point
    verdict: str | None
    change: Against | None


@dataclass(frozen=True)
class Section:
    """One model."""

    key: str
    trend: Trend
    lines: list[Line]
    confidences: bool

    @property
    def folded(self) -> bool:
        """Whether the tables are too long to be shown at once."""
        return len(self.trend.audits) > UNFOLDED


def render_trends(
    trends: Sequence[Trend], left_out: Sequence[LeftOut] = (), languages: Sequence[str] = (SOURCE,)
) -> str:
    """The whole page; the same content always gives the same bytes.

    Args:
        trends: at least one, of one model each.
        left_out: folders that are in none, with the reason.
        languages: the page holds them all, and a switch where they are several.

    Raises:
        ValueError: for a language without a catalogue.
    """
    sections = [_section(place, cleaned(trend, LONGEST_TEXT)) for place, trend in enumerate(trends, start=1)]
    content = {
        "sections": sections,
        "left_out": [cleaned(left, LONGEST_TEXT) for left in left_out],
        "version": sections[0].trend.audits[-1].tool_version,
    }
    return document("trend.html", content, languages, ("base.css", "card.css", "comparison.css", "trend.css"))


def _section(place: int, trend: Trend) -> Section:
    lines = [_line(f"t-{place}-{i}", series, trend) for i, series in enumerate(trend.series, start=1)]
    return Section(f"model-{place}", trend, lines, len({audit.confidence for audit in trend.audits}) > 1)


def _line(key: str, series: Series, trend: Trend) -> Line:
    last = series.points[-1]
    change = None
    if series.change is not None:
        change = against(series, last.measurement, series.points[-2].measurement, series.change)
    rows = [(audit, point, _told(audit, point)) for audit, point in zip(trend.audits, series.points, strict=True)][::-1]
    return Line(series, trend_chart(key, series, trend.audits), rows, last, worst_verdict(last), change)


def _told(audit: Occasion, point: Point) -> list[tuple[str, Changed | None]]:
    """What changed before an audit, as far as it concerns one metric: of the questions, those of its own probe."""
    told: list[tuple[str, Changed | None]] = [
        (c.part, c) for c in audit.changes if c.part != "questions" and c.fate == "changed"
    ]
    if point.questions is not None and point.questions.fate == "changed":
        told.append(("questions", point.questions))
    if any(c.part == "weights" and c.fate == "unknown" for c in audit.changes):
        told.append(("unknown", None))
    return told
