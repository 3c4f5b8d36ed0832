"""The words and numbers of the pages."""

import math

import pytest

from audit.results.schema import Coverage, Measurement
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


def test_natural_frequencies() -> None:
    m = rate("a.b.c", 7, 200, "Label", low=0.0152, high=0.0705, chance=0.5)
    assert PHRASES.frequency(m) == "7 of 200; likely between 3 and 14"
    assert PHRASES.chance(m) == "chance would give 100 of 200"
    assert PHRASES.missing(m) == "2 could not be read, 1 refused"


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
