"""Exponents, crossings and means of positive quantities, against other computations and planted curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.metrics import geometric_mean, growth_exponent, quadratic_from

SIZES = np.repeat([64.0, 128.0, 256.0, 512.0, 1024.0], 4)


def noisy(values: np.ndarray, seed: int = 0, by: float = 0.02) -> np.ndarray:
    return np.asarray(values * np.exp(np.random.default_rng(seed).normal(0, by, len(values))))


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_planted_exponent_lies_in_its_interval(power: float) -> None:
    found = growth_exponent(SIZES, noisy(3 * SIZES**power))
    assert found.low is not None
    assert found.high is not None
    assert found.low < power < found.high
    assert found.high - found.low < 0.15
    assert found.n == 5


def test_the_exponent_is_that_of_a_regression_over_lengths() -> None:
    values = noisy(SIZES**1.3 + 40, by=0.1)
    different = np.unique(SIZES)
    means = [np.log(values[size == SIZES]).mean() for size in different]
    line = stats.linregress(np.log(different), means)
    half = stats.t.ppf(0.975, 3) * line.stderr
    found = growth_exponent(SIZES, values)
    assert found.value == pytest.approx(line.slope)
    assert (found.low, found.high) == pytest.approx((line.slope - half, line.slope + half))


def test_more_runs_of_a_length_do_not_narrow_the_interval_of_a_curve() -> None:
    """What is no power law is no better known for being measured more often."""
    curve = 30 + SIZES + SIZES**2 / 100
    once, often = growth_exponent(SIZES[::4], curve[::4]), growth_exponent(np.tile(SIZES, 5), np.tile(curve, 5))
    assert (once.low, once.high) == pytest.approx((often.low, often.high))


def test_few_lengths() -> None:
    assert growth_exponent([64, 64], [1.0, 2.0]).reason == "fewer than two lengths"
    two = growth_exponent([64, 128], [1.0, 4.0])
    assert (two.value, two.low, two.high) == (pytest.approx(2.0), None, None)
    exact = growth_exponent([1, 2, 4, 8], [3.0, 6.0, 12.0, 24.0])
    assert exact.value == exact.low == exact.high == pytest.approx(1.0)


def test_a_planted_crossing_lies_in_its_interval_nineteen_times_in_twenty() -> None:
    sizes, held = np.repeat([64.0, 256.0, 1024.0, 4096.0], 5), 0
    for seed in range(200):
        found = quadratic_from(sizes, noisy(0.02 + 0.001 * sizes + 5e-7 * sizes**2, seed))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2000 <= found.high
    assert 180 <= held <= 200


def test_no_crossing_where_one_part_does_not_show() -> None:
    assert "quadratic part" in str(quadratic_from(SIZES, noisy(0.02 + 0.001 * SIZES)).reason)
    assert "linear part" in str(quadratic_from(SIZES, noisy(0.02 + 1e-6 * SIZES**2)).reason)
    assert quadratic_from([64, 128, 256], [1.0, 2.0, 5.0]).reason == "fewer than four lengths"


def test_the_geometric_mean_is_above_zero_and_turns_with_its_values() -> None:
    values = [0.1, 0.2, 0.9]
    found, turned = geometric_mean(values), geometric_mean([1 / v for v in values])
    assert found.value == pytest.approx(stats.gmean(values))
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.high
    assert (turned.low, turned.high) == pytest.approx((1 / found.high, 1 / found.low))
    logs = np.log(values)
    assert np.log(found.high) == pytest.approx(logs.mean() + stats.t.ppf(0.975, 2) * stats.sem(logs))
    assert geometric_mean([]).value is None
    assert geometric_mean([2.0, 2.0]).low is None


@pytest.mark.parametrize("values", [[0.0, 1.0], [-1.0, 1.0], [float("nan"), 1.0]])
def test_numbers_that_are_no_times_are_refused(values: list[float]) -> None:
    for metric in (growth_exponent, quadratic_from):
        with pytest.raises(ValueError):
            metric([1, 2], values)
    with pytest.raises(ValueError):
        geometric_mean(values)
    with pytest.raises(ValueError):
        growth_exponent([1, 2, 3], [1.0, 2.0])
