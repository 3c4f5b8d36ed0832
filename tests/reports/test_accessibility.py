"""WCAG 2.2 AA by axe-core, on every page, in light and dark, at 320 px, with all folds open."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from reports.card import render_card
from reports.comparison import render_comparison
from reports.mitigation import render_page
from reports.plot import families_of, render_plot
from reports.records import render_records
from reports.technical import render_report
from reports.trend import render_trends
from tests.reports import comparisons, explanations, fixtures, remedies

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"
VIEWS = [
    pytest.param(1280, "light", id="light"),
    pytest.param(1280, "dark", id="dark"),
    pytest.param(320, "light", id="320px"),
]


def _write(folder: Path, name: str, html: str) -> str:
    path = folder / f"{name}.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Where a page lies, each drawn once."""
    folder = tmp_path_factory.mktemp("pages")
    drawn: dict[str, str] = {}

    def draw(name: str) -> str:
        if name not in drawn:
            drawn[name] = _write(folder, name, _html(name))
        return drawn[name]

    return draw


def _html(name: str) -> str:
    kind, _, made = name.partition("-")
    if kind == "remedies":
        return render_page(remedies.typical())
    if kind in ("figure", "records"):
        return _alone(kind, getattr(fixtures, made)())
    if kind == "comparison":
        return render_comparison(*getattr(comparisons, made)())
    if kind == "trend":
        return render_trends(comparisons.over_time(comparisons.many(int(made))))
    if made == "both":
        case = fixtures.typical()
        return render_card(case.result, case.records, languages=("ko", "en"))
    case = explanations.explained() if made == "explained" else getattr(fixtures, made)()
    return {"card": render_card, "report": render_report}[kind](case.result, case.records)


def _alone(kind: str, case: fixtures.Case) -> str:
    """What a notebook shows of a result: all numbers of its first probe that has some, or its records."""
    if kind == "records":
        return render_records([record for own in case.records.values() for record in own][:3], 4)
    own = [m for m in case.result.measurements if m.probe == case.result.measurements[0].probe]
    return render_plot(
        own[0].label, case.result.model.name, families_of([(own[0].metric, own[0].label, own)]), ["Why."]
    )


def faults(browser: Any, address: str, width: int, scheme: str) -> list[str]:
    """What axe finds: rule, how often, and the first place."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    if "report" in address:
        page.wait_for_selector("#record-tools:not([hidden])")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(AXE)
    found = page.evaluate(RUN, TAGS)["violations"]
    context.close()
    return [f"{f['id']} x{len(f['nodes'])}: {f['nodes'][0]['html'][:200]}" for f in found]


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
@pytest.mark.parametrize(
    "name",
    [
        "card-typical",
        "card-both",
        "card-hostile",
        "card-nothing_tested",
        "report-typical",
        "report-explained",
        "remedies",
        "figure-typical",
        "figure-hostile",
        "records-hostile",
        "comparison-three",
        "trend-13",
    ],
)
def test_no_violation(browser: Any, address: Callable[[str], str], name: str, width: int, scheme: str) -> None:
    assert faults(browser, address(name), width, scheme) == []


def test_axe_would_have_found_a_fault(browser: Any, tmp_path: Path) -> None:
    broken = (
        '<!doctype html><html lang="en"><title>x</title><main><img src="data:,"><p style="color:#bbb">pale</p></main>'
    )
    found = faults(browser, _write(tmp_path, "broken", broken), 1280, "light")
    assert {f.split(" ")[0] for f in found} >= {"image-alt", "color-contrast"}
