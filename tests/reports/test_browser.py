"""Both pages in a real browser: nothing is fetched, nothing hostile runs, everything can be reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.results import Claim
from reports.card import render_card
from reports.mitigation import render_page
from reports.technical import render_report
from tests.reports import fixtures, remedies
from tests.reports.browsing import WIDTH, Watched
from tests.reports.fixtures import Case
from tests.reports.makers import attention, record

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The addresses of a case's card and report; each case is drawn once."""
    drawn: dict[str, dict[str, str]] = {}
    folder = tmp_path_factory.mktemp("pages")

    def draw(name: str) -> dict[str, str]:
        if name not in drawn:
            case: Case = getattr(fixtures, name)()
            drawn[name] = {}
            for kind, render in (("card", render_card), ("report", render_report)):
                path = folder / f"{name}-{kind}.html"
                path.write_text(render(case.result, case.records), encoding="utf-8")
                drawn[name][kind] = path.as_uri()
        return drawn[name]

    return draw


@pytest.mark.parametrize("kind", ["card", "report"])
@pytest.mark.parametrize("name", ["typical", "demo", "hostile", "nothing_tested", "one_crashed"])
def test_it_fits_every_width_and_asks_for_nothing(browser: Any, pages: Any, name: str, kind: str) -> None:
    for scheme in ("light", "dark"):
        with Watched(browser, pages(name)[kind], color_scheme=scheme) as page:
            for width in (320, 390, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                page.wait_for_timeout(250)
                assert page.evaluate(WIDTH) <= width, (scheme, width)


@pytest.mark.parametrize("name", ["typical", "hostile"])
def test_the_page_of_the_remedies_fits_every_width_and_runs_nothing(browser: Any, tmp_path: Path, name: str) -> None:
    tried = getattr(remedies, name)()
    case = fixtures.typical()
    for kind, text in (("page", render_page(tried)), ("card", render_card(case.result, case.records, tried))):
        path = tmp_path / f"{kind}.html"
        path.write_text(text, encoding="utf-8")
        for scheme in ("light", "dark"):
            with Watched(browser, path.as_uri(), color_scheme=scheme) as page:
                for width in (320, 390, 1280):
                    page.set_viewport_size({"width": width, "height": 800})
                    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                    page.wait_for_timeout(150)
                    assert page.evaluate(WIDTH) <= width, (kind, scheme, width)
                assert page.evaluate("typeof window.__pwned") == "undefined"
                assert page.locator("img, iframe, object, script").count() == 0


def test_the_marks_of_a_frontier_stand_where_their_numbers_are(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render_page(remedies.typical()), encoding="utf-8")
    with Watched(browser, path.as_uri(), java_script_enabled=False) as page:
        chart = page.locator("svg.frontier").first
        audited, judged = (chart.locator(f".mark.is-{kind} > :first-child").first for kind in ("audited", "remedy"))
        assert audited.bounding_box()["x"] > judged.bounding_box()["x"]  # the larger gap
        assert audited.bounding_box()["y"] < judged.bounding_box()["y"]  # right more often


@pytest.mark.parametrize("kind", ["card", "report"])
def test_hostile_text_is_inert(browser: Any, pages: Any, kind: str) -> None:
    with Watched(browser, pages("hostile")[kind]) as page:
        for row in page.locator("#record-list details").all()[:5]:
            row.evaluate("d => { d.open = true; }")
        assert page.evaluate("typeof window.__pwned") == "undefined"
        assert page.locator("img, iframe, object").count() == 0
        assert page.locator("script:not([type])").count() == (6 if kind == "report" else 0)
        assert "{{7*7}}" in page.locator("body").inner_text()
        assert "⟨U+202E⟩" in page.locator("h1").inner_text() or "⟨U+202E⟩" in page.locator("body").inner_text()


def test_the_card_needs_no_script(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["card"], java_script_enabled=False) as page:
        assert page.locator("h1").is_visible()
        assert page.locator(".glance li").count() == 5
        words = page.locator(".glance .chip").all_inner_texts()
        assert [w.strip() for w in words] == [
            "problem found",
            "unclear: too little evidence",
            "no problem found in what we tested",
            "unclear: too little evidence",
            "not tested",
        ]
        page.locator(".example summary").first.click()
        assert page.locator(".example pre").first.is_visible()


def test_the_report_needs_no_script_for_its_numbers_and_worst_records(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"], java_script_enabled=False) as page:
        assert page.locator(".measurements").first.is_visible()
        assert page.locator("svg.chart").first.is_visible()
        assert page.locator("#plain-records details").count() == 20 * 3 + 3 + 3
        page.locator("#plain-records summary").first.click()
        assert page.locator("#plain-records pre").first.is_visible()
        assert page.get_by_text("one Parquet file for each probe").is_visible()
        assert not page.locator("#filters").is_visible()
        assert page.locator(".tokens").first.is_visible()


def test_the_summary_prints_on_two_sheets(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["card"], color_scheme="dark") as page:
        page.evaluate("document.querySelectorAll('main > :not(.summary), footer').forEach(e => e.remove())")
        page.emulate_media(media="print")
        sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
        assert 1 <= sheets <= 2
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@pytest.mark.parametrize("kind", ["card", "report"])
def test_the_first_tab_stop_skips_to_the_content(browser: Any, pages: Any, kind: str) -> None:
    with Watched(browser, pages("typical")[kind]) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_records_are_filtered_paged_and_opened(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"]) as page:
        status = page.locator("#record-status")
        assert status.inner_text().startswith("186 of 186 records")
        assert page.locator("#record-list details").count() == 25
        page.locator("#page-next").click()
        assert page.locator("#page-now").inner_text() == "Page 2 of 8"
        page.locator("#f-probe").select_option(label="bias.crows_pairs")
        page.locator("#f-group").select_option(label="migrants")
        page.locator("#f-outcome").select_option(label="wrong")
        assert status.inner_text().startswith("4 of 186 records")
        page.locator("#f-text").fill("question 19:")
        sync_api.expect(page.locator("#record-status")).to_have_text(re.compile("^1 of"))
        page.locator("#record-list summary").click()
        assert "Question 19: the migrants at the meeting were" in page.locator("#record-list pre").first.inner_text()
        page.locator("#f-text").fill("no such words")
        sync_api.expect(page.locator("#record-status")).to_have_text(re.compile("^No record"))
        page.locator("#filters button").click()
        sync_api.expect(page.locator("#record-status")).to_have_text(re.compile("^186 of"))


def test_records_are_filtered_by_what_was_found_about_their_probe(browser: Any, pages: Any) -> None:
    case = fixtures.typical()
    worst: dict[str, str] = {}
    for outlook in ("not_tested", "no_problem_found", "unclear", "problem_found"):
        worst |= {f.probe: outlook for f in case.result.findings if f.outlook == outlook}
    expected = sum(len(rows) for probe, rows in case.records.items() if worst.get(probe) == "problem_found")
    assert 0 < expected < 186
    with Watched(browser, pages("typical")["report"]) as page:
        page.locator("#f-verdict").select_option(label="problem found")
        sync_api.expect(page.locator("#record-status")).to_have_text(re.compile(f"^{expected} of 186"))


FOCUSABLE = (
    "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]"
    ".filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility())"
)
FOCUSED = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
  const inline = style.display === 'inline';
  const line = e.getClientRects()[0];  // a link can run over two lines
  const middle = [line.x + Math.min(line.width / 2, 40), Math.min(Math.max(line.y + line.height / 2, 1), innerHeight - 2)];
  const seen = document.elementFromPoint(...middle);
  return {
    place: window.order.indexOf(e),
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    covered: !(seen === null || e.contains(seen) || seen.contains(e)),
    small: !inline && Math.min(box.width, box.height) < 24 && !['PRE', 'MAIN', 'DIV'].includes(e.tagName),
    what: e.outerHTML.slice(0, 120),
  };
}"""


@pytest.mark.parametrize("kind", ["card", "report"])
def test_the_keyboard_reaches_everything_once_and_in_order(browser: Any, pages: Any, kind: str) -> None:
    with Watched(browser, pages("typical")[kind], reduced_motion="reduce") as page:
        page.evaluate(f"window.order = {FOCUSABLE}")
        many = page.evaluate("window.order.length")
        assert many > 20
        visited = []
        for _ in range(many):
            page.keyboard.press("Tab")
            visited.append(page.evaluate(FOCUSED))
        places = [stop["place"] for stop in visited]
        assert places == sorted(places), [s["what"] for s in visited]
        assert len(set(places)) == len(places)
        # Radio buttons of one group are one stop.
        skipped = set(range(many)) - set(places)
        radios = page.evaluate("order.map((e, i) => e.type === 'radio' ? i : -1).filter(i => i >= 0)")
        assert skipped <= set(radios)
        for fault in ("covered", "small"):
            assert [s["what"] for s in visited if s[fault]] == []
        assert [s["what"] for s in visited if not s["outline"]] == []


CHARTS = """() => [...document.querySelectorAll('svg[role=img]')].map(svg => {
  const ids = (svg.getAttribute('aria-labelledby') || '').split(' ');
  const [name, desc] = ids.map(id => document.getElementById(id)?.textContent);
  return {name, desc, marks: svg.querySelectorAll('circle, rect, path').length, shapes: [...new Set([...svg.querySelectorAll(
    'circle, line, path, rect')].map(e => e.getAttribute('class')))].length};
})"""


@pytest.mark.parametrize("kind", ["card", "report"])
def test_every_chart_has_a_name_of_its_own_and_says_what_it_shows(browser: Any, pages: Any, kind: str) -> None:
    with Watched(browser, pages("typical")[kind]) as page:
        charts = page.evaluate(CHARTS)
        assert len(charts) >= (4 if kind == "card" else 1)
        for chart in charts:
            assert chart["name"]
            assert re.search(r"\d", chart["desc"])
            assert chart["marks"] >= 1
            assert chart["shapes"] >= 2  # a dot, its whisker and the line of chance differ without colour


def test_doubted_claims_are_underlined_with_and_without_script(browser: Any, tmp_path: Path) -> None:
    answer = "🚢 The ferry sails. <b>It has a bar.</b>"
    start = answer.index("<b>")
    claims = [
        Claim(start=2, end=start - 1, verdict="supported", evidence="It sails at seven."),
        Claim(start=start, end=len(answer), verdict="not in the text", evidence="It has a <i>deck</i>."),
    ]
    case = fixtures.typical()
    case.records["bias.crows_pairs"] = [record("bias.crows_pairs", 0, output=answer, claims=claims)]
    path = tmp_path / "report.html"
    path.write_text(render_report(case.result, case.records), encoding="utf-8")
    for script in (True, False):
        with Watched(browser, path.as_uri(), java_script_enabled=script) as page:
            place = "#record-list" if script else "#plain-records"
            page.locator(f"{place} details:has-text('Question 0:') summary").first.click()
            marks = page.locator(f"{place} mark.claim")
            assert marks.all_inner_texts() == ["<b>It has a bar.</b>"]
            told = page.locator(f"{place} .claims li").last.inner_text()
            assert "not in the text" in told
            assert "It has a <i>deck</i>." in told


def test_a_permalink_opens_its_record(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"] + "#ex-bias.crows_pairs%3Aitem-00055") as page:
        row = page.locator("[id='ex-bias.crows_pairs:item-00055']")
        assert row.get_attribute("open") is not None
        assert "Question 55:" in row.inner_text()
        sync_api.expect(page.locator("#at-status")).not_to_be_empty()  # the viewer above has been drawn by now
        page.wait_for_timeout(200)
        assert 0 <= row.bounding_box()["y"] < 100
        page.evaluate("location.hash = '#ex-misinformation.myths:item-00003'")
        sync_api.expect(page.locator("[id='ex-misinformation.myths:item-00003'] > summary")).to_be_focused()
        page.evaluate("location.hash = '#ex-%E0%A4%A'")  # not a valid encoding: ignored


@pytest.mark.parametrize(
    ("button", "start"),
    [
        ("save-json", b"[\n {"),
        ("save-csv", b'"probe","id",'),
        ("save-measurements", b'"metric",'),
        ("save-result", b"{"),
    ],
)
def test_downloads(browser: Any, pages: Any, button: str, start: bytes) -> None:
    with Watched(browser, pages("hostile")["report"]) as page:
        with page.expect_download() as download:
            page.locator(f"#{button}").click()
        content = Path(download.value.path()).read_bytes()
        assert content.startswith(start)


def test_the_attention_viewer_by_keyboard(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"]) as page:
        status = page.locator("#at-status")
        sync_api.expect(page.locator("#at-status")).not_to_be_empty()
        # It opens on the head that points at the most different tokens, in the row of the last token.
        assert status.inner_text().startswith("Layer 0, head 2: token 13")
        page.locator("#at-head").select_option("0")
        page.locator("#at-overview").focus()
        for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
        assert status.inner_text().startswith("Layer 2, head 1:")
        assert page.locator("#at-layer").input_value() == "2"
        page.locator("#at-matrix").focus()
        page.keyboard.press("ArrowUp")
        assert "token 12" in status.inner_text()
        page.locator("#at-layer").focus()
        page.keyboard.press("ArrowDown")
        assert status.inner_text().startswith("Layer 3, head 1:")
        page.locator("#at-view").select_option("rollout")
        assert status.inner_text().startswith("Rollout over all layers:")
        assert page.locator("#at-top tr").count() == 10
        page.locator("#at-overview").click(position={"x": 40, "y": 30})
        assert status.inner_text().startswith("Layer 0, head 0:")
        page.locator("#at-example").select_option("1")  # not causal
        sync_api.expect(page.locator("#at-status")).to_contain_text("token 13")
        assert page.locator("#at-lines .ray").count() > 0


def test_the_first_token_is_left_out_until_asked_for(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"]) as page:
        sync_api.expect(page.locator("#at-status")).not_to_be_empty()
        page.locator("#at-layer").select_option("0")
        page.locator("#at-head").select_option("1")  # a head that rests on the first token
        to = page.locator("#at-top td:nth-child(2)")
        assert page.locator("#at-skip").is_checked()
        assert not any(name.startswith("0 ") for name in to.all_inner_texts())
        scaled = page.locator("#at-scale").inner_text()
        assert scaled != "Full colour is a weight of 1.00; the scale is a square root."
        rays = page.locator("#at-lines .ray").count()
        page.locator("#at-skip").uncheck()
        assert all(name.startswith("0 ") for name in to.all_inner_texts())
        assert page.locator("#at-scale").inner_text() == "Full colour is a weight of 1.00; the scale is a square root."
        assert page.locator("#at-lines .ray").count() != rays


@pytest.mark.parametrize("sources", [9, 2])
def test_an_answer_that_looks_at_a_prompt(browser: Any, tmp_path: Path, sources: int) -> None:
    """Four rows and more, or fewer, columns; the labels are the model's and must stay inert."""
    names = [f" source{i}" for i in range(sources - 1)] + ["<img src=x onerror=window.__pwned=1>"]
    detail = attention([" en", " orto", " <b>mino</b>", " rufa"], 2, 3, False, names)
    case = fixtures.typical()
    path = tmp_path / "across-report.html"
    page_text = render_report(
        case.result, {"explainability.attention": [record("explainability.attention", 0, detail=detail)]}
    )
    path.write_text(page_text, encoding="utf-8")
    with Watched(browser, path.as_uri()) as page:
        status = page.locator("#at-status")
        sync_api.expect(status).to_contain_text("token 3")
        assert page.locator("#at-lines .ray-from").count() == 4
        shown = page.locator("#at-lines .ray-to").all_text_contents()
        assert [name.startswith("␣source") for name in shown] == [True] * (sources - 1) + [False]
        assert page.locator("#at-lines").get_attribute("height") == str(24 * max(4, sources))
        page.locator("#at-matrix").focus()
        for _ in range(sources + 4):
            page.keyboard.press("ArrowRight")
        assert f"token {sources - 1}" in status.inner_text()
        assert "<img" in status.inner_text()
        for _ in range(6):
            page.keyboard.press("ArrowUp")
        assert "token 0" in status.inner_text()
        box = page.locator("#at-matrix").bounding_box()
        assert (box["width"] - 92) / sources == pytest.approx((box["height"] - 84) / 4, rel=0.02)  # square cells
        page.locator("#at-view").select_option("rollout")
        assert status.inner_text().startswith("Rollout over all layers:")
        to = page.locator("#at-top td:nth-child(2)").all_inner_texts()
        assert len(to) == min(10, 4 * (sources - 1))
        assert page.evaluate("typeof window.__pwned") == "undefined"
        assert page.locator("img, #at-lines b").count() == 0


def test_all_thirty_layers_can_be_seen_together(browser: Any, tmp_path: Path) -> None:
    case = fixtures.typical()
    deep = record("explainability.attention", 0, detail=attention(layers=30, heads=9))
    path = tmp_path / "deep-report.html"
    path.write_text(render_report(case.result, {"explainability.attention": [deep]}), encoding="utf-8")
    with Watched(browser, path.as_uri()) as page:
        sync_api.expect(page.locator("#at-status")).not_to_be_empty()
        box = page.locator(".overview-box")
        assert box.evaluate("b => b.scrollHeight <= b.clientHeight")
        assert page.locator("#at-overview").bounding_box()["width"] >= 9 * 24


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_screen_has_the_model_the_verdict_and_the_first_risks(browser: Any, pages: Any, width: int) -> None:
    with Watched(browser, pages("demo")["card"], viewport={"width": width, "height": 844}) as page:
        needed = [
            "h1",
            ".verdict",
            ".glance li:nth-child(1)",
            ".glance li:nth-child(2)",
            ".glance li:nth-child(3) .chip",
        ]
        for selector in needed:
            box = page.locator(selector).bounding_box()
            assert box["y"] + box["height"] <= 844, selector
        for name in page.locator(".glance-name").all():
            assert name.bounding_box()["height"] < 40, "a name must not break"


def test_the_selected_weight_is_the_stored_one(browser: Any, pages: Any) -> None:
    with Watched(browser, pages("typical")["report"]) as page:
        sync_api.expect(page.locator("#at-status")).not_to_be_empty()
        page.locator("#at-matrix").focus()
        for _ in range(13):
            page.keyboard.press("ArrowUp")
        # The first token of a causal model can only look at itself.
        assert "token 0 “The” looks at token 0 “The” with weight 1.00" in page.locator("#at-status").inner_text()


def test_twenty_thousand_records_stay_quick(browser: Any, pages: Any) -> None:
    address = pages("many")["report"]
    with Watched(browser, address) as page:
        assert page.locator("#record-status").inner_text().startswith("20,")
        assert page.locator("#record-list details").count() == 25
        began = page.evaluate("performance.now()")
        page.locator("#f-text").fill("question 19999:")
        sync_api.expect(page.locator("#record-status")).to_have_text(re.compile("^1 of"))
        assert page.evaluate("performance.now()") - began < 3000
