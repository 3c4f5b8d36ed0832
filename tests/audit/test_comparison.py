"""Results side by side: which metrics, and which of them differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.comparison import compare
from audit.metrics import CENSUS, rate
from audit.results import AuditResult, Average, Difference, Measurement, Record
from tests.audit.support import measurement, probe_run, record, result_of

COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
FATES = {"no_difference_shown": False, "cannot_be_compared": None}


def no_records(place: int, probe: str) -> list[Record]:
    return []


def words(*results: AuditResult) -> list[list[str]]:
    """The words of every row, of the later results alone."""
    rows = compare(results, no_records).rows
    return [[difference.word for difference in row.differences if difference] for row in rows]


def wilson(successes: int, n: int, metric: str = "tiny.rate.rate", **changes: Any) -> Measurement:
    found = rate([1] * successes + [0] * (n - successes))
    return measurement(metric, value=found.value, low=found.low, high=found.high, n=n, **changes)


def differs(first: Measurement, second: Measurement) -> bool | None:
    (((word),),) = words(result_of(first), result_of(second))
    return FATES.get(word, True)


def test_rows_hold_every_result_in_order() -> None:
    a, b, c = measurement("p.a"), measurement("p.b", label="Second"), measurement("p.c")
    results = [result_of(b, a), result_of(c, b), result_of()]
    rows = compare(results, no_records).rows
    assert [row.metric for row in rows] == ["p.b", "p.a", "p.c"]
    assert rows[0].label == "Second"
    assert rows[0].found == (b, b, None)
    assert rows[1].found == (a, None, None)
    assert rows[2].found == (None, c, None)
    assert [row.differences[0] for row in rows] == [None] * 3
    unknown = "cannot_be_compared"
    assert words(*results) == [["no_difference_shown", unknown], [unknown, unknown], [unknown, unknown]]


def test_slices_are_left_out_unless_asked_for() -> None:
    sliced = measurement("p.a[women]", slice="women")
    both = [result_of(measurement("p.a"), sliced), result_of(sliced)]
    assert [row.metric for row in compare(both, no_records).rows] == ["p.a"]
    assert [row.metric for row in compare(both, no_records, ["p.a[women]"]).rows] == ["p.a[women]"]


def test_nothing_to_compare() -> None:
    found = compare([result_of(), result_of()], no_records)
    assert (found.rows, found.tests) == ((), 0)


def test_what_is_missing_says_why() -> None:
    failed = probe_run("p", "failed", "It broke.")
    lost = measurement("p.a", probe="p", value=None, low=None, high=None, n=0, reason="All answers were empty.")
    full = result_of(measurement("p.a", probe="p"), probes=[probe_run("p")])
    cases = {
        "The probe was not part of this audit.": result_of(),
        "The probe failed: It broke.": result_of(probes=[failed]),
        "The probe is not applicable: No weights.": result_of(probes=[probe_run("p", "not_applicable", "No weights.")]),
        "The audit has no number of this name.": result_of(probes=[probe_run("p")]),
        "All answers were empty.": result_of(lost, probes=[probe_run("p")]),
    }
    for reason, lacking in cases.items():
        (row,) = compare([full, lacking], no_records).rows
        assert row.missing == (None, reason)
        (difference,) = row.differences[1:]
        assert difference is not None
        assert (difference.value, difference.word) == (None, "cannot_be_compared")
        assert reason in str(difference.reason)


@pytest.mark.parametrize(
    ("direction", "up", "down"),
    [
        ("higher_is_better", "better", "worse"),
        ("lower_is_better", "worse", "better"),
        ("descriptive", "higher", "lower"),
        ("zero_is_better", "worse", "better"),
    ],
)
def test_the_word_follows_the_direction(direction: str, up: str, down: str) -> None:
    few, many = wilson(10, 100, direction=direction), wilson(90, 100, direction=direction)
    assert words(result_of(few), result_of(many)) == [[up]]
    assert words(result_of(many), result_of(few)) == [[down]]


@pytest.mark.parametrize(
    ("then", "now", "word"),
    [
        ((0.5, 0.4, 0.6), (-0.02, -0.1, 0.06), "better"),
        ((-0.02, -0.1, 0.06), (0.5, 0.4, 0.6), "worse"),
        ((0.5, 0.4, 0.6), (-0.5, -0.6, -0.4), "lower"),
        ((-0.5, -0.6, -0.4), (0.5, 0.4, 0.6), "higher"),
        ((-0.5, -0.6, -0.4), (-0.9, -1.0, -0.8), "worse"),
        ((0.05, -0.05, 0.15), (-0.05, -0.15, 0.05), "no_difference_shown"),
    ],
)
def test_nearer_to_zero_on_the_other_side_needs_distances_apart(
    then: tuple[float, float, float], now: tuple[float, float, float], word: str
) -> None:
    first, second = (
        measurement(value=v, low=low, high=high, direction="zero_is_better", unit="nats")
        for v, low, high in (then, now)
    )
    assert words(result_of(first), result_of(second)) == [[word]]


def test_another_unit_is_another_number() -> None:
    assert words(result_of(measurement()), result_of(measurement(unit="nats"))) == [["cannot_be_compared"]]


@pytest.mark.parametrize(
    "second",
    [
        measurement(value=None, low=None, high=None, n=0, reason="None."),
        measurement(low=None, high=None),
    ],
    ids=["no value", "no interval"],
)
def test_what_cannot_be_compared_is_none(second: Measurement) -> None:
    assert differs(measurement(), second) is None
    assert differs(second, measurement()) is None


def test_far_apart_and_the_same() -> None:
    assert differs(wilson(10, 100), wilson(90, 100)) is True
    assert differs(wilson(90, 100), wilson(10, 100)) is True
    assert differs(wilson(50, 100), wilson(50, 100)) is False
    assert differs(wilson(50, 100), wilson(55, 100)) is False


def test_intervals_without_width() -> None:
    exact = measurement(value=0.5, low=0.5, high=0.5)
    assert differs(exact, exact) is False
    assert differs(exact, measurement(value=0.6, low=0.6, high=0.6)) is True


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_two_rates_differ_where_newcombes_interval_excludes_zero(a: tuple[int, int], b: tuple[int, int]) -> None:
    assume(a[0] * b[1] != b[0] * a[1])
    low, high = confint_proportions_2indep(*b, *a, method="newcomb", compare="diff")
    assume(min(abs(low), abs(high)) > 1e-9)
    assert differs(wilson(*a), wilson(*b)) == (not low <= 0 <= high)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_it_does_not_matter_which_is_first(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert differs(wilson(*a), wilson(*b)) == differs(wilson(*b), wilson(*a))


RIGHT = Average(outcomes=["right"])


def answered(outcomes: str, start: int = 0, wording: str = "Text", **changes: Any) -> tuple[AuditResult, list[Record]]:
    """A result of one rate with its records: one letter an answer, r for right and w for wrong."""
    records = [
        record(
            f"{start + i:03}",
            item=f"{start + i:03}",
            cluster=f"{start + i:03}",
            input=f"{wording} {start + i}",
            outcome="right" if letter == "r" else "wrong",
        )
        for i, letter in enumerate(outcomes)
    ]
    hits, n = outcomes.count("r"), len(outcomes)
    result = result_of(wilson(hits, n, direction="higher_is_better", average=RIGHT))
    manifest = result.manifest.model_copy(update=changes)
    return result.model_copy(update={"manifest": manifest}), records


def against(*made: tuple[AuditResult, list[Record]]) -> Difference:
    """The second result against the first, with their records."""
    (row,) = compare([result for result, _ in made], lambda place, probe: made[place][1]).rows
    difference = row.differences[1]
    assert difference is not None
    return difference


def counts(difference: Difference) -> tuple[int | None, ...]:
    return difference.shared, difference.only_here, difference.only_there, difference.changed


def test_records_find_what_intervals_alone_do_not() -> None:
    before, after = answered("rw" * 50), answered("rrrw" * 25)
    paired = against(before, after)
    assert (paired.paired, paired.unpaired, counts(paired)) == (True, None, (100, 0, 0, 0))
    assert (paired.value, paired.here, paired.there, paired.word) == (0.25, 0.75, 0.5, "better")
    apart = against((before[0], []), (after[0], []))
    assert (apart.paired, apart.unpaired is None, counts(apart)) == (False, False, (None,) * 4)
    assert paired.low is not None
    assert apart.low is not None
    assert paired.low > apart.low


def test_identical_results_show_no_difference_and_still_have_a_range() -> None:
    found = against(answered("rw" * 50), answered("rw" * 50))
    assert (found.word, found.value, found.paired) == ("no_difference_shown", 0, True)
    assert found.low is not None
    assert found.high is not None
    assert -0.1 < found.low < 0 < found.high < 0.1


def test_only_what_is_shared_is_compared_where_the_items_changed() -> None:
    # The first 40 are asked in both and answered alike; what only one was asked is all right, or all wrong.
    before, after = answered("w" * 60 + "rw" * 20), answered("rw" * 20 + "r" * 60, start=60)
    found = against(before, after)
    assert counts(found) == (40, 60, 60, 0)
    assert (found.value, found.word, found.here, found.there) == (0, "no_difference_shown", 0.5, 0.5)


def test_what_kept_its_name_and_not_its_text_is_not_compared() -> None:
    result, records = answered("rw" * 20)
    others = [r.model_copy(update={"input": "Another text"}) if i < 10 else r for i, r in enumerate(records)]
    assert counts(against((result, records), (result, others))) == (30, 0, 0, 10)
    told = against(answered("rw" * 20), answered("rw" * 20, wording="Other"))
    assert (told.paired, counts(told)) == (False, (0, 0, 0, 40))


def test_the_same_program_items_and_settings_need_no_equal_texts() -> None:
    # As where personal data in the texts are blotted out under a key of each run.
    known: dict[str, Any] = {"items": {"tiny.rate": "x"}, "identity": {"code": "1"}, "config": {"probes": {}}}
    first = answered("rw" * 20, **known)
    assert against(first, answered("rw" * 20, wording="Other", **known)).shared == 40
    for other in (
        known | {"items": {"tiny.rate": "y"}},
        known | {"identity": {"code": "2"}},
        known | {"identity": {}},
        known | {"config": {"probes": {"tiny.rate": {"templates": 2}}}},
        known | {"items": {}},
    ):
        assert against(first, answered("rw" * 20, wording="Other", **other)).shared == 0


def test_odd_configs_of_old_results_are_no_error() -> None:
    for odd in ({"probes": None}, {"probes": [1]}, {}):
        assert against(answered("rw" * 9, config=odd), answered("rw" * 9)).shared == 18


def test_what_was_counted_whole_needs_no_test() -> None:
    whole = {"low": 0.5, "interval": CENSUS}
    one, two = measurement(high=0.5, **whole), measurement(value=0.6, high=0.6, **(whole | {"low": 0.6}))
    found = compare([result_of(one), result_of(two), result_of(one)], no_records)
    first, other, same = found.rows[0].differences
    assert first is None
    assert other is not None
    assert same is not None
    assert (other.word, other.p_value, other.low, other.high) == ("worse", None, other.value, other.value)
    assert (same.word, same.value, same.low, same.high) == ("no_difference_shown", 0, 0, 0)
    assert found.tests == 0


def test_correction_over_all_metrics_and_results() -> None:
    # Half-width such that the p-value of one comparison is 0.02.
    half = 0.1 * float(norm.ppf(0.975) / norm.ppf(0.99)) / 2**0.5
    one = measurement("p.a", value=0.4, low=0.4 - half, high=0.4 + half)
    other = measurement("p.a", value=0.5, low=0.5 - half, high=0.5 + half)
    same = [measurement(f"p.{i}") for i in range(3)]
    assert differs(one, other) is True
    none = "no_difference_shown"
    assert words(result_of(one, *same), result_of(other, *same)) == [[none]] * 4
    assert words(result_of(one), result_of(other), result_of(one), result_of(one)) == [[none] * 3]
    found = compare([result_of(one, *same), result_of(other, *same)], no_records)
    difference = found.rows[0].differences[1]
    assert found.tests == 4
    assert difference is not None
    assert difference.p_value == pytest.approx(0.02)
    assert difference.p_adjusted == pytest.approx(0.08)


def test_one_result_has_nothing_that_differs() -> None:
    (row,) = compare([result_of(measurement())], no_records).rows
    assert row.differences == (None,)
