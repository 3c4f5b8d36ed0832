"""Explanations in a real browser: every view by keyboard, without script, at every width, and with hostile material."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.results.schema import Record
from reports.card import render_card
from reports.technical import render_report
from tests.reports.browsing import WIDTH, Watched
from tests.reports.explanations import (
    LENS,
    LOOK,
    PATCH,
    case_of,
    decision,
    explained,
    explained_answer,
    lens,
    looked,
    patching,
)
from tests.reports.makers import HOSTILE, record

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The addresses of the card and the report of these records, or of the case that holds every kind."""

    def draw(records: Sequence[Record] | None = None) -> dict[str, str]:
        case = explained() if records is None else case_of(records)
        addresses = {}
        for kind, render in (("card", render_card), ("report", render_report)):
            path = tmp_path / f"explained-{kind}.html"
            path.write_text(render(case.result, case.records), encoding="utf-8")
            addresses[kind] = path.as_uri()
        return addresses

    return draw


@pytest.mark.parametrize("kind", ["card", "report"])
def test_all_views_fit_every_width(browser: Any, drawn: Any, kind: str) -> None:
    with Watched(browser, drawn()[kind], color_scheme="dark") as page:
        for width in (320, 390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
            page.wait_for_timeout(200)
            assert page.evaluate(WIDTH) <= width, width


def test_without_script_every_view_has_its_numbers(browser: Any, drawn: Any) -> None:
    with Watched(browser, drawn()["report"], java_script_enabled=False) as page:
        assert page.locator("#attributions .tokens").first.is_visible()
        assert not page.locator(".by-token").first.is_visible()
        page.locator("#attributions summary", has_text="strongest input word").first.click()
        assert page.get_by_role("cell", name="␣nur").first.is_visible()
        page.locator("#attributions summary", has_text="integrated gradients").first.click()
        assert page.get_by_text("not converged: 31% off").first.is_visible()
        page.locator("#plain-attention summary").first.click()
        assert page.get_by_text("Does a head join").is_visible()
        assert page.locator("#inside svg.lens").first.is_visible()
        assert page.locator("#inside table.patching").is_visible()
        assert not page.locator("#attention-viewer").is_visible()


def test_a_token_of_the_answer_is_picked_by_keyboard(browser: Any, drawn: Any) -> None:
    with Watched(browser, drawn()["report"]) as page:
        place = page.locator(".by-token").first
        sync_api.expect(place).to_be_visible()
        status = place.get_by_role("status")
        assert status.inner_text().startswith("For “␣nur”: nurse +1.90, doctor -1.40")
        place.get_by_role("radio").first.focus()
        page.keyboard.press("ArrowRight")
        assert status.inner_text().startswith("For “se”: ")
        assert place.locator(".tokens sup").count() > 0
        assert place.locator("[class*='plus-5']").count() == 0  # one scale for all tokens of the answer
        page.keyboard.press("ArrowRight")
        assert status.inner_text().startswith("For “.”: no input word stands out")
        assert place.locator(".tokens sup").count() == 0


def test_the_viewer_opens_on_what_the_example_marks_and_tells_of_the_head(browser: Any, drawn: Any) -> None:
    with Watched(browser, drawn()["report"]) as page:
        status = page.locator("#at-status")
        sync_api.expect(status).to_contain_text("token 6 “␣she” looks at token 1 “␣nurse”")
        assert page.locator("#at-caption").inner_text().startswith("Does a head join")
        assert page.locator("#at-missing li").count() == 2
        assert page.locator("#at-marked").is_visible()
        assert page.locator("#plain-attention").count() == 0
        # The overview's letters are also a list of buttons; the last layer is called 5 here, for two have no picture.
        page.locator("#at-roles button", has_text="layer 5, head 0").click()
        assert status.inner_text().startswith("Layer 5, head 0:")
        assert "Its role: first token." in status.inner_text()
        assert (
            "It looks 3.00 tokens away on average; the heads of this layer between 3.00 and 5.00."
            in status.inner_text()
        )
        assert page.locator("#at-layer option").all_inner_texts() == ["0", "1", "2", "5"]
        assert page.locator("#at-roles button").count() == 4  # a layer or head that is not there is no button
        page.locator("#at-example").select_option("1")  # has none of these
        sync_api.expect(page.locator("#at-missing-box")).to_be_hidden()
        assert page.locator("#at-roles-box").is_hidden()
        assert page.locator("#at-marked").is_hidden()
        assert page.locator("#at-caption").inner_text() == ""


def test_marks_can_name_the_head_and_roles_can_come_from_a_probe_of_their_own(browser: Any, drawn: Any) -> None:
    marks = {"from": [6], "to": [4], "layer": 3, "head": 1}
    role = {
        "kind": "head_roles",
        "role": "induction",
        "layer_numbers": [0, 1, 2, 5],
        "scores": [[0.5] * 3] * 4,
        "heads": [[5, 1]],
    }
    records = [
        record(LOOK, 0, detail=looked(marks=marks, roles={})),
        record("explainability.head_roles", 0, detail=role),
    ]
    with Watched(browser, drawn(records)["report"]) as page:
        status = page.locator("#at-status")
        sync_api.expect(status).to_contain_text("Layer 5, head 1: token 6 “␣she” looks at token 4 “␣doctor”")
        assert status.inner_text().endswith("Its role: induction.")
        assert page.locator("#at-roles button").all_inner_texts() == ["layer 5, head 1"]


def test_the_other_maps_are_views_with_their_own_limits(browser: Any, drawn: Any) -> None:
    with Watched(browser, drawn()["report"]) as page:
        status = page.locator("#at-status")
        sync_api.expect(status).to_contain_text("token 6")
        limits = {page.locator("#at-limits").inner_text()}
        for view, said in (
            ("rollout", "Rollout over all layers: token 6"),
            ("gradient", "Weighted by gradient, over all layers: token 6 “␣she” draws 0.14"),
            ("norms", "Weighted by the size of what is carried, over all layers: token 6 “␣she” draws 0.00"),
            ("flow", "Flow through all layers: token 1 “␣nurse” has a share of 0.75"),
        ):
            page.locator("#at-view").select_option(view)
            assert status.inner_text().startswith(said), view
            assert page.locator("#at-layer").is_disabled()
            limits.add(page.locator("#at-limits").inner_text())
        assert len(limits) == 5
        assert page.locator("#at-lines .ray-from").all_text_contents() == ["decides"]
        page.locator("#at-matrix").focus()
        page.keyboard.press("ArrowRight")
        assert "token 2 “" in status.inner_text()
        assert page.locator("#at-top tr").first.inner_text().split("\t")[1:] == ["1 ␣nurse", "0.75"]
        page.locator("#at-view").select_option("head")
        assert status.inner_text().startswith("Layer 0, head 2: token 6")  # the row is where it was
        page.locator("#at-view").select_option("flow")
        page.locator("#at-example").select_option("1")  # has no flow, and only a rollout of the maps
        sync_api.expect(status).to_contain_text("Layer")
        enabled = page.locator("#at-view option:not([disabled])")
        assert enabled.evaluate_all("all => all.map(o => o.value)") == ["head", "rollout"]
        modes = page.locator("#at-mode option:not([disabled])")
        assert modes.evaluate_all("all => all.map(o => o.value)") == ["pictures", "entropy", "sink"]


def test_hostile_explanations_are_inert(browser: Any, drawn: Any) -> None:
    long = HOSTILE + "x" * 50_000
    tokens = [HOSTILE, long, *looked()["tokens"][2:]]
    records = [
        decision(0, explained_answer(answer_tokens=[HOSTILE, long, "."], method=HOSTILE, target=long)),
        record(LOOK, 0, detail=looked(tokens=tokens, caption=long, missing=[HOSTILE], roles={HOSTILE: [[0, 1]]})),
        record(LENS, 0, detail=lens(target=HOSTILE, contrast_text=long, top=[HOSTILE] * 13)),
        record(PATCH, 0, detail=patching(tokens=[HOSTILE, long, *"abcdefgh"], target=HOSTILE)),
    ]
    for kind, address in drawn(records).items():
        with Watched(browser, address, viewport={"width": 320, "height": 800}) as page:
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
            if kind == "report":
                sync_api.expect(page.locator("#at-status")).to_contain_text("</script>")
                page.locator(".by-token").get_by_role("radio").nth(1).check(force=True)
                for view in ("flow", "norms"):
                    page.locator("#at-view").select_option(view)
            assert page.evaluate("typeof window.__pwned") == "undefined"
            assert page.locator("img, iframe, object").count() == 0
            assert page.evaluate(WIDTH) <= 320


def test_malformed_parts_leave_out_their_own_view_only(browser: Any, drawn: Any) -> None:
    broken = looked(
        maps={"gradient": "%%%", "norms": 7}, flow=["nan"], entropy=[["nan"]], sink=None, distance={}, roles=[[1]],
        marks={"from": ["x", 99], "to": None}, missing=3, caption=["a"], layer_numbers=["a"], rollout="AAAA",
    )  # fmt: skip
    records = [
        record(LOOK, 0, detail=looked(weights="AAAA")),
        record(LOOK, 1, detail=broken, input="The broken one"),
        decision(0, explained_answer(by_token=[["nan"]])),
        record(LENS, 0, detail=lens(answer="nan")),
        record(PATCH, 0, detail=patching(values=[[None]])),
    ]
    with Watched(browser, drawn(records)["report"]) as page:
        sync_api.expect(page.locator("#at-status")).to_contain_text(re.compile(r"^Layer \d, head \d: token 13"))
        assert page.locator("#at-example option").all_inner_texts() == ["1: The broken one"]
        assert page.locator("#at-view option:not([disabled])").count() == 1
        assert page.locator("#at-mode option:not([disabled])").count() == 1
        assert page.locator("#at-roles-box").is_hidden()
        assert page.locator(".by-token, #inside").count() == 0
        page.locator("#at-overview").focus()
        page.keyboard.press("ArrowDown")
        assert "token 13" in page.locator("#at-status").inner_text()


def test_pictures_can_be_told_apart_on_paper(browser: Any, drawn: Any) -> None:
    with Watched(browser, drawn()["report"], color_scheme="dark") as page:
        page.emulate_media(media="print")
        style = "e => ['Style', 'Width', 'Color'].map(part => getComputedStyle(e)[`borderBottom${part}`])"
        plus = page.locator("#attributions .tokens .plus-5").first.evaluate(style)
        minus = page.locator("#attributions .tokens [class*='minus-']").first.evaluate(style)
        assert (plus[0], minus[0]) == ("solid", "double")
        assert float(minus[1].removesuffix("px")) >= 3  # thinner, and the two lines run into one
        assert plus[2] == "rgb(122, 50, 0)"  # dark on white, whatever the screen showed
        assert page.locator("#inside svg.lens").first.is_visible()
