"""Rates and means: known answers, and properties that must hold for any input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from audit.metrics import Estimate, mean, rate
from audit.metrics._clusters import effective_size, mean_variance

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)
masks = st.lists(st.booleans(), min_size=1, max_size=60)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


def width(estimate: Estimate) -> float:
    low, high = ends(estimate)
    return high - low


def mask_of(successes: int, n: int) -> np.ndarray:
    return np.arange(n) < successes


# --- known answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)])
def test_rate_is_newcombes_published_wilson_interval(successes: int, n: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    estimate = rate(mask_of(successes, n))
    assert ends(estimate) == pytest.approx((low, high), abs=5e-5)
    assert (estimate.method, estimate.successes, estimate.n, estimate.clusters) == ("Wilson", successes, n, None)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 20), (1, 29), (10, 20), (29, 29)])
def test_rate_equals_statsmodels(successes: int, n: int, confidence: float) -> None:
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert ends(rate(mask_of(successes, n), confidence=confidence)) == pytest.approx(expected)


def test_rate_with_one_member_per_cluster_is_plain_wilson() -> None:
    mask = mask_of(3, 20)
    clustered = rate(mask, clusters=[f"item {i}" for i in range(20)])
    assert ends(clustered) == ends(rate(mask))
    assert (clustered.method, clustered.clusters) == ("Wilson", 20)


def test_rate_of_copied_items_has_the_information_of_the_clusters() -> None:
    # Ten answers, each stored eight times: the design effect is 8 (times G/(G-1)), the effective size about ten.
    answers = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    codes = np.repeat(np.arange(10), 8)
    assert effective_size(np.repeat(answers, 8).astype(float), codes).n == pytest.approx(9)
    assert width(rate(np.repeat(answers, 8), clusters=codes)) > width(rate(answers))


@pytest.mark.parametrize("successes", [0, 1])
def test_rate_at_and_beside_nothing_counts_clusters_not_items(successes: int) -> None:
    estimate = rate(mask_of(successes, 500), clusters=np.repeat(np.arange(10), 50))
    expected = proportion_confint(successes / 50, 10, method="wilson")
    assert ends(estimate) == pytest.approx(expected, abs=1e-12)
    assert "effective n 10.0" in estimate.method


def test_rate_at_everything_mirrors_nothing() -> None:
    clusters = np.repeat(np.arange(10), 5)
    none, every = rate(np.zeros(50), clusters), rate(np.ones(50), clusters)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - ends(every)[0])


def test_opposite_answers_within_clusters_do_not_beat_independent_items() -> None:
    clusters, mask = np.repeat(np.arange(40), 2), np.tile([True, False], 40)
    assert width(rate(mask, clusters)) >= width(rate(mask))


def test_rate_of_one_cluster_keeps_a_wide_interval() -> None:
    assert width(rate(mask_of(30, 60), clusters=["a"] * 60)) > 0.8


def test_mean_equals_scipy() -> None:
    values = np.array([2.1, 3.4, 1.9, 5.0, 4.4, 2.8])
    expected = stats.ttest_1samp(values, 2.0)
    estimate = mean(values, null=2.0)
    assert estimate.value == pytest.approx(values.mean())
    assert ends(estimate) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert estimate.p_value == pytest.approx(expected.pvalue)
    assert (estimate.method, estimate.clusters) == ("t", None)


def test_clustered_mean_equals_statsmodels() -> None:
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    values = rng.normal(size=12)[codes] + rng.normal(size=len(codes))
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    estimate = mean(values, codes)
    assert mean_variance(values, codes) == pytest.approx(fit.cov_params()[0, 0])
    assert ends(estimate) == pytest.approx(tuple(fit.conf_int()[0]))
    assert estimate.p_value == pytest.approx(fit.pvalues[0])
    assert (estimate.method, estimate.clusters, estimate.n) == ("cluster-robust t (CR1)", 12, len(values))


def test_mean_with_one_member_per_cluster_is_the_t_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    assert ends(mean(values, clusters=list("abcd"))) == pytest.approx(ends(mean(values)))


def test_golden_values() -> None:
    mask = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    clusters = np.repeat(np.arange(7), 3)
    values = np.round(np.sin(np.arange(21.0)), 6)
    assert ends(rate(mask)) == pytest.approx((0.408787, 0.792490), abs=1e-6)
    assert ends(rate(mask, clusters)) == pytest.approx((0.306237, 0.856778), abs=1e-6)
    assert ends(mean(values, clusters)) == pytest.approx((-0.345896, 0.440965), abs=1e-6)


# --- nothing certain out of nothing ------------------------------------------------------------------------------


def test_empty_input_has_a_reason_and_no_value() -> None:
    for estimate in (rate([]), rate([], clusters=[]), mean([]), mean([], clusters=[])):
        assert (estimate.value, estimate.low, estimate.high, estimate.n) == (None, None, None, 0)
        assert estimate.reason == "no observations"


def test_one_observation_or_cluster_has_a_mean_and_no_interval() -> None:
    assert mean([3.0]).method == "one observation: no interval"
    single = mean([3.0, 5.0], clusters=["a", "a"])
    assert (single.value, single.low, single.p_value, single.method) == (4.0, None, None, "one cluster: no interval")


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([0.1] * 7, None), ([0.0] * 4, None), ([0.1, 0.5, 0.1, 0.5], list("aabb")), ([0.1 + 1e-17, 0.1, 0.1], None)],
)
def test_no_variation_gives_no_interval(values: list[float], clusters: list[str] | None) -> None:
    estimate = mean(values, clusters)
    assert (estimate.low, estimate.high, estimate.p_value) == (None, None, None)
    assert estimate.method.startswith("no variation")


def test_no_variation_with_bounds_gives_the_wilson_limit() -> None:
    estimate = mean([0.5] * 10, bounds=(0.0, 1.0))
    limit = proportion_confint(0, 10, method="wilson")[1]
    assert ends(estimate) == pytest.approx((0.5 - 0.5 * limit, 0.5 + 0.5 * limit))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
def test_not_a_number_is_refused_by_name(bad: float | None) -> None:
    with pytest.raises(ValueError, match="successes_mask"):
        rate([1.0, bad])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="values"):
        mean([1.0, bad])  # type: ignore[arg-type]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="successes_mask must hold only"):
        rate([0, 2])
    with pytest.raises(ValueError, match="successes_mask must have 1 dim"):
        rate([[0, 1]])
    with pytest.raises(ValueError, match="values must be numbers"):
        mean(["a", "b"])
    with pytest.raises(ValueError, match="clusters has 1, the data 2"):
        rate([0, 1], clusters=["a"])
    with pytest.raises(ValueError, match="None or NaN"):
        mean([0.0, 1.0], clusters=["a", None])
    with pytest.raises(ValueError, match="None or NaN"):
        mean([0.0, 1.0], clusters=np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="confidence"):
        rate([0, 1], confidence=95)
    with pytest.raises(ValueError, match="null"):
        mean([0.0, 1.0], null=float("nan"))
    with pytest.raises(ValueError, match="bounds"):
        mean([0.0, 2.0], bounds=(0.0, 1.0))


@pytest.mark.parametrize(
    "fields", [(None, None, None), (0.5, 0.1, None), (0.5, None, 0.6), (0.5, 0.6, 0.7), (None, 0.1, 0.2)]
)
def test_an_estimate_cannot_contradict_itself(fields: tuple[float | None, float | None, float | None]) -> None:
    with pytest.raises(ValueError):
        Estimate(*fields, n=1, clusters=None, confidence=0.95, method="by hand")


# --- properties --------------------------------------------------------------------------------------------------


@SETTINGS
@given(mask=masks, data=st.data())
def test_rate_holds_its_point_and_ignores_names_and_order(mask: list[bool], data: st.DataObject) -> None:
    clusters = data.draw(st.lists(st.integers(0, 6), min_size=len(mask), max_size=len(mask)))
    estimate = rate(mask, clusters)
    low, high = ends(estimate)
    assert estimate.value is not None
    assert 0 <= low <= estimate.value <= high <= 1
    assert low < high
    assert rate(mask, [f"template {9 - c}" for c in clusters]) == estimate
    order = data.draw(st.permutations(range(len(mask))))
    shuffled = rate([mask[i] for i in order], [clusters[i] for i in order])
    assert ends(shuffled) == pytest.approx((low, high))
    opposite = rate([not m for m in mask], clusters)
    assert ends(opposite) == pytest.approx((1 - high, 1 - low))


@SETTINGS
@given(values=st.lists(numbers, min_size=1, max_size=40), data=st.data())
def test_mean_holds_its_point_and_ignores_names_and_order(values: list[float], data: st.DataObject) -> None:
    clusters = data.draw(st.lists(st.integers(0, 6), min_size=len(values), max_size=len(values)))
    estimate = mean(values, clusters)
    assert mean(values, [("person", c) for c in clusters]) == estimate
    assert estimate.value == pytest.approx(np.mean(values), abs=1e-9)
    if estimate.low is not None and estimate.high is not None and estimate.value is not None:
        assert estimate.low < estimate.value < estimate.high
        order = data.draw(st.permutations(range(len(values))))
        again = mean([values[i] for i in order], [clusters[i] for i in order])
        assert ends(again) == pytest.approx(ends(estimate), rel=1e-6, abs=1e-6)


@SETTINGS
@given(mask=masks, times=st.integers(2, 5))
def test_width_shrinks_with_n(mask: list[bool], times: int) -> None:
    assert width(rate(mask * times)) < width(rate(mask))


def test_width_grows_with_confidence() -> None:
    for estimate in (lambda c: rate(mask_of(3, 20), confidence=c), lambda c: mean(range(9), confidence=c)):
        assert width(estimate(0.8)) < width(estimate(0.95)) < width(estimate(0.99))
