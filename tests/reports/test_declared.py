"""What the owner declares, on every page: never a verdict, nothing missing left out, no link that is not a web address."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.declared import CardConfig, declarations
from audit.results.facts import Declaration, DeclaredEvidence
from reports.card import render_card
from reports.declared import LABELS, STATUS_WORDS, count_sentence, declared_in
from reports.exports.modelcard import render_modelcard
from reports.technical import render_report
from tests.reports import fixtures
from tests.reports.browsing import Watched
from tests.reports.fixtures import Case
from tests.reports.makers import model

PAGES: list[Callable[[Case], str]] = [
    lambda case: render_card(case.result, case.records),
    lambda case: render_report(case.result, case.records),
]


def said(*found: Declaration, **declared: str) -> Case:
    case = fixtures.nothing_tested()
    facts = model(declared=declared, declarations=list(found))
    return replace(case, result=case.result.model_copy(update={"model": facts}))


def section(html: str) -> str:
    start = html.index('<section id="declared"')
    return html[start : html.index("</section>", start)]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_every_declaration_has_its_name() -> None:
    assert list(LABELS) == [d.field for d in declarations(CardConfig())]
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize("page", PAGES)
def test_each_has_a_word_and_an_icon_and_the_missing_ones_are_there(page: Callable[[Case], str]) -> None:
    html = section(page(fixtures.typical()))
    text = words(html)
    assert "What the owner declares (not measured by us)" in text
    assert "7 of 29 declared, 3 with evidence, 1 whose evidence does not match." in text
    for label in LABELS.values():
        assert label.replace("'", "&#39;") in html
    for status in STATUS_WORDS:
        assert f'class="said said-{status}"' in html
        assert f'href="#s-{status}"' in html
    assert html.count("said-evidenced") == 3
    assert "oversight.pdf . We compared it: the file has this hash." in text
    assert "opt-outs.pdf . Evidence does not match: the file has another hash" in text
    assert "mails.txt . The file was not there at the audit, so we did not compare it." in text


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("make", [fixtures.typical, fixtures.nothing_tested, fixtures.hostile])
def test_it_never_looks_like_a_measured_verdict(make: Callable[[], Case], page: Callable[[Case], str]) -> None:
    html = section(page(make()))
    assert not re.search(r'class="[^"]*\b(chip|is-|icon-)', html)
    assert not re.search(r"#i-", html)
    for verdict in ("problem found", "too little evidence", "not tested", "not met", "not established"):
        assert verdict not in words(html)


@pytest.mark.parametrize("page", PAGES)
def test_links_are_shown_in_full_and_give_nothing_away(page: Callable[[Case], str]) -> None:
    html = section(page(fixtures.typical()))
    link = "https://example.org/data?part=1&amp;of=2"
    assert f'<a href="{link}" rel="noopener noreferrer nofollow">{link}</a> <span>(not opened by us)</span>' in html


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://a.example",
        "data:text/html,x",
        "https://bank.example@evil.example/",
        "https://",
        "https://[x",
        "https://a.example/\u202egpj.exe",
        "https://a.example/ b",
        '" onmouseover="x',
        "https://a.example/" + "x" * 5000,
    ],
)
def test_no_other_link_can_be_followed(link: str, page: Callable[[Case], str]) -> None:
    evidence = DeclaredEvidence(link=link, check="not_checked")
    html = section(page(said(Declaration(field="owner", status="evidenced", text="x", evidence=evidence))))
    assert "<a " not in html
    assert "(not opened by us)" in words(html).replace("( ", "(")
    assert not re.search(r'<[^>]* on\w+="', html)


@pytest.mark.parametrize("page", PAGES)
def test_hostile_words_stay_words(page: Callable[[Case], str]) -> None:
    html = section(page(fixtures.hostile()))
    assert not re.search(r"<(script|img|a)\b", html)
    assert "{{7*7}}" in html
    assert "⟨U+202E⟩" in html
    assert html.count("evidence does not match") >= 4


def test_results_of_earlier_versions_show_what_they_have() -> None:
    old = declared_in(said(owner="Old Ltd", licence=" ", house_rule="x").result.model)
    assert [(row.label, row.declaration.text) for row in old.everything if row.declaration.text] == [
        ("Owner", "Old Ltd")
    ]
    assert count_sentence(old) == "1 of 29 declared, 0 with evidence."


def test_a_subject_of_a_later_version_is_shown_by_its_key() -> None:
    later = declared_in(said(Declaration(field="water_rights", status="declared", text="x")).result.model)
    assert [row.label for row in later.card][-1] == "water_rights"
    assert count_sentence(later) == "1 of 30 declared, 0 with evidence."


def test_the_hub_card_has_them_apart_with_the_missing() -> None:
    text = render_modelcard(fixtures.typical().result)
    table = text.split("## What the Owner Declares")[1].split("\n## ")[0]
    assert "Not measured by us. 7 of 29 declared, 3 with evidence, 1 whose evidence does not match." in table
    assert table.count("\n| ") == 2 + 29
    assert "| Licence | not provided by the model's owner |  |  |" in table
    assert "| Impact: Whether the effects can be undone | declared, with evidence |" in table
    assert "We did not open this link." in table
    assert "the file has another hash" in table


def test_a_hash_alone_is_said_not_to_be_compared() -> None:
    evidence = DeclaredEvidence(sha256="ab" * 32, check="not_checked")
    case = said(Declaration(field="copyright", status="evidenced", text="x", evidence=evidence))
    assert "(not compared by us)" in section(PAGES[0](case))
    assert "We did not compare this hash." in render_modelcard(case.result)


def test_a_mismatch_can_be_read_on_paper(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "card.html"
    path.write_text(PAGES[0](fixtures.typical()), encoding="utf-8")
    with Watched(browser, path.as_uri(), color_scheme="dark") as page:
        page.emulate_media(media="print")
        style = page.locator(".said-mismatch").evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
        )
    assert style == ["rgb(60, 42, 94)", "rgba(0, 0, 0, 0)"]  # browsers leave backgrounds out
