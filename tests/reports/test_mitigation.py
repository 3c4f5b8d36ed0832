"""The page of the remedies and the card's box: what they say in each state, and what may never happen in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.results import write_result
from audit.results.mitigation import Mitigation, Remedy, write_mitigation
from reports.card import render_card
from reports.effects import EffectWords
from reports.frontier import CLOSE, LEFT, NARROW, RIGHT, frontier_chart
from reports.mitigation import render_page, unaddressed
from reports.render import render_html, render_mitigation
from tests.reports import fixtures, remedies
from tests.reports.remedies import effect, mitigation, point, rate, remedy, share

CASES: list[Callable[[], Mitigation]] = [remedies.typical, remedies.hostile, mitigation]


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("make", CASES)
def test_same_content_same_bytes_and_nothing_from_elsewhere(make: Callable[[], Mitigation]) -> None:
    html = render_page(make())
    assert html == render_page(make())
    assert "default-src 'none'; style-src 'sha256-" in html
    assert "script-src 'none'" in html
    assert not re.search(r"<(script|img|link|iframe|object|base)\b(?![^>]*href=\"data:,\")", html)
    assert not re.search(r"\sstyle=|\son[a-z]+=\"", re.sub(r">[^<]*<", "><", html))


def test_every_conclusion_is_said_as_plainly_as_the_others() -> None:
    html = render_page(remedies.typical())
    chips = re.findall(r'<span class="chip is-(\w+)">.*?<span>(.*?)</span>', html, re.DOTALL)
    assert chips[:4] == [
        ("helped_at_a_cost", "helped, at a cost"),
        ("helped", "helped"),
        ("did_not_help", "no help shown"),
        ("made_it_worse", "made it worse"),
    ]
    text = plain(html)
    assert "24 points before, 3 points after 21 points less; likely between 17 and 25 points less: better." in text
    assert "24 points before, 22 points after 2 points less; likely between 6 points less and 2 points more" in text
    assert "24 points before, 34 points after 10 points more; likely between 5 and 15 points more: worse." in text
    assert "A remedy out of reach, by race. There is no y_score." in text
    assert "A remedy that broke, by race. It broke off: RuntimeError: singular" in text


def test_costs_shares_and_what_stayed_are_told() -> None:
    text = plain(render_page(mitigation(remedy())))
    assert (
        "What it cost: Right predictions: 68 points before, 65 points after (likely between 2 and 4 points less)."
        in text
    )
    assert "a more often (40 points before, 50 points after); b less often (64 points before, 53 points after)." in text
    assert (
        "No difference was shown in: Both outcomes counting alike (likely between 2 points less and 2 points more)."
        in text
    )
    assert "taking away" not in text
    clean = plain(render_page(mitigation(remedy(effects=[effect()]))))
    assert "No cost was shown in what we measured." in clean


def test_levelling_down_is_told_on_the_page_and_on_the_card() -> None:
    down = remedy(effects=[effect(), share("a", 0.4, 0.41, "no_difference_shown"), share("b", 0.64, 0.4, "lower")])
    assert down.levelled_down
    assert "It closed the gap by taking away." in render_page(mitigation(down))
    case = fixtures.typical()
    assert "by taking favourable decisions away" in render_card(case.result, case.records, mitigation(down))


@pytest.mark.parametrize(
    ("effects", "down"),
    [
        ([effect(), share("b", 0.64, 0.4, "lower")], True),
        ([effect(), share("a", 0.4, 0.5, "higher"), share("b", 0.64, 0.54, "lower")], False),
        ([effect(change="no_difference_shown"), share("b", 0.64, 0.4, "lower")], False),
        ([effect(), share("a", 0.4, 0.5, "higher")], False),
        ([effect(), share("b", 0.64, 0.4, "lower", against="without_remedy")], False),
    ],
)
def test_what_counts_as_levelling_down(effects: list[object], down: bool) -> None:
    assert remedy(effects=effects).levelled_down is down


def conclusion(*effects: object) -> str:
    return Remedy.model_validate(remedy().model_dump() | {"effects": list(effects)}).conclusion


def test_a_conclusion_needs_help_against_everything_it_is_compared_with() -> None:
    alone = effect(against="without_remedy")
    same = effect(change="no_difference_shown")
    cost = rate("accuracy", 0.68, 0.65, "worse")
    assert conclusion(effect(), alone) == "helped"
    assert conclusion(same, alone) == "did_not_help"
    assert conclusion(effect(), alone, cost) == "helped_at_a_cost"
    assert conclusion(same, cost) == "did_not_help"
    assert conclusion(effect(), effect(metric="other", change="worse")) == "made_it_worse"
    assert conclusion(effect(), effect(metric="other", change="no_difference_shown")) == "helped"
    assert conclusion() == "did_not_help"


def test_hostile_text_stays_text() -> None:
    case = fixtures.typical()
    for html in (render_page(remedies.hostile()), render_card(case.result, case.records, remedies.hostile())):
        assert "<script" not in html
        assert "onerror='" not in html
        assert "\u202e" not in html
        assert "\x00" not in html
        assert "{{7*7}}" in html
        assert "⟨U+202E⟩" in html


def test_nothing_found_is_not_called_clean() -> None:
    text = plain(render_page(mitigation(findings=[])))
    assert "so no remedy was tried. That does not say that there is none." in text
    asked = plain(render_page(mitigation(remedy(addresses=[]), findings=[], everything=True)))
    assert "because that was asked for" in asked


def test_a_finding_without_a_remedy_is_named() -> None:
    lonely = mitigation(remedy(addresses=[]))
    assert unaddressed(lonely) == ["bias.group_fairness.selection.race"]
    assert "No remedy was tried for this finding itself." in render_page(lonely)
    assert "No remedy was tried for this finding itself." not in render_page(mitigation(remedy()))


def test_each_chart_has_a_name_a_description_and_its_table() -> None:
    html = render_page(remedies.typical())
    charts = re.findall(r'<svg class="frontier".*?</figure>', html, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        assert re.search(r'role="img" aria-labelledby="(f-\d+-t) (f-\d+-d)"', chart)
        assert re.search(r'<title id="f-\d+-t">[^<]+</title>\s*<desc id="f-\d+-d">[^<]+</desc>', chart)
        assert plain(chart).count("setting ") == 4  # a row of the table for each mark
        assert "68.0 (66.0 – 70.0)" in chart
        assert "3.0 (1.0 – 5.0)" in chart
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_the_kinds_of_marks_differ_in_shape() -> None:
    html = render_page(mitigation(remedy()))
    shapes = dict(re.findall(r'<svg class="mark is-(\w+)"[^>]*>\s*<(\w+)', html))
    assert shapes == {"audited": "rect", "without_remedy": "path", "remedy": "circle"}


def test_labels_of_the_chart_keep_clear_of_each_other() -> None:
    chart = frontier_chart([point(str(i), "remedy", 0.6 + 0.001 * i, 0.1 + 0.0005 * i) for i in range(4)])
    assert chart is not None
    places = [(m.x * NARROW / 100 + m.dx, m.y + m.dy) for m in chart.marks]
    near = [max(abs(a - c), abs(b - d)) for i, (a, b) in enumerate(places) for c, d in places[:i]]
    assert min(near) >= CLOSE - 4
    for mark in chart.marks:
        assert LEFT <= mark.left <= mark.x <= mark.right <= RIGHT
        assert mark.top <= mark.y <= mark.bottom


def test_the_chart_goes_up_with_accuracy_and_right_with_the_gap() -> None:
    chart = frontier_chart([point("A", "audited", 0.8, 0.3), point("1", "remedy", 0.6, 0.1)])
    assert chart is not None
    first, second = chart.marks
    assert first.y < second.y
    assert first.x > second.x
    assert [tick.text for tick in chart.across] == ["10 %", "20 %", "30 %"]
    assert frontier_chart([point("A", "audited", 0.8, 0.3)]) is None
    same = frontier_chart(
        [point(str(i), "remedy", 0.0, 0.0, accuracy_low=0, accuracy_high=0, disparity_high=0) for i in "12"]
    )
    assert same is not None  # no span at all


def test_words_of_an_effect() -> None:
    words = EffectWords(lambda text: text)
    assert words.both(effect(before=None, after=0.004)) == "not measured before, 0.4 points after"
    assert words.value(effect(), -0.0004) == "0 points"
    assert words.value(effect(), -0.005) == "-0.5 points"
    assert words.change(effect(difference=0.0, low=None, high=None, change="no_difference_shown")) == "no difference"
    assert words.range(effect(low=None, high=None)) == "how sure we can be is not known"
    gone = effect(difference=None, low=None, high=None, change="not_measured", reason="not measured with the remedy")
    assert (words.change(gone), words.range(gone)) == ("not measured with the remedy", "")
    odds = effect(unit="nats", before=0.6931, after=0.0953, difference=-0.5978, low=-0.9, high=-0.3)
    assert words.both(odds) == "2.00 times the odds before, 1.10 times the odds after"
    assert words.change(odds) == "a change by a factor of 0.55"
    assert words.range(odds) == "likely between 0.41 and 0.74 times"
    other = effect(unit="words", before=12.5, after=5.0, difference=-7.5, low=-10, high=-5)
    assert words.both(other) == "12.50 words before, 5 words after"
    assert words.range(other) == "likely between 5 and 10 words less"
    held = effect(change="no_difference_shown", p_adjusted=0.06)
    assert words.verdict(held) == "no difference shown, once all aims of the remedy are counted together"


def test_the_card_has_a_box_in_the_section_on_bias_alone() -> None:
    case = fixtures.typical()
    html = render_card(case.result, case.records, remedies.typical())
    assert html.count('class="remedies"') == 1
    bias = html[html.index('id="risk-bias"') :].split("</article>")[0]
    box = plain(bias[bias.index('class="remedies"') :])
    assert "Other thresholds for each group , by race." in box
    assert "24 points before, 3 points after. The price: Right predictions, 68 points before, 65 points after." in box
    assert "22 points after (likely between 6 points less and 2 points more)." in box
    assert "2 could not be tried." in box
    assert 'href="mitigation.html"' in bias
    assert 'class="remedies"' not in render_card(case.result, case.records)
    assert 'class="remedies"' not in render_card(case.result, case.records, mitigation())


def test_a_long_list_is_cut_on_the_card() -> None:
    case = fixtures.typical()
    html = render_card(case.result, case.records, mitigation(*(remedy(id=str(i)) for i in range(9))))
    assert "3 more were tried." in html


def test_the_pages_are_drawn_from_the_folder_alone(tmp_path: Path) -> None:
    case = fixtures.typical()
    write_result(tmp_path, case.result, {})
    assert render_mitigation(tmp_path) is None
    assert [p.name for p in render_html(tmp_path)] == ["card.html", "report.html"]
    write_mitigation(tmp_path, remedies.typical())
    assert [p.name for p in render_html(tmp_path)] == ["card.html", "report.html", "mitigation.html"]
    page = (tmp_path / "mitigation.html").read_text()
    (tmp_path / "mitigation.html").unlink()
    assert render_mitigation(tmp_path) == tmp_path / "mitigation.html"
    assert (tmp_path / "mitigation.html").read_text() == page


def test_remedies_of_another_audit_are_not_told_as_this_ones(tmp_path: Path) -> None:
    case = fixtures.typical()
    write_result(tmp_path, case.result, {})
    write_mitigation(tmp_path, mitigation(remedy(), audit_id="another"))
    assert [p.name for p in render_html(tmp_path)] == ["card.html", "report.html"]
    assert "mitigation.html" not in (tmp_path / "card.html").read_text()


def test_a_control_is_no_remedy_and_what_it_does_as_well_is_told() -> None:
    tried = remedy(id="instruction.even_handed", title="An instruction")
    control = remedy(id="instruction.control", title="Something else", control=True)
    idle = control.model_copy(update={"effects": [effect(change="no_difference_shown")]})
    other = control.model_copy(update={"id": "lora.control"})
    page = plain(render_page(mitigation(tried, control)))
    assert "Its control did as well." in page
    assert "Something else" in page
    assert "(control)" in page
    assert "This is a control, not a remedy" in page
    for beside in (idle, other):
        assert "Its control did as well." not in plain(render_page(mitigation(tried, beside)))
    case = fixtures.typical()
    card = plain(render_card(case.result, case.records, mitigation(tried, control)))
    assert "An instruction" in card
    assert "The same without its content did as well" in card
    assert "did as well" not in plain(render_card(case.result, case.records, mitigation(tried, idle)))
    assert "Something else" not in card


def test_of_many_aims_those_that_changed_are_shown_first_and_all_stand_in_the_table() -> None:
    idle = [effect(metric=f"m[{i}]", label=f"Number {i}", slice=str(i), change="no_difference_shown") for i in range(9)]
    text = plain(render_page(mitigation(remedy(effects=[*idle, effect(label="The one that fell")], learnt_from=0))))
    shown, _, table = text.partition("All numbers")
    assert shown.count("Number ") == 5
    assert shown.index("The one that fell") < shown.index("Number 0")
    assert "4 more numbers that it aimed at stand under" in text
    assert all(f"Number {i}" in table for i in range(9))
    assert "made from 0" not in text
