"""Paired differences: published intervals and exact tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from audit.metrics import Estimate, mean, paired_mean_difference, paired_rate_difference, rate

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def pairs(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, only_a, only_b, neither)
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


@pytest.mark.parametrize(
    ("table", "confidence", "low", "high", "digits"),
    [
        # Fagerland, Lydersen & Laake 2014, airway hyper-responsiveness, Tango interval.
        ((1, 1, 7, 12), 0.95, -0.517, -0.026, 3),
        # R, PropCIs::scoreci.mp(25, 28, 618, 0.90), which is for the second minus the first.
        ((400, 28, 25, 165), 0.90, -0.0148, 0.0247, 4),
        # Without discordant pairs Tango's limits are z^2 / (n + z^2).
        ((50, 0, 0, 50), 0.95, -0.0370, 0.0370, 4),
    ],
)
def test_tango(table: tuple[int, int, int, int], confidence: float, low: float, high: float, digits: int) -> None:
    estimate = paired_rate_difference(*pairs(*table), confidence=confidence)
    assert estimate.low == pytest.approx(low, abs=0.5 * 10**-digits)
    assert estimate.high == pytest.approx(high, abs=0.5 * 10**-digits)
    assert estimate.value == pytest.approx((table[1] - table[2]) / sum(table))


@pytest.mark.parametrize("table", [(1, 1, 7, 12), (10, 12, 2, 30), (5, 0, 0, 5), (0, 6, 0, 0)])
def test_p_value_is_exact_mcnemar(table: tuple[int, int, int, int]) -> None:
    expected = mcnemar([[table[0], table[1]], [table[2], table[3]]], exact=True).pvalue
    assert paired_rate_difference(*pairs(*table)).p_value == pytest.approx(expected)


def test_always_only_a() -> None:
    estimate = paired_rate_difference(np.ones(8), np.zeros(8))
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(1 - 2 * 1.959964**2 / (8 + 1.959964**2), abs=1e-6)


def test_copied_items_are_no_evidence() -> None:
    a, b = pairs(4, 8, 1, 7)
    codes = np.arange(20)
    once = paired_rate_difference(a, b)
    copied = paired_rate_difference(np.repeat(a, 10), np.repeat(b, 10), np.repeat(codes, 10))
    assert copied.value == once.value
    assert None not in (once.low, once.high, copied.low, copied.high)
    assert copied.high - copied.low >= once.high - once.low  # type: ignore[operator]
    assert copied.p_value is not None
    assert copied.p_value > 0.01
    naive = paired_rate_difference(np.repeat(a, 10), np.repeat(b, 10)).p_value
    assert naive is not None
    assert naive < 1e-6


@SETTINGS
@given(
    masks=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=1, max_size=50),
    clustered=st.booleans(),
)
def test_swapping_mirrors_the_interval(masks: list[tuple[bool, bool, int]], clustered: bool) -> None:
    a, b, clusters = ([row[i] for row in masks] for i in range(3))
    labels = clusters if clustered else None
    forth, back = paired_rate_difference(a, b, labels), paired_rate_difference(b, a, labels)
    assert forth.low is not None
    assert forth.high is not None
    assert forth.value is not None
    assert forth.low <= forth.value <= forth.high
    assert forth.high - forth.low > 0
    assert back.low == pytest.approx(-forth.high, abs=1e-9)
    assert back.high == pytest.approx(-forth.low, abs=1e-9)
    assert back.p_value == pytest.approx(forth.p_value)
    assert paired_rate_difference(a, b, [f"c{c}" for c in clusters]) == paired_rate_difference(a, b, clusters)


@pytest.mark.parametrize("clustered", [False, True])
def test_interval_and_p_value_agree_on_zero(clustered: bool) -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(30), 4) if clustered else None
    agreements = []
    for shift in np.linspace(0, 0.4, 40):
        estimate = paired_rate_difference(rng.random(120) < 0.4 + shift, rng.random(120) < 0.4, labels)
        assert estimate.low is not None
        assert estimate.p_value is not None
        agreements.append((estimate.low > 0) == (estimate.p_value < 0.05 and (estimate.value or 0) > 0))
    # In clusters both come from one score; without, the exact test is a little stricter than the score.
    assert np.mean(agreements) >= (1.0 if clustered else 0.85)


def test_mean_difference_is_the_paired_t_test() -> None:
    a, b = np.array([3.1, 2.2, 5.9, 4.0, 4.4]), np.array([2.8, 2.5, 5.0, 3.1, 4.1])
    expected = stats.ttest_rel(a, b)
    estimate = paired_mean_difference(a, b)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert estimate.p_value == pytest.approx(expected.pvalue)
    assert estimate.method == "paired t"


def test_mean_difference_in_clusters_is_the_mean_of_differences() -> None:
    rng = np.random.default_rng(2)
    a, b, clusters = rng.normal(size=12), rng.normal(size=12), np.repeat(np.arange(4), 3)
    estimate, expected = paired_mean_difference(a, b, clusters), mean(a - b, clusters)
    assert (estimate.low, estimate.high, estimate.p_value) == (expected.low, expected.high, expected.p_value)


def test_a_model_compared_with_itself() -> None:
    values = np.linspace(0, 1, 30)
    same = values + np.where(np.arange(30) % 2, 1e-17, 0.0)
    assert paired_mean_difference(values, same).method == "paired no variation between observations: no interval"
    bounded = paired_mean_difference(values, same, bounds=(-1, 1))
    assert (bounded.low, bounded.high) == pytest.approx((-0.1135, 0.1135), abs=5e-5)


def test_few_clusters_that_differ_reach_the_wilson_limit_of_their_share() -> None:
    def of(departing: int) -> Estimate:
        a = np.zeros(200)
        a[: departing * 10 : 10] = 0.5
        return paired_mean_difference(a, np.zeros(200), np.repeat(np.arange(20), 10), bounds=(-1, 1))

    for departing in range(5):
        limit = rate(np.arange(20) < departing).high
        assert (of(departing).low, of(departing).high) == pytest.approx((-(limit or 0.0), limit))
        assert of(departing).p_value is None
    assert of(5).method == "paired cluster-robust t (CV3)"
    assert of(5).p_value is not None
    every = paired_mean_difference([0.2, 0.3, 0.1], [0.0, 0.0, 0.0], ["a", "b", "c"], bounds=(-1, 1))
    assert every.method == "paired t"  # no common outcome from which few depart


def test_empty_and_mistakes() -> None:
    for estimate in (paired_rate_difference([], []), paired_mean_difference([], [])):
        assert (estimate.value, estimate.reason) == (None, "no observations")
    with pytest.raises(ValueError, match="a_mask has 1, b_mask has 2"):
        paired_rate_difference([1], [1, 0])
    with pytest.raises(ValueError, match="b_mask holds NaN"):
        paired_rate_difference([1.0], [np.nan])
    with pytest.raises(ValueError, match="a holds NaN"):
        paired_mean_difference([np.inf], [1.0])
    with pytest.raises(ValueError, match="b holds NaN"):
        paired_mean_difference([1.0], [np.nan])
