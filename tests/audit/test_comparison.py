"""Results side by side: which metrics, and which of them differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.comparison import compare
from audit.metrics import rate
from audit.results import AuditResult, Measurement, Record
from tests.audit.support import measurement, probe_run, result_of

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
