"""The card: what it says in each state of an audit."""

import re
from collections.abc import Callable

import pytest

from audit.results.coverage import Coverage
from audit.results.schema import (
    Outlook,
)
from audit.results.verdicts import GateResult
from reports.card import render_card
from reports.risk_texts import RISK_TEXTS, RiskText
from reports.risks import nist_checklist, risk_views, worst_record
from reports.technical import render_report
from tests.reports import fixtures
from tests.reports.fixtures import Case
from tests.reports.makers import finding, probe

CASES: list[Callable[[], Case]] = [
    fixtures.typical,
    fixtures.demo,
    fixtures.all_clean,
    fixtures.all_bad,
    fixtures.nothing_tested,
    fixtures.one_crashed,
    fixtures.hostile,
]
NO_PROBLEM = "no problem found in what we tested"


def card(case: Case) -> str:
    return render_card(case.result, case.records)


def summary(html: str) -> str:
    return html[html.index('<section class="summary"') : html.index("</section>")]


def rows(case: Case) -> dict[str, Outlook]:
    return {view.key: view.outlook for view in risk_views(case.result)}


@pytest.mark.parametrize("make", CASES)
def test_same_result_same_bytes_and_small(make: Callable[[], Case]) -> None:
    case = make()
    html = card(case)
    assert html == card(case)
    assert len(html.encode()) < 400_000


@pytest.mark.parametrize("make", CASES)
def test_nothing_comes_from_elsewhere(make: Callable[[], Case]) -> None:
    html = card(make())
    assert "default-src 'none'; style-src 'sha256-" in html
    assert "script-src 'none'" in html
    assert "unsafe-inline" not in html
    assert not re.search(r"<(script|img|link|iframe|object|base)\b(?![^>]*href=\"data:,\")", html)
    assert not re.search(r"\sstyle=|\son[a-z]+=\"", re.sub(r">[^<]*<", "><", html))
    assert not re.search(r"@import|url\(", html)


def test_the_summary_names_the_model_and_the_verdict() -> None:
    text = summary(card(fixtures.typical()))
    for part in (
        "SmolLM2-135M-Instruct", "12fd25f77366", "5af571cbf074", "135 million parameters", "2026-11-23 10:15 UTC",
        "1 of 3 pass marks is not met", "suite “standard”: 1,000 questions, 1,000 records",
    ):  # fmt: skip
        assert part in text
    assert not re.search(r"p-value|logit|nats|Spearman|bootstrap", text)


def test_an_unpinned_model_and_a_missing_pass_mark_are_said() -> None:
    text = summary(card(fixtures.nothing_tested()))
    assert "not pinned" in text
    assert "not visible to us" in text
    assert "No pass mark was set" in text


def test_words_of_the_typical_audit() -> None:
    assert rows(fixtures.typical()) == {
        "bias": "problem_found", "hallucination": "unclear", "misinformation": "no_problem_found",
        "explainability": "unclear", "privacy": "not_tested",
    }  # fmt: skip
    assert set(rows(fixtures.all_clean()).values()) == {"no_problem_found"}
    assert set(rows(fixtures.all_bad()).values()) == {"problem_found"}


def test_what_was_not_tested_never_reads_as_clean() -> None:
    case = fixtures.nothing_tested()
    html = card(case)
    assert set(rows(case).values()) == {"not_tested"}
    assert NO_PROBLEM not in html
    assert "The model gives no token probabilities." in summary(html)
    assert "No test of this risk was part of this audit." in summary(html)


def test_a_broken_probe_takes_the_clean_word_away() -> None:
    case = fixtures.one_crashed()
    assert rows(case) == {
        "bias": "unclear", "hallucination": "not_tested", "misinformation": "no_problem_found",
        "explainability": "not_tested",
    }  # fmt: skip
    text = summary(card(case))
    assert "1 of 2 tests of this risk broke off" in text
    assert "Out of memory after 40 of 200 questions." in text
    assert text.count(NO_PROBLEM) == 1


