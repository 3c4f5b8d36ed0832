"""The words and numbers of the pages."""

import math

import pytest

from audit.results.coverage import Coverage
from audit.results.schema import (
    Measurement,
)
from audit.results.verdicts import GateResult
from reports.amounts import factor
from reports.charts import dot_whisker, scale_of, strip
from reports.environment import build_environment
from reports.phrases import Phrases
from reports.text import brief, cleaned, count, duration, moment, number, shorten, slug, visible
from tests.reports.makers import finding, model, rate

PHRASES = Phrases(lambda text: text)


def test_visible_writes_out_what_hides() -> None:
    assert visible("a\u202eb\x00c\u200bd\u2066") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200B⟩d⟨U+2066⟩"
    assert visible("tab\tline\nnext\r\n") == "tab\tline\nnext\n"
    assert visible("한국어 עברית 👩\u200d⚕️") == "한국어 עברית 👩\u200d⚕️"


def test_cleaned_reaches_every_string() -> None:
    dirty = model(name="x\u202e", declared={"own\x00er": "y\x00"}, capabilities=["z\u2028"], notes=["n" * 50])
    clean = cleaned(dirty, 20)
    assert clean.name == "x⟨U+202E⟩"
    assert clean.declared == {"own⟨U+0000⟩er": "y⟨U+0000⟩"}
    assert clean.capabilities == ["z⟨U+2028⟩"]
    assert clean.notes == ["n" * 18 + " …"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.0, "0"), (0.64, "0.640"), (0.002, "0.002"), (12345.6, "12,346"), (-1.254, "-1.25"), (40.0, "40")],
)
def test_number(value: float | None, words: str) -> None:
    assert number(value) == words


def test_small_words() -> None:
    assert count(1508) == "1,508"
    assert count(None) == "–"
    assert moment("2026-11-23T10:15:00Z") == moment("2026-11-23T10:15:00.123+00:00") == "2026-11-23 10:15 UTC"
    assert moment("yesterday") == "yesterday"
    assert [duration(s) for s in (4.25, 185, 3720)] == ["4.2 s", "3 min 05 s", "1 h 02 min"]
    assert brief("12fd25f77366fa6b3b4b768ec3050bf629380bac") == "12fd25f77366"
    assert brief("v1.0-main") == "v1.0-main"
    assert slug("bias.crows_pairs") == "bias-crows-pairs"
    assert shorten("abcdef", 4) == "ab …"
    assert shorten("later words first and then some", 20) == "later words first …"
    assert shorten("one averyveryverylongwordindeed", 28) == "one averyveryverylongwordi …"


def test_natural_frequencies() -> None:
    m = rate("a.b.c", 7, 200, "Label", low=0.0152, high=0.0705, chance=0.5)
    assert PHRASES.frequency(m) == "7 of 200; likely between 3 and 14"
    assert PHRASES.chance(m) == "chance would give 100 of 200"
    assert PHRASES.missing(m) == "2 could not be read, 1 refused"


def test_units_become_words() -> None:
    def told(unit: str, value: float, low: float, high: float, **changes: object) -> tuple[str, str, str]:
        facts = {"value": value, "low": low, "high": high, "successes": None, "chance": 0.0, **changes}
        m = rate("a.b.c", 1, 100, "L", unit=unit, **facts)
        return PHRASES.amount(m), PHRASES.range(m), PHRASES.chance(m)

    signed = told("nats", 0.2624, -0.05, 0.55, direction="zero_is_better")
    assert signed == ("1.30 times the odds", "likely between 0.95 and 1.73 times", "no change would be 1 times")
    assert told("nats", 3.726, 2.987, 4.465, chance=1.645) == (
        "odds change by a factor of 41.5", "likely between 19.8 and 86.9", "chance would give 5.18",
    )  # fmt: skip
    assert told("rate difference", 0.11, 0.004, 0.2, chance=0.06) == (
        "a gap of 11 in 100", "likely between 0.400 and 20", "chance would give 6 in 100",
    )  # fmt: skip
    assert told("probability", 0.246, 0.0002, 0.41, chance=0.126) == (
        "0.25 on a scale from 0 to 1", "likely between 0.0002 and 0.41", "chance would give 0.13",
    )  # fmt: skip
    assert told("share of weight", 0.56, 0.5, 0.6)[0] == "0.56 on a scale from 0 to 1"
    assert told("kappa", 0.5, 0.4, 0.6)[0] == "0.50 on a scale where 1 is full agreement and 0 is none"
    assert told("calendar year", 2013.25, 2011.375, 2016.9, chance=None) == (
        "2013.2", "likely between 2011.4 and 2016.9", "",
    )  # fmt: skip
    assert told("tokens", 12.0, 10.0, 14.0, chance=3.0) == (
        "12 tokens", "likely between 10 and 14", "chance would give 3 tokens",
    )  # fmt: skip


