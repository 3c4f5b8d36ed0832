"""Simulated coverage: nominal 95% intervals hold the truth in about 95 of 100 samples."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics import auroc, expected_calibration_error, mean, paired_rate_difference, rate
from audit.metrics.estimates import Estimate

SAMPLES = 600


def share_covered(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([e.low is not None and e.high is not None and e.low <= truth <= e.high for e in estimates]))


def clustered_mask(rng: np.random.Generator, truth: float, groups: int, size: int, icc: float) -> np.ndarray:
    """Beta-binomial answers: the intracluster correlation is 1 / (a + b + 1)."""
    total = (1 - icc) / icc
    chances = rng.beta(truth * total, (1 - truth) * total, groups)
    return (rng.random((groups, size)) < chances[:, None]).ravel()


@pytest.mark.parametrize(("truth", "n"), [(0.05, 60), (0.3, 40), (0.5, 200)])
def test_wilson(truth: float, n: int) -> None:
    rng = np.random.default_rng(11)
    estimates = [rate(rng.random(n) < truth) for _ in range(SAMPLES)]
    assert 0.92 <= share_covered(estimates, truth) <= 0.98


@pytest.mark.parametrize(("truth", "groups", "size"), [(0.1, 50, 5), (0.3, 30, 8), (0.5, 20, 10)])
def test_clustered_rate(truth: float, groups: int, size: int) -> None:
    rng = np.random.default_rng(12)
    clusters = np.repeat(np.arange(groups), size)
    samples = [clustered_mask(rng, truth, groups, size, icc=0.3) for _ in range(SAMPLES)]
    assert 0.92 <= share_covered([rate(mask, clusters) for mask in samples], truth) <= 0.98


def test_ignoring_clusters_would_be_overconfident() -> None:
    rng = np.random.default_rng(13)
    estimates = [rate(clustered_mask(rng, 0.5, 20, 10, icc=0.3)) for _ in range(SAMPLES)]
    assert share_covered(estimates, 0.5) < 0.85


def test_clustered_rate_where_few_clusters_hold_a_success() -> None:
    # Conservative rather than near nominal: nothing in such a sample tells how successes bunch.
    rng = np.random.default_rng(14)
    clusters = np.repeat(np.arange(10), 50)
    estimates = [rate(clustered_mask(rng, 0.02, 10, 50, icc=0.3), clusters) for _ in range(SAMPLES)]
    assert share_covered(estimates, 0.02) >= 0.93


@pytest.mark.parametrize(("groups", "size"), [(12, 6), (40, 4)])
def test_clustered_mean(groups: int, size: int) -> None:
    rng = np.random.default_rng(15)
    clusters = np.repeat(np.arange(groups), size)
    samples = [
        rng.normal(0, 0.3**0.5, groups)[clusters] + rng.normal(1, 0.7**0.5, groups * size) for _ in range(SAMPLES)
    ]
    assert 0.92 <= share_covered([mean(sample, clusters) for sample in samples], 1.0) <= 0.98


def test_paired_rate_difference() -> None:
    rng = np.random.default_rng(16)
    estimates = []
    for _ in range(SAMPLES):
        both, first, second = rng.random((3, 60))
        estimates.append(paired_rate_difference((both < 0.5) | (first < 0.2), (both < 0.5) | (second < 0.1)))
    assert 0.92 <= share_covered(estimates, 0.05) <= 0.98


def test_paired_rate_difference_in_clusters() -> None:
    rng = np.random.default_rng(17)
    clusters = np.repeat(np.arange(25), 6)
    estimates = [
        paired_rate_difference(clustered_mask(rng, 0.5, 25, 6, 0.3), clustered_mask(rng, 0.3, 25, 6, 0.3), clusters)
        for _ in range(SAMPLES)
    ]
    assert 0.92 <= share_covered(estimates, 0.2) <= 0.98


def test_auroc() -> None:
    rng = np.random.default_rng(18)
    labels = np.repeat([0, 1], [40, 30])
    truth = 0.8413447  # P(positive > negative) = Phi(shift / sqrt 2) with shift sqrt 2
    estimates = [auroc(rng.normal(size=70) + 2**0.5 * labels, labels) for _ in range(SAMPLES)]
    assert 0.92 <= share_covered(estimates, truth) <= 0.98


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_calibration_error(shift: float) -> None:
    # Conservative where the truth is small; never overconfident.
    rng = np.random.default_rng(19)
    estimates = []
    for _ in range(80):
        stated = rng.uniform(0.3, 0.95, 200)
        right = rng.random(200) < stated - shift
        estimates.append(expected_calibration_error(stated, right, resamples=100))
    assert share_covered(estimates, shift) >= 0.92
