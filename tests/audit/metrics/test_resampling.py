"""Bootstrap and permutation: equal to scipy where scipy fits, and honest where nothing fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from audit.metrics import bootstrap, mean, permutation_p

SKEWED = np.random.default_rng(0).exponential(size=30)


def plain_mean(x: Any) -> float:
    return float(np.mean(x))


def ratio(x: Any, y: Any) -> float:
    return float(x.sum() / y.sum()) if y.sum() else float("nan")


def test_bca_equals_scipy() -> None:
    expected = stats.bootstrap((SKEWED,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(4))
    estimate = bootstrap((SKEWED,), np.mean, resamples=999, seed=4)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected.confidence_interval))
    assert estimate.method == "BCa bootstrap, 999 resamples of observations"


def test_with_and_without_axis_agree() -> None:
    fast, slow = bootstrap((SKEWED,), np.mean, resamples=500), bootstrap((SKEWED,), plain_mean, resamples=500)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))
    clusters = np.repeat(np.arange(10), 3)
    fast = bootstrap((SKEWED,), np.mean, clusters, resamples=500)
    slow = bootstrap((SKEWED,), plain_mean, clusters, resamples=500)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))


def test_bca_against_an_independent_computation() -> None:
    # Efron 1987, by hand, for unequal clusters: bias from the share of draws below, acceleration from a jackknife.
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(9), rng.integers(1, 6, 9))
    x = rng.exponential(size=9)[codes] + rng.exponential(size=len(codes))
    groups = [np.flatnonzero(codes == g) for g in range(9)]
    draws = np.random.default_rng(1).integers(0, 9, (4000, 9))
    values = np.array([x[np.concatenate([groups[g] for g in draw])].mean() for draw in draws])
    left_out = np.array([x[codes != g].mean() for g in range(9)])
    u = left_out.mean() - left_out
    acceleration = (u**3).sum() / (6 * (u**2).sum() ** 1.5)
    bias = stats.norm.ppf((values < x.mean()).mean())
    z = bias + stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(values, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    estimate = bootstrap((x,), plain_mean, codes, resamples=4000, seed=2)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), rel=0.04)
    assert estimate.clusters == 9


def test_clusters_widen_and_agree_with_the_robust_mean() -> None:
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(40), 5)
    values = rng.normal(size=40)[clusters] + 0.3 * rng.normal(size=200)
    alone, together, robust = (
        bootstrap((values,), np.mean),
        bootstrap((values,), np.mean, clusters),
        mean(values, clusters),
    )
    assert together.high - together.low > 1.5 * (alone.high - alone.low)  # type: ignore[operator]
    assert together.high - together.low == pytest.approx(robust.high - robust.low, rel=0.1)  # type: ignore[operator]


def test_pairs_stay_together() -> None:
    x = np.random.default_rng(1).normal(size=25)
    estimate = bootstrap((x, 2 * x), lambda a, b: float(np.abs(b - 2 * a).max()), resamples=50)
    assert estimate.value == 0
    assert estimate.method == "no variation between resampled observations: no interval"


def test_seed_and_names_decide_nothing_else() -> None:
    clusters = np.repeat(np.arange(6), 5)
    first = bootstrap((SKEWED,), plain_mean, clusters, resamples=200, seed=1)
    assert first == bootstrap((SKEWED,), plain_mean, clusters, resamples=200, seed=np.random.default_rng(1))
    assert first == bootstrap((SKEWED,), plain_mean, [f"q{9 - c}" for c in clusters], resamples=200, seed=1)
    assert first != bootstrap((SKEWED,), plain_mean, clusters, resamples=200, seed=2)
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    bootstrap((SKEWED,), plain_mean, resamples=50)
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_golden() -> None:
    estimate = bootstrap((np.arange(20.0) ** 2,), np.median, resamples=500, seed=7)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((90.5, 39.588720, 196.0), abs=1e-6)


def test_no_variation_gives_no_interval() -> None:
    estimate = bootstrap((np.ones(12),), np.mean, resamples=50)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)
    assert estimate.method.startswith("no variation")


def test_percentile_where_bca_is_not_defined() -> None:
    # The maximum is never exceeded in a resample: no bias correction exists.
    estimate = bootstrap((SKEWED,), np.max, resamples=200)
    assert estimate.method.startswith(("percentile bootstrap", "BCa"))
    assert estimate.low is not None
    assert estimate.value is not None


def test_biased_statistics_get_the_outer_ends() -> None:
    # A statistic that always grows in resamples: every resample lies above the point.
    grown = bootstrap((np.arange(30),), lambda x: float(30 - len(np.unique(x))), resamples=200)
    assert grown.method == "percentile and basic bootstrap joined (biased statistic), 200 resamples of observations"
    assert grown.value == 0
    assert grown.low == -grown.high  # type: ignore[operator]
    told = bootstrap((SKEWED,), np.mean, resamples=200, biased=True)
    draws = stats.bootstrap((SKEWED,), np.mean, n_resamples=200, rng=np.random.default_rng(0)).bootstrap_distribution
    low, high = np.quantile(draws, [0.025, 0.975])
    point = SKEWED.mean()
    assert (told.low, told.high) == pytest.approx((min(low, 2 * point - high), max(high, 2 * point - low)))


def test_undefined_resamples_are_counted() -> None:
    x, y = np.ones(30), np.repeat([0.0, 1.0], [27, 3])
    estimate = bootstrap((x, y), ratio, resamples=400)
    assert estimate.low is not None
    assert "undefined left out" in estimate.method
    assert estimate.method.startswith("percentile")
    rarer = bootstrap((x, np.repeat([0.0, 1.0], [29, 1])), ratio, resamples=400)
    assert rarer.low is None
    assert rarer.method.startswith("not defined in")


def test_undefined_on_the_sample_has_a_reason() -> None:
    estimate = bootstrap((np.ones(5), np.zeros(5)), ratio)
    assert (estimate.value, estimate.n) == (None, 5)
    assert estimate.reason == "the statistic is not defined on this sample"


def test_text_and_masks_are_data_too() -> None:
    groups, right = np.repeat(["a", "b"], 40), np.random.default_rng(3).random(80) < 0.5

    def gap(groups: Any, right: Any) -> float:
        return float(right[groups == "a"].mean() - right[~(groups == "a")].mean())

    estimate = bootstrap((groups, right), gap, resamples=300)
    assert estimate.low is not None
    assert estimate.low < gap(groups, right) < estimate.high  # type: ignore[operator]


def test_small_empty_and_mistaken_input() -> None:
    assert bootstrap(([],), np.mean).reason == "no observations"
    assert bootstrap(([],), np.mean, clusters=[]).reason == "no observations"
    assert bootstrap(([3.0],), np.mean).method == "one observation: no interval"
    assert bootstrap(([3.0, 4.0],), np.mean, clusters=["a", "a"]).method == "one cluster: no interval"
    with pytest.raises(ValueError, match=r"data\[1\] holds NaN"):
        bootstrap(([1.0, 2.0], [1.0, np.nan]), ratio)
    with pytest.raises(ValueError, match=r"data\[0\] holds NaN"):
        bootstrap(([1.0, None],), np.mean)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lengths differ"):
        bootstrap(([1.0], [1.0, 2.0]), ratio)
    with pytest.raises(ValueError, match="no array"):
        bootstrap((), np.mean)
    with pytest.raises(ValueError, match="one number"):
        bootstrap((1.0,), np.mean)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap(([1.0, 2.0],), np.mean, resamples=0)


def test_permutation_p() -> None:
    # All 20 relabellings of 3 and 3 are enumerated; two are as extreme as the observed one.
    assert permutation_p([1, 2, 3], [10, 11, 12]) == pytest.approx(0.1)
    assert permutation_p([1, 2], [1, 2]) == 1.0
    assert permutation_p([1.0], [2.0]) == 1.0
    assert permutation_p([], [1.0]) is None
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(0.4, size=40)
    p_value = permutation_p(a, b, seed=1)
    assert p_value == pytest.approx(stats.ttest_ind(a, b).pvalue, abs=0.02)
    assert p_value == permutation_p(a, b, seed=1)
    with pytest.raises(ValueError, match="values_b"):
        permutation_p([1.0], [np.nan])
    with pytest.raises(ValueError, match="resamples"):
        permutation_p([1.0], [2.0], resamples=0)
