"""The difference and the product of two values that are known by their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from audit.metrics import mover_difference, mover_product, p_from_interval, rate, shared_correlation


def test_the_formula_of_zou_and_donner() -> None:
    difference, low, high = mover_difference((0.6, 0.5, 0.66), (0.4, 0.37, 0.48))
    assert difference == pytest.approx(0.2)
    assert low == pytest.approx(0.2 - math.sqrt(0.1**2 + 0.08**2))
    assert high == pytest.approx(0.2 + math.sqrt(0.06**2 + 0.03**2))


def test_estimates_that_go_together_have_a_surer_difference_and_a_less_sure_sum() -> None:
    first, second = (0.6, 0.5, 0.66), (0.4, 0.37, 0.48)
    low, high = mover_difference(first, second, 1.0)[1:]
    assert (low, high) == pytest.approx((0.2 - abs(0.1 - 0.08), 0.2 + abs(0.06 - 0.03)))
    low, high = mover_difference(first, second, -1.0)[1:]
    assert (low, high) == pytest.approx((0.2 - 0.18, 0.2 + 0.09))
    with pytest.raises(ValueError, match="correlation"):
        mover_difference(first, second, 1.5)


def test_the_correlation_of_means_over_shared_clusters() -> None:
    """Against that of simulated means: each cluster adds one number to the values of both sides."""
    draws = np.random.default_rng(3)
    about = [i // 2 for i in range(80)]
    pairs = []
    for _ in range(400):
        cluster = draws.normal(size=40)
        pairs.append([np.mean(cluster[about] + draws.normal(size=80)) for _ in range(2)])
    expected = np.corrcoef(np.array(pairs).T)[0, 1]
    cluster = draws.normal(size=4000)
    many = [i // 2 for i in range(8000)]
    one, other = (cluster[many] + draws.normal(size=8000) for _ in range(2))
    assert shared_correlation(one, many, other, many) == pytest.approx(expected, abs=0.1)
    assert shared_correlation(one, many, other, [f"other {c}" for c in many]) == 0.0
    assert shared_correlation([1.0, 1.0], ["a", "b"], [0.0, 1.0], ["a", "b"]) == 0.0
    assert shared_correlation([0.0, 1.0], ["a", "b"], [1.0, 0.0], ["a", "b"]) == -1.0
    with pytest.raises(ValueError, match="both sides"):
        shared_correlation([], [], [1.0], ["a"])


def test_turning_the_two_around_turns_the_interval_around() -> None:
    first, second = (0.6, 0.5, 0.66), (0.4, 0.37, 0.48)
    value, low, high = mover_difference(first, second)
    assert mover_difference(second, first) == pytest.approx((-value, -high, -low))


@pytest.mark.parametrize("wrong", [(0.5, 0.6, 0.7), (float("nan"), 0.0, 1.0), (0.5, 0.4, float("inf"))])
def test_what_is_no_interval_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError):
        mover_difference(wrong, (0.5, 0.4, 0.6))


def test_an_interval_that_ends_at_zero_has_the_level_as_its_p_value() -> None:
    assert p_from_interval((0.2, 0.0, 0.9), 0.95) == pytest.approx(0.05)
    assert p_from_interval((-0.2, -0.9, 0.0), 0.9) == pytest.approx(0.1)  # the side of zero counts
    assert p_from_interval((0.2, 0.1, 0.3), 0.95) == pytest.approx(2 * stats.norm.sf(2 * 1.959964), rel=1e-5)


def test_no_difference_and_no_width() -> None:
    assert p_from_interval((0.0, -0.1, 0.1), 0.95) == 1.0
    assert p_from_interval((0.1, 0.1, 0.2), 0.95) == 0.0


def test_a_product_is_the_sum_of_the_logarithms() -> None:
    product, low, high = mover_product((0.6, 0.5, 0.66), (0.4, 0.37, 0.48))
    assert product == pytest.approx(0.24)
    assert math.log(low) == pytest.approx(math.log(0.24) - math.hypot(math.log(0.6 / 0.5), math.log(0.4 / 0.37)))
    assert math.log(high) == pytest.approx(math.log(0.24) + math.hypot(math.log(0.66 / 0.6), math.log(0.48 / 0.4)))


def test_a_product_with_nothing() -> None:
    assert mover_product((0.0, 0.0, 0.2), (0.5, 0.4, 0.6)) == pytest.approx((0.0, 0.0, 0.12))
    assert mover_product((0.3, 0.0, 0.5), (1.0, 0.9, 1.0))[:2] == pytest.approx((0.3, 0.0))
    assert mover_product((1.0, 0.9, 1.0), (1.0, 0.8, 1.0))[2] == 1.0


@pytest.mark.parametrize("wrong", [(0.5, 0.6, 0.7), (float("nan"), 0.0, 1.0), (0.5, -0.1, 0.6), (0.9, 0.8, 1.1)])
def test_what_is_no_share_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError):
        mover_product(wrong, (0.5, 0.4, 0.6))


def test_the_interval_of_a_product_holds_the_truth_as_often_as_it_says() -> None:
    """Shares of 0.8 of 100 and 0.7 of those 80: with Wilson's intervals, 95% within the error of 1000 trials."""
    draws = np.random.default_rng(5)
    held = 0
    for _ in range(1000):
        first = draws.random(100) < 0.8
        second = draws.random(int(first.sum())) < 0.7
        known = [(e.value or 0.0, e.low or 0.0, e.high or 0.0) for e in (rate(first), rate(second))]
        _, low, high = mover_product(known[0], known[1])
        held += low <= 0.8 * 0.7 <= high
    assert 0.93 <= held / 1000 <= 0.97