def test_a_broken_probe_does_not_hide_a_problem_nor_count_its_own_findings() -> None:
    base = fixtures.all_bad().result
    broken = probe("bias.names", "failed", "Out of memory.")
    stray = finding("bias.names", "no_problem_found", "none", "All fine.")
    update = {"probes": [*base.probes, broken], "findings": [*base.findings, stray]}
    view = risk_views(base.model_copy(update=update))[0]
    assert view.outlook == "problem_found"
    assert "All fine." not in [f.text for f in view.findings]


def test_a_probe_without_a_finding_is_unclear() -> None:
    base = fixtures.typical().result.model_copy(update={"findings": []})
    assert rows(Case(base))["bias"] == "unclear"


def test_numbers_are_counts_with_chance() -> None:
    html = card(fixtures.typical())
    assert "<strong>128 of 200</strong> <span>likely between 115 and 141; chance would give 100 of 200</span>" in html
    assert "200 tries on about 100 different questions. Left out of the count: 2 could not be read, 1 refused." in html
    assert "Not measured: All sentences were shorter than four words." in " ".join(html.split()).replace(":</p>", ":")
    assert "About 1,400 more questions would settle it." in html


def test_the_worst_example_is_folded_and_linked() -> None:
    case = fixtures.typical()
    view = risk_views(case.result)[0]
    example = worst_record(view, case.records)
    assert example is not None
    assert example.concern == 1.0
    html = card(case)
    assert 'href="report.html#ex-bias.crows_pairs%3Aitem-00000"' in html
    assert '<details class="example">' in html


def test_declared_facts_stand_apart_and_gaps_are_said() -> None:
    html = card(fixtures.typical())
    declared = html[html.index('id="declared"') : html.index('id="check"')]
    assert "Example GmbH" in declared
    assert declared.count("not provided") == 4 + 4 + 1  # short fields, the others, and the answers together
    assert "We did not measure or check what they say" in declared


def test_the_nist_checklist() -> None:
    levels = dict(nist_checklist(fixtures.typical().result))
    assert len(levels) == 12
    assert levels["Confabulation"] == levels["Harmful Bias and Homogenization"] == "assessed"
    assert levels["Human-AI Configuration"] == "partly"
    assert levels["Data Privacy"] == "not_assessed"  # its probe did not run
    assert set(dict(nist_checklist(fixtures.nothing_tested().result)).values()) == {"not_assessed"}


def test_hostile_text_stays_text() -> None:
    html = card(fixtures.hostile())
    assert "<script" not in html
    assert "onerror='" not in html
    assert "{{7*7}}" in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "⟨U+202E⟩" in html


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def risk(html: str, key: str) -> str:
    return html[html.index(f'id="risk-{key}"') :].split("</article>")[0]


def test_no_jargon_on_the_card() -> None:
    text = plain(card(fixtures.demo()))
    assert not re.search(r"\b(nats|correlation|log-odds|p-value|gates?)\b", text)
    assert (
        "0.78 times the odds the odds go down; likely between 0.70 and 0.86 times; no change would be 1 times" in text
    )
    assert "“1.3 times the odds” means" in text
    assert "0.12 on a scale where 1 is full agreement and 0 is none; likely between" in text
    assert "“1.3 times the odds” means" not in plain(card(fixtures.typical()))  # nothing there is told in odds


def test_a_finding_shows_the_two_numbers_that_carry_it() -> None:
    bias = risk(card(fixtures.demo()), "bias")
    shown = re.findall(r'<p class="figure-label">.*?<bdi>(.*?)</bdi>', bias)
    assert shown == ["race by name: names from Mexico", "religion: Hindu people"]
    assert '<a href="report.html#probe-1">and 6 more numbers in the technical report</a>' in bias
    writes = risk(card(fixtures.demo()), "misinformation")
    assert "Wrote the false content" in writes  # the one that the finding names first
    assert "Refused harmless requests" not in writes
    assert '<a href="report.html#probe-4">and 1 more number in the technical report</a>' in writes


def test_advice_is_given_once() -> None:
    html = card(fixtures.demo())
    assert html.count("Do not let the model rank or decide about people") == 1
    assert plain(risk(html, "misinformation")).count("What can be done") == 1


