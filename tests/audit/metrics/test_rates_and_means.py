"""Rates and means: known answers, and properties that must hold for any input."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from audit.metrics import Estimate, difference_of_means, mean, rate
from audit.metrics._arrays import FloatArray, IntArray
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


def drawn(sizes: Sequence[int], spread: float, seed: int) -> tuple[FloatArray, IntArray]:
    """Values whose clusters differ by ``spread``, around 0; and the clusters."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=len(sizes))[codes] * spread + rng.normal(size=len(codes)), codes


def test_a_mean_of_clusters_of_one_size_equals_statsmodels() -> None:
    values, codes = drawn([5] * 12, 1, 3)
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    estimate = mean(values, codes)
    assert mean_variance(values, codes) == pytest.approx(fit.cov_params()[0, 0])
    assert ends(estimate) == pytest.approx(tuple(fit.conf_int()[0]))
    assert estimate.p_value == pytest.approx(fit.pvalues[0])
    assert (estimate.method, estimate.clusters, estimate.n) == ("cluster-robust t (CV3)", 12, len(values))


def test_a_mean_of_clusters_of_unequal_size_is_the_jackknife_written_out() -> None:
    sizes = (20, 3, 2, 4, 1, 6)
    values, codes = drawn(sizes, 1, 4)
    left = [values[codes != c].mean() for c in range(6)]
    variance = 5 / 6 * sum((m - values.mean()) ** 2 for m in left)
    dof = 36**2 / sum(n**2 for n in sizes)
    half = stats.t.ppf(0.975, dof) * variance**0.5
    assert dof < 5
    assert ends(mean(values, codes)) == pytest.approx((values.mean() - half, values.mean() + half))
    assert mean(values, codes).p_value == pytest.approx(2 * stats.t.sf(abs(values.mean()) / variance**0.5, dof))


@pytest.mark.parametrize("sizes", [[100, *[2] * 20], [40, 10, 10, 10, 5, 5, 5, 5], list(range(1, 21)), [5] * 12])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_an_interval_of_a_mean_holds_the_truth_as_often_as_it_says(sizes: list[int], spread: float) -> None:
    """95% within what 400 draws tell, also where one cluster holds most observations; there it may be too wide."""
    found = [mean(*drawn(sizes, spread, seed)) for seed in range(400)]
    held = np.mean([(m.low or 0) <= 0 <= (m.high or 0) for m in found])
    assert 0.92 <= held <= (1.0 if max(sizes) > sum(sizes) / 3 else 0.98)


@pytest.mark.parametrize("sizes", [[100, *[2] * 20], [40, 10, 10, 10, 5, 5, 5, 5], [5] * 25])
def test_an_interval_of_a_rate_holds_the_truth_where_clusters_differ(sizes: list[int]) -> None:
    rng, codes, held = np.random.default_rng(5), np.repeat(np.arange(len(sizes)), sizes), 0
    for _ in range(400):
        low, high = ends(rate(rng.random(len(codes)) < rng.beta(0.6, 1.4, len(sizes))[codes], codes))
        held += low <= 0.3 <= high
    assert held >= 0.92 * 400


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5, 5, 5), (20, 3, 2, 4, 1, 6)])
def test_a_difference_of_means_leaves_out_each_cluster_of_both(sizes: tuple[int, ...]) -> None:
    """Against a jackknife over clusters written out by hand."""
    stream = np.random.default_rng(3)
    first = [(f"c{c}", float(x)) for c, size in enumerate(sizes) for x in stream.normal(c / 4, 1, size)]
    second = [(f"c{c + 2}", float(x)) for c, size in enumerate(sizes) for x in stream.normal(0, 1, size + 1)]
    total = 0.0
    for cluster in {c for c, _ in (*first, *second)}:
        moved = 0.0
        for weight, side in ((1, first), (-1, second)):
            if any(c == cluster for c, _ in side):
                groups = len({c for c, _ in side})
                left = fmean(x for c, x in side if c != cluster) - fmean(x for _, x in side)
                moved += weight * left * ((groups - 1) / groups) ** 0.5
        total += moved**2
    (named, a), (others, b) = (zip(*side, strict=True) for side in (first, second))
    found = difference_of_means(a, b, (named, others))
    assert found.value == pytest.approx(fmean(a) - fmean(b))
    shares = [[labels.count(c) / len(labels) for c in set(labels)] for labels in (named, others)]
    dof = min(min(len(w) - 1, 1 / sum(x**2 for x in w)) for w in shares)
    assert width(found) == pytest.approx(2 * stats.t.ppf(0.975, dof) * total**0.5)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.value or 0) / total**0.5, dof))
    assert (found.n, found.clusters) == (len(a) + len(b), 8)


def test_a_difference_of_means_that_nothing_is_known_of() -> None:
    one = difference_of_means([1, 2], [3, 4], (["a", "a"], ["a", "b"]))
    assert (one.value, one.low) == (-2, None)
    assert "one cluster" in one.method
    assert difference_of_means([], [1], ([], ["a"])).value is None
    same = difference_of_means([1, 1], [0, 0], (["a", "b"], ["a", "b"]))
    assert (same.value, same.low) == (1, None)
    bounded = difference_of_means([1, 1], [0, 0], (["a", "b"], ["a", "b"]), bounds=(-1, 1))
    assert bounded.high == 1
    assert (bounded.low or 0) < 0.5
    wide = difference_of_means([1, 0, 1, 0], [0, 1, 0, 0], (list("abcd"), list("abcd")), bounds=(-1, 1))
    assert ends(wide)[1] == 1
    with pytest.raises(ValueError, match="length"):
        difference_of_means([1.0], [2.0], (["a", "b"], ["a"]))


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
