"""The page of audits side by side: every number is the comparison's, every word rests on it, nothing hostile is markup."""

from __future__ import annotations

import html as markup
import re

import pytest

from audit.results import MODEL_PARTS, Difference
from reports.charts import scale_of
from reports.comparison import MOST_FIRST, render_comparison
from reports.languages import languages
from tests.reports import comparisons, fixtures
from tests.reports.comparisons import BIAS, TRUTH, compared, result
from tests.reports.makers import manifest, model, rate


def plain(html: str) -> str:
    """The visible text."""
    body = re.sub(r"<(style|title|desc)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(markup.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def article(html: str, metric: str) -> str:
    """The part of one metric."""
    return next(a for a in re.findall(r"<article.*?</article>", html, re.DOTALL) if f"<code>{metric}</code>" in a)


def chips(html: str) -> list[str]:
    return re.findall(r'<span class="chip is-(\w+)">', html)


@pytest.mark.parametrize("make", ["three", "same", "hostile", "lacking_all"])
def test_the_same_content_gives_the_same_page_that_asks_for_nothing(make: str) -> None:
    html = render_comparison(*getattr(comparisons, make)())
    assert html == render_comparison(*getattr(comparisons, make)())
    assert "script-src 'none'" in html
    assert not re.search(r"<(script|img|link|iframe|object|base)\b(?![^>]*href=\"data:,\")", html)
    assert not re.search(r"\sstyle=|\son[a-z]+=\"", re.sub(r">[^<]*<", "><", html))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_each_row_says_its_words_and_the_numbers_of_the_comparison() -> None:
    results, names, comparison = comparisons.three()
    html = render_comparison(results, names, comparison)
    part = article(html, f"{BIAS}.preference")
    assert chips(part) == ["worse", "worse"]
    text = plain(part)
    assert "A 50 % (100 of 200)" in text
    assert "B 95 % (190 of 200)" in text
    row = comparison.rows[0]
    for difference, value in zip(row.differences[1:], (0.45, 0.13), strict=True):
        assert difference is not None
        assert difference.low is not None
        assert difference.high is not None
        assert difference.value == pytest.approx(value)
        low, high = (
            f"{100 * x:.0f}" if abs(x) >= 0.0995 else f"{100 * x:.1f}" for x in (difference.low, difference.high)
        )
        assert f"{100 * value:.0f} points more; likely between {low} and {high} points more." in text


def test_dots_and_whiskers_stand_where_the_numbers_are() -> None:
    results, names, comparison = comparisons.three()
    part = article(render_comparison(results, names, comparison), f"{BIAS}.preference")
    numbers = [m for m in comparison.rows[0].found if m is not None]
    scale = scale_of(numbers)
    assert re.findall(r'<circle class="dot[^"]*" cx="([\d.]+)%"', part) == [
        f"{scale.place(m.value or 0)}" for m in numbers
    ]
    ends = [e[:2] for e in re.findall(r'<line class="whisker" x1="([\d.]+)%" x2="([\d.]+)%" y1="(\d+)" y2="\3"', part)]
    assert ends == [(f"{scale.place(m.low or 0)}", f"{scale.place(m.high or 0)}") for m in numbers]


def test_what_one_lacks_is_said_with_its_reason() -> None:
    html = render_comparison(*comparisons.three())
    text = plain(article(html, f"{TRUTH}.mc1"))
    assert "C Not tested: The probe failed: It broke." in text
    assert "C against A cannot be compared" in text
    assert "It has no number. The probe failed: It broke." in text


def test_no_difference_shown_says_how_large_one_may_be_and_never_that_they_are_the_same() -> None:
    html = render_comparison(*comparisons.same())
    assert set(chips(html)) & {"better", "worse", "higher", "lower"} == set()
    part = plain(article(html, f"{BIAS}.preference"))
    assert re.search(
        r"We saw no difference\. The true difference is likely between [\d.]+ points less and [\d.]+ points more", part
    )
    assert "“No difference shown” does not say that they are the same." in plain(html)


def test_the_counts_at_the_top_are_those_of_the_rows() -> None:
    results, names, comparison = comparisons.three()
    html = render_comparison(results, names, comparison)
    told = dict(re.findall(r"<strong>([BC])</strong> against.*?</span>(.*?)</p>", html, re.DOTALL)[:2])
    for place, letter in enumerate("BC", start=1):
        words = [row.differences[place].word for row in comparison.rows if row.differences[place]]
        assert {word: str(words.count(word)) for word in words} == dict(
            re.findall(r'chip is-(\w+)">.*?</span></span> (\d+)</span>', told[letter], re.DOTALL)
        )
    assert f"all {comparison.tests} comparisons of this page" in plain(html)
    assert "wrong is at most 5 %." in plain(html)


def test_what_differs_between_them_is_told_and_what_is_not_known_too() -> None:
    known = {"tokenizer_sha256": "b" * 64, "chat_template_sha256": "c" * 64}
    one = result(100, model=model(**known))
    two = result(
        100, model=model(**known, dtype="bfloat16"), manifest=manifest(config={"run": {"seed": 1}}, tool_version="9.0")
    )
    text = plain(render_comparison(*compared(one, two, one)))
    assert (
        "B differs from A in: number format (float32 → bfloat16), settings (probes.bias.crows_pairs.limit: 200 → –; "
        in text
    )
    assert "program of the audit (0.1.0 → 9.0)." in text
    assert "C differs from A in: nothing that we know of." in text
    unseen = result(100, model=model(weights_sha256=None))
    told = plain(render_comparison(*compared(unseen, unseen)))
    assert "Whether these are the same is not known: weights, tokenizer, chat template." in told
    assert set(MODEL_PARTS) == {"weights", "tokenizer", "template", "number_format"}


def test_each_risk_has_the_word_of_every_audit() -> None:
    html = render_comparison(*comparisons.three())
    table = re.search(r'<table class="stack risks".*?</table>', html, re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr role=\"row\"><th scope=\"row\".*?</tr>", table[0], re.DOTALL)
    assert chips(rows[0]) == ["problem_found", "no_problem_found", "unclear"]
    assert chips(rows[1]) == ["unclear", "unclear", "not_tested"]
    assert [chips(row) for row in rows[2:]] == [["not_tested"] * 3] * 2


def shown(difference: Difference) -> str:
    """The sentence of a difference that was put in by hand."""
    results, names, comparison = compared(result(100), result(110))
    row = comparison.rows[0].model_copy(update={"differences": (None, difference)})
    html = render_comparison(results, names, comparison.model_copy(update={"rows": (row,)}))
    return plain(article(html, f"{BIAS}.preference")).split("B against A")[1]


def test_what_the_comparison_rests_on_is_said() -> None:
    told = {"word": "worse", "value": 0.05, "low": 0.01, "high": 0.09, "p_adjusted": 0.01}
    whole = shown(Difference(**told, paired=True, shared=200, only_here=0, only_there=0, changed=0))
    assert "worse 5 points more; likely between 1 and 9 points more. Compared try by try on the same 200." in whole
    part = shown(Difference(**told, paired=True, shared=185, only_here=4, only_there=10, changed=5))
    assert "Compared on the 185 tries that both share, of 200 in the first and 194 in this one." in part
    apart = shown(Difference(**told, unpaired="Nothing is shared."))
    assert "Compared as two separate samples: Nothing is shared." in apart


def test_what_is_of_a_shared_part_says_so_before_the_difference_and_with_its_own_shares() -> None:
    told = {"word": "no_difference_shown", "value": 0.25, "low": -0.1, "high": 0.6, "here": 0.5, "there": 0.25}
    held = shown(Difference(**told, paired=True, shared=12, only_here=69, only_there=69, changed=0))
    basis = "Compared on the 12 tries that both share, of 81 in the first and 81 in this one."
    assert f"{basis} On these: 25 % in the first, 50 % in this one. We saw 25 points more" in held
    assert held.count("Compared") == 1


def test_a_row_leads_to_its_numbers() -> None:
    results, names, comparison = comparisons.three()
    html = render_comparison(results, names, comparison, cards=["./a.html", None, "./c.html"])
    places = re.findall(r'href="#(n-c-[0-9]+)"', html)
    assert places
    assert all(html.count(f'id="{place}"') == 1 for place in places)
    assert '<a href="./a.html#risk-bias"><span class="letter">A</span></a>' in html
    assert '<li><span class="letter">B</span>' in html


def test_what_only_one_of_them_measured_is_counted_by_itself() -> None:
    results, names, comparison = comparisons.three()
    lacking = sum(bool(row.missing[0] or row.missing[2]) for row in comparison.rows)
    assert lacking
    told = plain(render_comparison(results, names, comparison)).split("C against A :")[1]
    assert f"of these not measured by both: {lacking}" in told


def test_audits_of_one_model_are_told_apart_by_letters_in_the_drawings() -> None:
    html = article(render_comparison(*comparisons.same()), f"{BIAS}.preference")
    assert "A · " not in html
    assert "A · " in article(render_comparison(*comparisons.three()), f"{BIAS}.preference")


def test_a_difference_that_counts_alone_but_not_among_many_says_so() -> None:
    alone = Difference(word="no_difference_shown", value=0.05, low=0.01, high=0.09, p_adjusted=0.3)
    assert "Alone this would count as a difference" in shown(alone)
    wide = Difference(word="no_difference_shown", value=0.05, low=-0.01, high=0.11, p_adjusted=0.3)
    assert "Alone this would count" not in shown(wide)


def test_numbers_that_are_the_same_because_all_were_counted_have_no_range() -> None:
    counted = Difference(word="no_difference_shown", value=0, low=0, high=0)
    assert "no difference shown no difference." in shown(counted)


def test_numbers_that_nobody_else_has_stand_together_and_not_among_the_others() -> None:
    full = result(100)
    odd = full.measurements[3].model_copy(update={"unit": "words"})
    html = render_comparison(*compared(full, full.model_copy(update={"measurements": [full.measurements[0], odd]})))
    assert html.count("<article") == 1
    text = plain(html)
    assert "2 numbers that cannot be compared" in text
    assert (
        f"True answer preferred {TRUTH}.mc1 : A 29 % (58 of 200); likely between 23 % and 35 %; B not tested: The audit"
        in text
    )
    assert "(B: It is measured in another way now: in words and not in rate.)" in text


def test_what_is_worse_stands_first_and_the_rest_is_folded_away() -> None:
    few = [rate(f"{BIAS}.m{i:02}", 10, 200, f"Number {i}", clusters=None) for i in range(20)]
    many = [m.model_copy(update={"value": 0.9, "low": 0.85, "high": 0.95}) for m in few]
    better = (
        few[0].model_copy(update={"direction": "higher_is_better"}),
        many[0].model_copy(update={"direction": "higher_is_better"}),
    )
    one, two = (
        result(100, measurements=[better[0], *few[1:]]),
        result(100, measurements=[better[1], *many[1:14], *few[14:]]),
    )
    html = render_comparison(*compared(one, two))
    open_, folded = html.split('<details class="more-numbers">')
    assert open_.count("<article") == MOST_FIRST
    assert all(chips(a) == ["worse"] for a in re.findall(r"<article.*?</article>", open_, re.DOTALL))
    words = [chips(a)[0] for a in re.findall(r"<article.*?</article>", folded, re.DOTALL)]
    assert words == ["worse", "better", *["no_difference_shown"] * 6]
    assert "8 more numbers" in plain(folded)


def test_nothing_to_compare_is_said() -> None:
    assert "None of these audits holds a number that could be compared." in plain(
        render_comparison(*comparisons.lacking_all())
    )


def test_hostile_text_stays_text() -> None:
    html = render_comparison(*comparisons.hostile())
    assert "<script" not in html
    assert "onerror='" not in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "{{7*7}}" in html
    assert "⟨U+202E⟩" in html


def test_cards_are_linked_where_they_are() -> None:
    html = render_comparison(*comparisons.same(), cards=["./a%20b/card.html", None])
    assert html.count('<a href="./a%20b/card.html">') == 1


def test_every_language_is_a_page() -> None:
    html = render_comparison(*comparisons.three(), languages=languages())
    assert html.count('<main id="main') == len(languages())


def test_a_page_of_one_word_for_all_results_does_not_name_them_twice() -> None:
    head = re.search(r"<h1.*?</h1>", render_comparison(*comparisons.same()), re.DOTALL)
    assert head is not None
    assert plain(head[0]) == "SmolLM2-135M-Instruct : 2 audits"
    assert fixtures.typical().result.model.name == "SmolLM2-135M-Instruct"