def test_a_level_of_none_or_all_is_told_in_words_or_not_at_all() -> None:
    def level(metric: str, chance: float, **changes: object) -> str:
        return PHRASES.chance(rate(metric, 7, 20, "L", chance=chance, **changes))

    assert level("m.f.compliance_rate[news]", 1.0) == "a model without safeguards would do it every time"
    assert level("m.f.compliance_rate_corrected", 1.0) == "a model without safeguards would do it every time"
    whatever = "a model that answers whatever it is asked would do it every time"
    assert level("hallucination.invented_entities.fabrication_rate[law]", 1.0) == whatever
    assert level("hallucination.false_premise.premise_accepted_rate", 1.0) == whatever
    assert level("hallucination.grounding.ungrounded_answer_rate", 1.0) == whatever
    assert level("hallucination.grounding.unsupported_claim_rate", 1.0) == "with texts on something else: every time"
    assert (
        level("hallucination.false_premise.true_premise_answered_rate", 1.0, direction="higher_is_better") == whatever
    )
    assert (
        level("hallucination.self_consistency.corrected_unsupported_rate", 1.0)
        == "with texts on something else: every time"
    )
    assert (
        level("m.f.flip_rate", 1.0)
        == level("m.f.x", 1.0, direction="higher_is_better")
        == "in the comparison: every time"
    )
    assert level("m.f.flip_rate", 0.0) == ""


def test_odds_stay_readable_far_out() -> None:
    assert [factor(x) for x in (0.0, -0.06, 2.4, 5.0, 80.0, -800.0)] == [
        "1.00", "0.94", "11.0", "148", "over 1,000,000", "under 0.000001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "unit", "words"),
    [
        (-0.1, 0.3, "nats", "may be up or down"),
        (0.1, 0.3, "nats", "the odds go up"),
        (-0.3, -0.1, "nats", "the odds go down"),
        (0.1, 0.3, "share", "above zero"),
        (-0.3, -0.1, "share", "below zero"),
    ],
)
def test_the_side_of_what_should_be_zero(low: float, high: float, unit: str, words: str) -> None:
    m = rate("a.b.c", 1, 9, "L", value=(low + high) / 2, low=low, high=high, unit=unit, direction="zero_is_better")
    assert PHRASES.tendency(m) == words
    assert PHRASES.tendency(rate("a.b.c", 1, 9, "L")) == ""
    assert PHRASES.direction(m) == ("closer to 1 is better" if unit == "nats" else "closer to zero is better")
    assert PHRASES.side(m) == "closer to zero is better"


def test_how_much_lies_behind_a_value() -> None:
    assert PHRASES.basis(rate("a.b.c", 7, 144, "L", clusters=48)) == "144 tries on about 48 different questions"
    assert PHRASES.basis(rate("a.b.c", 7, 144, "L", clusters=144)) == ""
    assert PHRASES.basis(rate("a.b.c", 7, 16, "L", clusters=None, unit="nats")) == "16 tries"


def test_rates_beside_a_pass_mark_are_percentages() -> None:
    m = rate("a.b.c", 7, 294, "L", low=0.0028, high=0.1763)
    assert PHRASES.share(m) == "2.4 % (7 of 294); likely between 0.3 % and 18 %"
    bare = rate("a.b.c", 0, 20, "L", low=None, high=None)
    assert PHRASES.share(bare) == "0 % (0 of 20); how sure we can be is not known"
    assert PHRASES.share(rate("a.b.c", 1, 4, "L", unit="share", low=0.1, high=0.3)) == (
        "0.25 on a scale from 0 to 1; likely between 0.10 and 0.30"
    )


def test_pass_marks_in_the_terms_of_their_numbers() -> None:
    gate = GateResult(
        metric="a.b.c", rule="at_most", threshold=0.2, verdict="met", confidence=0.95, reason="", value=0.1
    )  # fmt: skip
    words = {"rate": "20 %", "nats": "a factor of 1.22", "rate difference": "20 in 100", "probability": "0.20"}
    for unit, mark in words.items():
        assert PHRASES.rule(gate, rate("a.b.c", 1, 9, "L", unit=unit)) == f"at most {mark}"
    assert PHRASES.rule(gate) == "at most 0.200"


