"""A figure by itself: measurements as dots with their intervals, and the same numbers in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.schema import Measurement
from reports.charts import Chart, dot_whisker
from reports.document import document
from reports.explained import STYLES
from reports.text import cleaned, shorten, visible

MOST_ROWS = 120
LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Family:
    """Measurements that share a scale, under one name; ``chart`` is None where none of them has a value."""

    name: str
    label: str
    measurements: tuple[Measurement, ...]
    chart: Chart | None

    @property
    def first(self) -> Measurement:
        """The one whose unit and direction are those of all."""
        return self.measurements[0]


def families_of(groups: Sequence[tuple[str, str, Sequence[Measurement]]]) -> tuple[Family, ...]:
    """The figures of these measurements; each group has a name, a label in plain words and at least one measurement."""
    found = []
    for position, (name, label, group) in enumerate(groups):
        shown = tuple(cleaned(m, LONGEST_TEXT) for m in group)
        title = shorten(visible(label), LONGEST_TEXT)
        chart = dot_whisker(f"chart-{position}", title, shown, fewest=1, most=MOST_ROWS, notes=True)
        found.append(Family(shorten(visible(name), LONGEST_TEXT), title, shown, chart))
    return tuple(found)


def render_plot(title: str, about: str, families: Sequence[Family], reasons: Sequence[str] = ()) -> str:
    """The whole page, which needs no script; ``about``: of what and when, ``reasons``: why something is missing."""
    content = {
        "title": visible(title),
        "about": shorten(visible(about), LONGEST_TEXT),
        "families": families,
        "reasons": [shorten(visible(reason), LONGEST_TEXT) for reason in reasons],
    }
    return document("plot.html", content, styles=(*STYLES, "explanation.css"))


def height_of(families: Sequence[Family], reasons: Sequence[str] = ()) -> int:
    """Pixels that show the figures without scrolling, as far as that is sensible."""
    wanted = 190 + 70 * len(reasons) + sum((f.chart.height if f.chart else 180) + 150 for f in families)
    return min(wanted, 900)