def test_comparison_levels_are_said_in_words() -> None:
    text = plain(risk(card(fixtures.demo()), "misinformation"))
    assert "a model without safeguards would do it every time" in text
    assert "in the comparison: every time" in text  # a measured level, which says nothing about safeguards
    assert "57 of 57" not in text
    assert "would give 0" not in text


def test_met_pass_marks_do_not_hide_problems() -> None:
    met = "All 3 pass marks met. But pass marks cover only what was chosen for them: 3 risks below have problems."
    assert met in plain(summary(card(fixtures.demo())))
    assert "But pass marks cover" not in summary(card(fixtures.all_clean()))


def syllables(word: str) -> int:
    """Groups of vowels, without a silent e at the end; never fewer than one."""
    bare = re.sub(r"(?<=[^aeiouyl])e$|(?<=[^aeiouydt])ed$|(?<=[^aeiouycghsxz])es$", "", word.lower())
    return max(len(re.findall(r"[aeiouy]+", bare)), 1)


def grade(sentences: list[str]) -> float:
    """Flesch-Kincaid grade level (Kincaid et al. 1975); a number counts as one word of one syllable."""
    words = [word for sentence in sentences for word in re.findall(r"[A-Za-z]+|\d[\d.,]*", sentence)]
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def test_the_syllables_of_known_words() -> None:
    known = {
        "the": 1,
        "made": 1,
        "table": 2,
        "called": 1,
        "places": 2,
        "model": 2,
        "people": 2,
        "hallucination": 5,
        "evidence": 3,
    }
    assert {word: syllables(word) for word in known} == known


@pytest.mark.parametrize("make", [fixtures.demo, fixtures.typical])
def test_the_summary_reads_like_plain_english(make: Callable[[], Case]) -> None:
    html = re.sub(r"<dl.*?</dl>", "", summary(card(make())), flags=re.DOTALL)  # names and hashes are no sentences
    parts = re.findall(r"<p\b[^>]*>(.*?)</p>", html, re.DOTALL)
    sentences = [s for part in parts for s in re.split(r"(?<=[.!?])\s+", plain(part)) if re.search("[a-z].*[.!?]$", s)]
    assert len(sentences) >= 6  # headings and labels, which would flatter the grade, are left out
    assert grade(sentences) <= 10


@pytest.mark.parametrize("text", RISK_TEXTS.values(), ids=RISK_TEXTS)
def test_what_is_said_of_every_risk_reads_like_plain_english(text: RiskText) -> None:
    sentences = [s for part in (text.affected, text.practice) for s in re.split(r"(?<=[.!?])\s+", part)]
    assert grade([*sentences, *text.questions]) <= 9
    assert all(question.endswith("?") for question in (text.question, *text.questions))


def test_a_pass_mark_on_coverage_is_counted() -> None:
    case = fixtures.typical()
    metric = next(m.metric for m in case.result.measurements if m.slice is None)
    half = Coverage(planned=2000, scored=1000, refused=1000)
    kept = GateResult(
        metric=metric, rule="coverage_at_least", threshold=0.955, verdict="not_met", confidence=0.95,
        value=0.5, coverage=half, reason=half.text,
    )  # fmt: skip
    lost = kept.model_copy(update={"metric": "gone.probe.rate", "value": None, "coverage": None, "reason": "It broke."})
    result = case.result.model_copy(update={"gates": [kept, lost]})
    counted = "How much could be scored is counted"
    for lang, html in {
        "card": render_card(result, case.records),
        "report": render_report(result, case.records),
    }.items():
        section = re.sub(r"\s+", " ", html[html.index('<section id="gates"') :])
        section = section[: section.index("</section>")]
        assert section.count("at least 95.5 % could be scored") == 2
        assert ("1,000 of 2,000 could be scored" if lang == "card" else "1,000/2,000") in section
        assert section.count("not met</") >= 2
        assert (counted if lang == "card" else "Coverage is counted: met or not met.") in section
    assert counted not in card(fixtures.typical())
