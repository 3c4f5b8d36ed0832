"""The pages of several audits in a real browser: they fit every width, fetch nothing, run nothing, need no script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.comparison import render_comparison
from reports.trend import render_trends
from tests.reports import comparisons
from tests.reports.browsing import WIDTH, Watched

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PAGES: dict[str, Callable[[], str]] = {
    "three": lambda: render_comparison(*comparisons.three()),
    "hostile": lambda: render_comparison(*comparisons.hostile(), languages=("en", "ko")),
    "one audit": lambda: render_trends(comparisons.over_time(comparisons.many(1))),
    "many audits": lambda: render_trends(comparisons.over_time(comparisons.many(60)), languages=("en", "ko")),
}


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_every_width_and_runs_nothing(browser: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(PAGES[name](), encoding="utf-8")
    for scheme in ("light", "dark"):
        with Watched(browser, path.as_uri(), color_scheme=scheme) as page:
            for width in (320, 390, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                page.wait_for_timeout(100)
                assert page.evaluate(WIDTH) <= width, (scheme, width)
            assert page.evaluate("typeof window.__pwned") == "undefined"
            assert page.locator("img, iframe, object, script").count() == 0


def test_the_marks_of_a_trend_stand_as_their_numbers_do(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    results = [comparisons.result(60), comparisons.result(180, place=1)]
    path.write_text(render_trends(comparisons.over_time(results)), encoding="utf-8")
    with Watched(browser, path.as_uri(), java_script_enabled=False) as page:
        chart = page.locator("svg.chart")
        first, last = (chart.locator(f".is-mark-{verdict} g > *") for verdict in ("met", "not_met"))
        assert first.bounding_box()["x"] < last.bounding_box()["x"]
        assert first.bounding_box()["y"] > last.bounding_box()["y"]
        level = chart.locator("line.pass").bounding_box()["y"]
        assert last.bounding_box()["y"] < level < first.bounding_box()["y"]