def test_a_loss_against_an_earlier_audit_is_in_percentage_points_and_not_in_percent() -> None:
    gate = GateResult(
        metric="a.b.c", rule="no_worse_than_baseline", threshold=0.05, verdict="met", confidence=0.95, reason="So."
    )
    told = PHRASES.rule(gate, rate("a.b.c", 1, 9, "L"))
    assert told == "no more than 5 percentage points worse than the earlier audit"
    assert PHRASES.rule(gate) == "no more than 0.050 worse than the earlier audit"


def test_a_missing_value_gives_its_reason_and_never_a_zero() -> None:
    m = Measurement(
        metric="a.b.c", probe="a.b", label="L", value=None, n=0, unit="rate", direction="lower_is_better", chance=0.5,
        coverage=Coverage(planned=0, scored=0), reason="No item could be read.",
    )  # fmt: skip
    assert PHRASES.frequency(m) == "No item could be read."
    assert PHRASES.amount(m) == "not measured"
    assert PHRASES.chance(m) == ""
    assert strip(m) is None


def test_a_sentence_that_does_not_fit_its_values_is_shown_as_it_is() -> None:
    assert PHRASES.sentence(finding("a.b", "unclear", "low", "Only {here}")) == "Only {here}"
    assert PHRASES.sentence(finding("a.b", "unclear", "low", "{n.__class__.x}", n="1")) == "{n.__class__.x}"


def test_every_template_escapes_and_refuses_the_undefined() -> None:
    env = build_environment()
    assert env.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    assert env.from_string("{% trans x=x %}a {{ x }}{% endtrans %}").render(x="<b>%s{{7*7}}") == "a &lt;b&gt;%s{{7*7}}"
    assert env.from_string("{{ x | say }}").render(x="<b> 5 %") == "&lt;b&gt; 5 %"
    with pytest.raises(Exception, match="undefined"):
        env.from_string("{{ nothing }}").render()


def test_charts_place_values_in_order_and_inside() -> None:
    family = [rate(f"a.b.c[{i}]", i, 20, "L") for i in range(0, 21, 4)]
    chart = dot_whisker("k", "T", family)
    assert chart is not None
    assert chart.chance == pytest.approx(50, abs=1)
    assert [m.x for m in chart.marks] == sorted(m.x for m in chart.marks)
    assert all(0 <= m.low <= m.x <= m.high <= 100 for m in chart.marks)
    assert [m.clear_of_chance for m in chart.marks][:1] == [True]
    assert len(chart.ticks) >= 3


def test_charts_need_two_values_and_survive_equal_ones() -> None:
    same = [rate(f"a.b.c[{i}]", 5, 20, "L", low=None, high=None, chance=None, unit="nats") for i in range(3)]
    chart = dot_whisker("k", "T", same)
    assert dot_whisker("k", "T", same[:1]) is None
    assert chart is not None
    assert {m.x for m in chart.marks} == {50.0}
    assert math.isfinite(scale_of(same).place(0.25))
    assert {m.clear_of_chance for m in chart.marks} == {False}


def test_a_long_chart_says_what_it_leaves_out() -> None:
    chart = dot_whisker("k", "T", [rate(f"a.b.c[{i}]", 5, 20, "L") for i in range(50)])
    assert chart is not None
    assert (len(chart.marks), chart.left_out) == (40, 10)


def test_labels_are_whole_and_each_row_has_its_own_chance_level() -> None:
    label = "names more common among South Asian and Middle Eastern Americans"
    rows = [rate(f"a.b.c[{label}]", 5, 20, "L", chance=0.25), rate("a.b.c[x]", 9, 20, "L", chance=0.75)]
    chart = dot_whisker("k", "T", rows)
    assert chart is not None
    first, second = chart.marks
    assert " ".join(first.lines) == label
    assert all(len(line) <= 36 for line in first.lines)
    assert first.y < second.top < second.y < chart.bottom
    assert (chart.chance, chart.chance_by_row) == (None, True)
    assert first.chance is not None
    assert second.chance is not None
    assert first.chance < second.chance


def test_a_single_case_does_not_leave_a_level_of_zero() -> None:
    rows = [
        rate(f"a.b.c[{i}]", 1, 24, "L", low=0.002, high=0.5, chance=chance) for i, chance in enumerate((0.0, 1.0, 0.9))
    ]
    chart = dot_whisker("k", "T", rows)
    assert chart is not None
    assert [m.clear_of_chance for m in chart.marks] == [False, False, True]
