"""The page of audits over time: marks stand where the numbers are, gaps stay gaps, changes are marked and told."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from audit.results import AuditResult, LeftOut, ModelFacts, Trend
from reports.languages import languages
from reports.trend import render_trends
from reports.trend_chart import HEIGHT, KINDS, MOST, TrendChart, trend_chart
from tests.reports import comparisons
from tests.reports.comparisons import BIAS, many, over_time, result
from tests.reports.makers import HOSTILE, model, rate
from tests.reports.test_comparison import article, plain

METRIC = f"{BIAS}.preference"


def one(results: list[AuditResult], *metrics: str) -> Trend:
    (trend,) = over_time(results, *metrics)
    return trend


def chart_of(results: list[AuditResult]) -> TrendChart:
    trend = one(results)
    chart = trend_chart("t", trend.series[0], trend.audits)
    assert chart is not None
    return chart


def changed(**manifest: Any) -> list[AuditResult]:
    """Two audits, the second with another manifest."""
    second = result(100, place=1)
    return [result(100), second.model_copy(update={"manifest": second.manifest.model_copy(update=manifest)})]


def of_models(*models: ModelFacts) -> list[AuditResult]:
    """An audit of each."""
    return [result(100, place=place, model=facts) for place, facts in enumerate(models)]


@pytest.mark.parametrize("n", [1, 2, 13, MOST, 75])
def test_the_same_content_gives_the_same_page_that_asks_for_nothing(n: int) -> None:
    html = render_trends(over_time(many(n)))
    assert html == render_trends(over_time(many(n)))
    assert "script-src 'none'" in html
    assert not re.search(r"<(script|img|link|iframe|object|base)\b(?![^>]*href=\"data:,\")", html)
    assert not re.search(r"\sstyle=|\son[a-z]+=\"", re.sub(r">[^<]*<", "><", html))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert html.count('<th scope="row" role="rowheader"><time') == n


def test_marks_and_bars_stand_where_the_numbers_are() -> None:
    chart = chart_of([result(60), result(120, place=1), result(180, place=2)])
    values = [60 / 200, 120 / 200, 180 / 200]
    ys = [dot.y for dot in chart.dots]
    assert (ys[0] - ys[1]) / (ys[1] - ys[2]) == pytest.approx(1, abs=0.01)
    tens = {float(text.removesuffix(" %")) / 100: y for y, text in chart.ticks}
    (low, at_low), *_, (high, at_high) = sorted(tens.items())
    for dot, value, m in zip(
        chart.dots, values, one([result(60), result(120), result(180)]).series[0].points, strict=True
    ):

        def up(v: float | None) -> float:
            assert v is not None
            return at_low + (v - low) / (high - low) * (at_high - at_low)

        assert m.measurement is not None
        assert (dot.y, dot.low, dot.high) == pytest.approx(
            (up(value), up(m.measurement.low), up(m.measurement.high)), abs=0.3
        )
    assert [dot.x for dot in chart.dots] == [4, 50, 96]
    (mark,) = chart.marks
    assert mark.y1 == pytest.approx(at_low + (0.6 - low) / (high - low) * (at_high - at_low), abs=0.3)
    assert (mark.x1, mark.x2) == (0, 100)


def test_verdicts_differ_in_shape_and_are_those_of_each_audit() -> None:
    chart = chart_of([result(60), result(120, place=1), result(180, place=2), result(120, place=3)])
    assert [dot.verdict for dot in chart.dots] == ["met", "not_established", "not_met", "not_established"]
    bare = [result(60, gates=[]), result(60, place=1)]
    assert [dot.verdict for dot in chart_of(bare).dots] == [None, "met"]
    drawn = re.findall(
        r'<svg class="at point is-mark-(\w+)[^>]*><g><(\w+) ([^>]*)/>', render_trends(over_time(many(13)))
    )
    shapes = {verdict: (name, path) for verdict, name, path in drawn}
    assert len(shapes) == len(set(shapes.values())) == 3


def test_a_gap_is_a_cross_and_nothing_is_joined_over_it() -> None:
    results = many(8)  # the seventh broke
    chart = chart_of(results)
    assert len(chart.dots) == 7
    assert len(chart.gaps) == 1
    assert all(not line.x1 < chart.gaps[0] < line.x2 for line in chart.joined)
    text = plain(article(render_trends(over_time(results)), METRIC))
    assert "Not measured: The probe failed: It broke." in text
    levels = sorted((s.x1, s.x2) for s in chart.marks)
    assert all(not x1 < chart.gaps[0] < x2 for x1, x2 in levels)  # no pass mark was set there


@pytest.mark.parametrize(
    ("results", "kind", "words"),
    [
        (changed(items={BIAS: "00" * 32}), "questions", "the questions of this number"),
        (changed(config={"suite": "full"}), "settings", "limit: 200 → –; suite: standard → full)"),
        (changed(tool_version="9.0"), "program", "program of the audit (0.1.0 → 9.0)"),
        (of_models(model(), model(weights_sha256="ab" * 32)), "model", "weights (5af571cbf074 → abababababab)"),
        (of_models(model(), model(dtype="bfloat16")), "model", "number format (float32 → bfloat16)"),
    ],
)  # fmt: skip
def test_a_change_is_marked_in_its_row_between_the_two_and_told(
    results: list[AuditResult], kind: str, words: str
) -> None:
    chart = chart_of(results)
    (mark,) = chart.changes
    assert (mark.x, mark.fate) == (50, "changed")
    assert KINDS[mark.y // 18] == kind
    assert chart.lines == [50]
    assert len(chart.joined) == (0 if kind == "questions" else 1)
    assert words in plain(article(render_trends(over_time(results)), METRIC))


def test_weights_that_nobody_can_see_are_a_question_mark() -> None:
    unseen = model(weights_sha256=None, revision=None)
    results = [result(100, model=unseen), result(100, place=1, model=unseen)]
    (mark,) = chart_of(results).changes
    assert mark.fate == "unknown"
    assert chart_of(results).lines == []
    assert "whether the weights changed is not known" in plain(article(render_trends(over_time(results)), METRIC))


def test_nothing_changed_is_said() -> None:
    html = render_trends(over_time([result(100), result(100, place=1)]))
    assert chart_of([result(100), result(100, place=1)]).changes == []
    assert plain(article(html, METRIC)).endswith("the first audit")
    assert "at most 60 %: met nothing 2026" in plain(article(html, METRIC))


@pytest.mark.parametrize("n", [1, 2, 3, 13, MOST, 75])
def test_few_dates_and_no_place_outside_the_drawing(n: int) -> None:
    chart = chart_of(many(n))
    assert len(chart.dates) == min(n, 3)
    assert chart.left_out == max(0, n - MOST)
    assert all(b.x - a.x > 20 for a, b in pairwise(chart.dates))
    for dot in chart.dots:
        assert 0 <= dot.x <= 100
        assert chart.plot <= dot.high <= dot.y <= dot.low <= chart.plot + HEIGHT
    for stroke in (*chart.marks, *chart.chances, *chart.joined):
        assert 0 <= stroke.x1 <= stroke.x2 <= 100
        assert chart.plot <= stroke.y1 <= chart.plot + HEIGHT


def test_the_latest_and_its_change_stand_at_the_top() -> None:
    text = plain(render_trends(over_time([result(100), result(190, place=1)])))
    head = text[text.index("Stereotype preferred") : text.index("How to read")]
    assert "95 % (190 of 200); likely between 92 % and 98 %" in head
    assert "at most 60 %: not met worse" in head
    alone = plain(render_trends(over_time([result(100)])))
    assert "1 audit, of 2026-01-01 08:00 UTC. A trend needs at least two." in alone


def test_other_confidences_are_told_row_by_row() -> None:
    loose = rate(METRIC, 100, 200, "Stereotype preferred", confidence=0.9)
    second = result(100, place=1, measurements=[loose])
    second = second.model_copy(update={"manifest": second.manifest.model_copy(update={"confidence": 0.9})})
    text = plain(render_trends(over_time([result(100), second])))
    assert "Their ranges are not all of one certainty" in text
    assert "certainty 90 %" in text
    assert "certainty 95 %" in text
    assert "certainty" not in plain(render_trends(over_time([result(100), result(100, place=1)])))


def test_a_metric_that_was_never_measured_has_no_drawing() -> None:
    empty = [result(100, measurements=[]), result(100, place=1, measurements=[])]
    html = render_trends(over_time(empty))
    assert 'class="chart"' not in html
    assert plain(article(html, METRIC)).count("The audit has no number of this name.") >= 3


def test_models_stand_apart_and_what_is_left_out_is_named() -> None:
    results = [result(100), result(100, place=1, model=model(name="Another"))]
    html = render_trends(over_time(results), [LeftOut(folder="x<b>", reason="It is <broken>.")])
    assert plain(html).count("1 audit, of") == 2
    assert "1 folder is left out" in html
    assert "x&lt;b&gt;</bdi>: It is &lt;broken&gt;." in html


def test_hostile_text_stays_text() -> None:
    hostile = rate(METRIC, 100, 200, HOSTILE, reason=HOSTILE)
    results = [result(100, place=i, model=model(name=HOSTILE), measurements=[hostile]) for i in range(2)]
    told = []
    for trend in over_time(results):
        audits = [audit.model_copy(update={"folder": HOSTILE, "created": HOSTILE}) for audit in trend.audits]
        told.append(trend.model_copy(update={"audits": tuple(audits)}))
    html = render_trends(told, [LeftOut(folder=HOSTILE, reason=HOSTILE)])
    assert "<script" not in html
    assert "onerror='" not in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "{{7*7}}" in html


def test_every_language_is_a_page() -> None:
    assert render_trends(over_time(many(3)), languages=languages()).count('<main id="main') == len(languages())
    assert comparisons.TRUTH not in render_trends(over_time(many(3)))
