"""How differently two sets of words lie to two other sets: the word embedding association test.

Caliskan et al. 2017 (doi:10.1126/science.aal4230). Targets X and Y (flowers, insects) are compared by their association
with attributes A and B (pleasant, unpleasant): s(w, A, B) is the mean cosine of w with A less that with B.

Throughout, ``table`` is ``[targets, attributes]`` cosines, of which the first ``x`` rows are X and the first ``a``
columns are A.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from audit.metrics._arrays import FloatArray, IntArray, as_values, check_confidence, check_positive
from audit.metrics.estimates import Estimate, not_measured

EXACT = 20_000
"""Partitions of the targets up to which all are counted; eight against eight words have 12,870."""
FEWEST = 2  # words a side, below which there is nothing to resample
LARGEST = 2.0  # d of two sets of like size whose words within each are all alike


def cosines(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    """Cosine of each of ``[n, width]`` vectors with each of ``[m, width]``: ``[n, m]`` numbers from -1 to 1.

    Raises:
        ValueError: NaN or infinite numbers, unequal widths, or a vector of length 0, which has no direction.
    """
    tables = [as_values(name, table, ndim=2) for name, table in (("first", first), ("second", second))]
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(f"vectors have {tables[0].shape[1]} and {tables[1].shape[1]} numbers")
    lengths = [np.linalg.norm(table, axis=1, keepdims=True) for table in tables]
    if any((length == 0).any() for length in lengths):
        raise ValueError("a vector of length 0 has no direction")
    found: FloatArray = np.clip((tables[0] / lengths[0]) @ (tables[1] / lengths[1]).T, -1.0, 1.0)
    return found


def associations(table: npt.ArrayLike, a: int) -> FloatArray:
    """s(w, A, B) of each target: from -2 (only to B) over 0 to 2 (only to A)."""
    cosine = as_values("table", table, ndim=2)
    found: FloatArray = cosine[:, :a].mean(axis=1) - cosine[:, a:].mean(axis=1)
    return found


def effect_size(scores: npt.ArrayLike, x: int) -> float:
    """d: mean association of X less that of Y, over the standard deviation (n - 1) of both together.

    From about -2 to 2; above 0: X lies nearer to A. NaN where the associations do not vary.
    """
    values = as_values("scores", scores)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    # Summation can leave a rounding error where all are alike.
    if spread <= 1e-12 * max(1e-12, float(np.abs(values).max(initial=0.0))):
        return float("nan")
    return float(values[:x].mean() - values[x:].mean()) / spread


def association_p(scores: npt.ArrayLike, x: int, resamples: int = 9999, seed: int = 0) -> float | None:
    """One-sided p value of the permutation test: the share of partitions of the targets that part them as far or further.

    All partitions into sets of the same sizes where there are no more than ``EXACT``; otherwise random ones with the
    observed counted in, as the authors of SEAT do (May et al. 2019, arXiv:1903.10561). Ties count as further.

    Returns:
        From above 0 (no partition parts them as far towards A) to 1; None where a side is empty.
    """
    values = as_values("scores", scores)
    check_positive("resamples", resamples)
    n = len(values)
    if not 0 < x < n:
        return None
    observed = float(values[:x].sum())
    near = 1e-12 * max(1.0, float(np.abs(values).sum()))  # sums in another order differ in their last digits
    if comb(n, x) <= EXACT:
        return float((values[_partitions(n, x)].sum(axis=1) >= observed - near).mean())
    order = np.argsort(np.random.default_rng(seed).random((resamples, n)), axis=1)[:, :x]
    return float((1 + (values[order].sum(axis=1) >= observed - near).sum()) / (resamples + 1))


@cache
def _partitions(n: int, x: int) -> IntArray:
    return np.array(list(combinations(range(n), x)), dtype=np.intp)


def relabelled_effects(scores: npt.ArrayLike, x: int, resamples: int = 2000, seed: int = 0) -> FloatArray:
    """d for random partitions of the targets: what it would be if X and Y were nothing but names."""
    values = as_values("scores", scores)
    order = np.argsort(np.random.default_rng(seed).random((resamples, len(values))), axis=1)
    mixed = values[order]
    found: FloatArray = (mixed[:, :x].mean(axis=1) - mixed[:, x:].mean(axis=1)) / values.std(ddof=1)
    return found


def resampled_effects(table: npt.ArrayLike, x: int, a: int, resamples: int = 2000, seed: int = 0) -> FloatArray:
    """d for words drawn anew, with replacement, within each of the four sets; NaN where a draw does not vary."""
    cosine = as_values("table", table, ndim=2)
    stream = np.random.default_rng(seed)
    n, m = cosine.shape
    in_x, in_y, in_a, in_b = (_times_drawn(size, resamples, stream) for size in (x, n - x, a, m - a))
    scores = in_a @ cosine[:, :a].T / a - in_b @ cosine[:, a:].T / (m - a)
    rows = np.hstack([in_x, in_y])
    centre = (rows * scores).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((rows * (scores - centre) ** 2).sum(axis=1) / (n - 1))
    gap = (in_x * scores[:, :x]).sum(axis=1) / x - (in_y * scores[:, x:]).sum(axis=1) / (n - x)
    found: FloatArray = np.full(resamples, np.nan)
    np.divide(gap, spread, out=found, where=spread > 1e-12)
    return found


def _times_drawn(size: int, resamples: int, stream: np.random.Generator) -> FloatArray:
    """How often each of ``size`` words is in each resample of as many: ``[resamples, size]``."""
    drawn = stream.integers(size, size=(resamples, size))
    return np.stack([(drawn == word).sum(axis=1) for word in range(size)], axis=1).astype(np.float64)


def association_effect(
    table: npt.ArrayLike, x: int, a: int, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """The effect size d with its interval by the bootstrap over words, and the permutation test's one-sided p value.

    Words are drawn anew within each of the four sets, because other words could have stood for the same thing.
    Percentile interval: simulated with twelve words a set, 95% intervals held the truth in 90 to 98% of cases, the more
    often the more the attributes differ.

    Args:
        table: ``[targets, attributes]`` cosines.
        x, a: how many of the targets are X, and of the attributes A.
        confidence: of the interval, between 0 and 1.
        resamples: of words.
        seed: of draws and partitions.

    Returns:
        d with n targets. Value None with fewer than two words in a set, or where no association varies.

    Raises:
        ValueError: NaN or infinite cosines, or none.
    """
    check_confidence(confidence)
    check_positive("resamples", resamples)
    cosine = as_values("table", table, ndim=2)
    n, m = cosine.shape
    if min(x, n - x, a, m - a) < FEWEST:
        return not_measured(f"fewer than {FEWEST} words of a set were scored", confidence)
    scores = associations(cosine, a)
    value = effect_size(scores, x)
    if not np.isfinite(value):
        return not_measured("all words are associated alike, so there is no spread to compare with", confidence)
    found = Estimate(value, None, None, n, None, confidence, "", p_value=association_p(scores, x, seed=seed))
    return effect_interval(found, resampled_effects(cosine, x, a, resamples, seed))


def effect_interval(found: Estimate, draws: FloatArray, *, biased: bool = False) -> Estimate:
    """The estimate with the percentile interval of resampled effects, within -2 and 2.

    With ``biased`` (the largest of several effects), and where an interval misses the point, the ends are the outer ones
    of the percentile and the basic (reflected) interval, as in ``bootstrap``.
    """
    if found.value is None:
        return found
    defined = draws[np.isfinite(draws)]
    if len(defined) < 0.9 * len(draws) or not len(defined):
        return replace(
            found, method=f"not defined in {len(draws) - len(defined)} of {len(draws)} resamples: no interval"
        )
    tail = (1 - found.confidence) / 2
    low, high = (float(np.quantile(defined, q)) for q in (tail, 1 - tail))
    method = f"percentile bootstrap over words, {len(draws)} resamples"
    if biased or not low <= found.value <= high:
        low, high = min(low, 2 * found.value - high), max(high, 2 * found.value - low)
        method = f"percentile and basic bootstrap over words joined (biased statistic), {len(draws)} resamples"
    edge = max(LARGEST, abs(found.value))
    return replace(found, low=max(-edge, low), high=min(edge, high), method=method)
