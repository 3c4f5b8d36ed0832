"""The bootstrap of a table of counts is the bootstrap of the observations that it counts."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics import bootstrap, bootstrap_counts

COUNTS = np.array([[30, 20], [12, 38]])


def difference(counts: np.ndarray) -> np.ndarray:
    return counts[..., 1, 1] / counts[..., 1, :].sum(-1) - counts[..., 0, 1] / counts[..., 0, :].sum(-1)


@pytest.mark.parametrize("biased", [True, False])
def test_it_gives_what_resampled_rows_give(biased: bool) -> None:
    group, hit = np.indices(COUNTS.shape).reshape(2, -1).repeat(COUNTS.ravel(), axis=1)

    def of_rows(group: np.ndarray, hit: np.ndarray) -> float:
        return float(hit[group == 1].mean() - hit[group == 0].mean())

    slow = bootstrap((group, hit), of_rows, resamples=4000, biased=biased)
    fast = bootstrap_counts(COUNTS, difference, resamples=20_000, biased=biased)
    assert fast.value == slow.value == pytest.approx(0.36)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=0.02)
    assert fast.n == slow.n == 100
    assert "observations" in fast.method
    assert "not defined" not in fast.method


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (bootstrap_counts(COUNTS, difference, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_what_cannot_be_measured_says_why() -> None:
    assert bootstrap_counts(np.zeros((2, 2), int), difference).reason == "no observations"
    with np.errstate(invalid="ignore"):
        nothing = bootstrap_counts(np.array([[1, 2], [0, 0]]), difference)
    assert nothing.reason == "the statistic is not defined on this sample"
    alike = bootstrap_counts(np.array([5, 0]), lambda counts: counts[..., 0] / counts.sum(-1))
    assert (alike.value, alike.low) == (1.0, None)
    assert "no variation" in alike.method


@pytest.mark.parametrize("wrong", [[-1, 2], [0.5, 1.0]])
def test_counts_are_whole_numbers(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        bootstrap_counts(wrong, lambda counts: counts[..., 0])
