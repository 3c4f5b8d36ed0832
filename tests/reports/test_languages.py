"""Catalogues say what the English says, and a page in several languages is one page a language with a switch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from reports.card import render_card
from reports.document import suffixed
from reports.languages import LOCALE, languages, own_name, translations
from reports.technical import render_report
from tests.reports import fixtures
from tests.reports.browsing import Watched

ROOT = Path(__file__).parent.parent.parent
FURTHER = languages()[1:]
PLACES = re.compile(r"%\(\w+\)s|\{[^{}]*\}|%%")
ANCHORS = ("page", "law", "probe", "finding")
# What may differ from its English text in nothing: names, and text that is no language.
SAME = re.compile(r"[\W\d_A-Z]*|.{0,24}")


def messages(language: str) -> list[Message]:
    with (LOCALE / f"{language}.po").open("rb") as file:
        return [m for m in read_po(file, locale=language, abort_invalid=True) if m.id]


def both(message: Message) -> tuple[str, str]:
    """The English of a message (its plural, where it has one) and the translation."""
    english = message.id if isinstance(message.id, str) else message.id[-1]
    told = message.string if isinstance(message.string, str) else message.string[0]
    return english, told


def test_korean_is_there() -> None:
    assert "ko" in FURTHER
    assert own_name("ko") == "한국어"
    with pytest.raises(ValueError, match="no text in tlh"):
        translations("tlh")


@pytest.mark.parametrize("language", FURTHER)
def test_every_place_to_be_filled_is_in_the_translation_once(language: str) -> None:
    for message in messages(language):
        english, told = both(message)
        assert sorted(PLACES.findall(told)) == sorted(PLACES.findall(english)), english
        assert "<" not in told or "<" in english, english
        assert (told[:1] == " ", told[-1:] == " ") == (english[:1] == " ", english[-1:] == " "), english


@pytest.mark.parametrize("language", FURTHER)
def test_nothing_is_left_in_english(language: str) -> None:
    for message in messages(language):
        english, told = both(message)
        assert told, english
        assert told != english or SAME.fullmatch(english), english
        assert not message.fuzzy


def test_the_catalogues_hold_what_templates_probes_and_mappings_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "catalogue.py"), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run docs/catalogue.py and translate what is new\n{done.stdout}{done.stderr}"


def test_ids_and_what_points_to_them_get_the_suffix_and_icons_do_not() -> None:
    markup = (
        '<p id="a" aria-labelledby="b c"><a href="#a">x</a><a href="r.html#a">y</a>'
        '<use href="#i-met"/>id=&#34;a&#34; id="a</p>'
    )
    assert suffixed(markup, "-in-ko") == (
        '<p id="a-in-ko" aria-labelledby="b-in-ko c-in-ko"><a href="#a-in-ko">x</a><a href="r.html#a">y</a>'
        '<use href="#i-met"/>id=&#34;a&#34; id="a</p>'
    )


@pytest.mark.parametrize("make", [fixtures.typical, fixtures.hostile, fixtures.nothing_tested])
@pytest.mark.parametrize("render", [render_card, render_report])
def test_a_page_in_two_languages_has_every_id_once_and_no_dead_end(make: Any, render: Any) -> None:
    case = make()
    html = render(case.result, case.records, languages=("en", "ko"))
    ids = re.findall(r'<[a-z][^<>]*?\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    ends = re.findall(r'<[a-z][^<>]*?\s(?:href="#|for="|aria-labelledby="|aria-controls=")([^"#]*)"', html)
    for name in {part for end in ends for part in end.split(" ")}:
        assert name in ids or name.startswith("ex-"), name
    assert html == render(case.result, case.records, languages=("en", "ko"))
    assert 'lang="ko"' in html
    assert html.count("</main>") == 2


def test_one_language_has_no_switch() -> None:
    case = fixtures.typical()
    for language in ("en", *FURTHER):
        html = render_card(case.result, case.records, languages=(language,))
        assert f'<html lang="{language}">' in html
        assert 'type="radio"' not in html


def test_korean_cards_use_the_four_words() -> None:
    case = fixtures.all_bad()
    html = render_card(case.result, case.records, languages=("ko",))
    assert "문제 발견" in html
    assert "problem found" not in html


def _address(folder: Path, render: Any, kind: str) -> str:
    case = fixtures.typical()
    path = folder / f"both-{kind}.html"
    path.write_text(render(case.result, case.records, languages=("en", "ko")), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_switch_of_the_card_needs_no_script(browser: Any, tmp_path: Path, scripts: bool) -> None:
    address = _address(tmp_path, render_card, "card")
    with Watched(browser, address, viewport={"width": 390, "height": 800}, java_script_enabled=scripts) as page:
        assert page.locator("#title").is_visible()
        assert not page.locator("#title-in-ko").is_visible()
        page.locator("#language-en").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#title-in-ko").is_visible()
        assert not page.locator("#title").is_visible()


def test_the_report_works_in_the_language_that_is_chosen(browser: Any, tmp_path: Path) -> None:
    with Watched(browser, _address(tmp_path, render_report, "report")) as page:
        page.locator("#language-ko").check()
        assert page.evaluate("document.documentElement.lang") == "ko"
        page.locator("#f-text-in-ko").fill("zzz no such text")
        page.locator("#record-list-in-ko details").first.wait_for(state="detached")
        assert page.locator("#record-list details").count() > 0
        words = page.locator("#record-status-in-ko").inner_text()
        assert re.search("[가-힣]", words)


@pytest.mark.parametrize(("render", "kind"), [(render_card, "card"), (render_report, "report")])
def test_korean_fits_a_phone(browser: Any, tmp_path: Path, render: Any, kind: str) -> None:
    """A hash or another long word breaks in Korean as it does in English."""
    case = fixtures.typical()
    digest = "f8b3f488907e754e8173" * 6
    long = case.result.findings[0].model_copy(update={"template": f"The hash is {digest}.", "values": {}})
    result = case.result.model_copy(update={"findings": [long, *case.result.findings[1:]]})
    path = tmp_path / f"phone-{kind}.html"
    path.write_text(render(result, case.records, languages=("en", "ko")), encoding="utf-8")
    with Watched(browser, path.as_uri(), viewport={"width": 320, "height": 800}) as page:
        page.locator("#language-ko").check()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
