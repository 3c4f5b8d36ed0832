"""The largest gap between groups in a share, on the same cases, with the gap that chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from fairlearn.metrics import demographic_parity_difference
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap, rate

FloatArray = NDArray[np.float64]
SHUFFLES = 400  # fix the chance level to about a hundredth of itself


def parity_gap(
    decided: FloatArray, groups: Sequence[str], cases: Sequence[str], confidence: float, seed: int
) -> tuple[Estimate, float]:
    """Demographic parity difference over groups that were asked about the same texts, and its chance level.

    fairlearn's value: highest minus lowest share. It is never below 0, so chance is its mean when the groups of each
    case are shuffled.

    Args:
        decided: ``[texts, groups]``, 1 where the group was given what is counted.
        groups: the columns' names.
        cases: ``[texts]`` the case that each text words; resampled and shuffled as a whole.
        confidence: of the interval, between 0 and 1.
        seed: of resamples and shuffles.
    """
    _, case = np.unique(cases, return_inverse=True)
    # A case is drawn as a whole, so that its sums are all that a resample needs of it.
    sizes = np.bincount(case)
    sums = np.zeros((len(sizes), decided.shape[1]))
    np.add.at(sums, case, decided)
    estimate = bootstrap((sums, sizes), _gap_of_sums, None, confidence, seed=seed, biased=True)
    estimate = replace(estimate, n=len(decided), clusters=len(sizes))
    names = np.tile(np.asarray(groups), len(decided))
    favoured = decided.ravel().astype(int)
    value = float(demographic_parity_difference(favoured, favoured, sensitive_features=names))
    stream = np.random.default_rng(seed)

    def shuffled() -> FloatArray:
        # One order a case: its wordings are asked about the same people and would be decided alike.
        orders = np.argsort(stream.random((len(sizes), len(groups))), axis=1)
        return np.take_along_axis(decided, orders[case], axis=1)

    chance = float(np.mean([largest_gap(shuffled()) for _ in range(SHUFFLES)]))
    estimate = _limited(replace(estimate, value=value))
    low = None if estimate.low is None else max(0.0, estimate.low)
    return replace(estimate, low=low, method=f"{estimate.method}; value by fairlearn"), chance


def _limited(estimate: Estimate) -> Estimate:
    """An interval where all resamples agree: at most the Wilson limit of 0 among the cases could differ, each by 1."""
    cases = estimate.clusters or estimate.n
    if estimate.value is None or estimate.low is not None or cases < 2:
        return estimate
    share = rate([False] * cases, None, estimate.confidence).high or 0.0
    low, high = max(0.0, estimate.value - share), min(1.0, estimate.value + share)
    return replace(estimate, low=low, high=high, method=f"no variation between cases: Wilson limit of 0 in {cases}")


def largest_gap(decided: FloatArray) -> float:
    """Highest minus lowest share over the columns of ``[texts, groups]``."""
    shares = decided.mean(axis=0)
    return float(shares.max() - shares.min())


def _gap_of_sums(sums: FloatArray, sizes: NDArray[np.intp]) -> float:
    """The same from the cases' sums ``[cases, groups]`` and their numbers of texts ``[cases]``."""
    shares = sums.sum(axis=0) / sizes.sum()
    return float(shares.max() - shares.min())
