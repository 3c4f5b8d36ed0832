"""Results side by side: which metrics, and which of them differ."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.comparison import compare
from audit.metrics import rate
from audit.results import Measurement
from tests.audit.support import measurement, result_of

COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def wilson(successes: int, n: int, metric: str = "tiny.rate.rate") -> Measurement:
    found = rate([1] * successes + [0] * (n - successes))
    return measurement(metric, value=found.value, low=found.low, high=found.high, n=n)


def differs(first: Measurement, second: Measurement) -> bool | None:
    ((row),) = compare([result_of(first), result_of(second)])
    (found,) = row.differs
    return found


def test_rows_hold_every_result_in_order() -> None:
    a, b, c = measurement("p.a"), measurement("p.b", label="Second"), measurement("p.c")
    rows = compare([result_of(b, a), result_of(c, b), result_of()])
    assert [row.metric for row in rows] == ["p.b", "p.a", "p.c"]
    assert rows[0].label == "Second"
    assert rows[0].found == (b, b, None)
    assert rows[1].found == (a, None, None)
    assert rows[2].found == (None, c, None)
    assert [row.differs for row in rows] == [(False, None), (None, None), (None, None)]


def test_slices_are_left_out() -> None:
    sliced = measurement("p.a[women]", slice="women")
    assert [row.metric for row in compare([result_of(measurement("p.a"), sliced), result_of(sliced)])] == ["p.a"]


def test_nothing_to_compare() -> None:
    assert compare([result_of(), result_of()]) == []


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
    together = compare([result_of(one, *same), result_of(other, *same)])
    assert [row.differs for row in together] == [(False,)] * 4
    three = compare([result_of(one), result_of(other), result_of(one), result_of(one)])
    assert three[0].differs == (False, False, False)


def test_one_result_has_nothing_that_differs() -> None:
    (row,) = compare([result_of(measurement())])
    assert row.differs == ()
