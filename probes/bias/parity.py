"""The largest gap between groups in a share, on the same cases, with the gap that chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from fairlearn.metrics import demographic_parity_difference
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap, rate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
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
    estimate = replace(_gap_over_cases(decided, case, confidence, seed), n=len(decided), clusters=case.max() + 1)
    names = np.tile(np.asarray(groups), len(decided))
    favoured = decided.ravel().astype(int)
    value = float(demographic_parity_difference(favoured, favoured, sensitive_features=names))
    stream = np.random.default_rng(seed)

    def shuffled() -> FloatArray:
        # One order a case: its wordings are asked about the same people and would be decided alike.
        orders = np.argsort(stream.random((case.max() + 1, len(groups))), axis=1)
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


def _gap_over_cases(decided: FloatArray, case: IntArray, confidence: float, seed: int) -> Estimate:
    """The gap with its interval, whole cases drawn: what it needs of a case is how often each group was favoured."""
    texts = np.bincount(case)
    favoured = np.zeros((len(texts), decided.shape[1]))
    np.add.at(favoured, case, decided)

    def gap(drawn: IntArray, axis: int = -1) -> Any:
        shares = favoured[drawn].sum(axis=-2) / texts[drawn].sum(axis=-1)[..., None]
        return shares.max(axis=-1) - shares.min(axis=-1)

    estimate = bootstrap((np.arange(len(texts)),), gap, None, confidence, seed=seed, biased=True)
    return replace(estimate, method=estimate.method.replace("observation", "cluster"))


def largest_gap(decided: FloatArray) -> float:
    """Highest minus lowest share over the columns of ``[texts, groups]``."""
    shares = decided.mean(axis=0)
    return float(shares.max() - shares.min())
