"""Rates and means with their intervals, for independent and for clustered observations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from audit.metrics._arrays import Labels, as_mask, as_values, check_confidence, cluster_codes, same_length
from audit.metrics._clusters import effective_size, freedom, mean_variance, moves
from audit.metrics.estimates import Estimate, not_measured

# A standard error this much smaller than the values is rounding, not variation.
ROUNDING = 1e-12
CLUSTERED = "cluster-robust t (CV3)"


def rate(successes_mask: npt.ArrayLike, clusters: Labels | None = None, confidence: float = 0.95) -> Estimate:
    """Share of successes with a Wilson score interval (Wilson 1927), widened where items share a cluster.

    With clusters of more than one member the Wilson formula gets the effective sample size in place of n: n over
    the cluster-robust design effect (Kish 1965), with Student's t (Korn & Graubard 1998; recommended by Dean & Pagano
    2015) on the degrees of freedom of ``mean``. The design effect is never below 1, and each cluster counts as one
    observation where fewer than five of the G clusters hold the rarer outcome, so that the interval neither
    collapses at 0% or 100% nor jumps beside them. ``method`` names the effective size.

    Args:
        successes_mask: ``[n]`` False/True or 0/1.
        clusters: ``[n]`` labels (template, question, person); None where items are independent.
        confidence: of the interval, between 0 and 1.

    Returns:
        A share from 0 (no success) to 1 (all), no unit; ``successes`` is the count. Value None for empty input.

    Raises:
        ValueError: NaN, infinite or other than 0/1 in ``successes_mask``; lengths differ; None or NaN labels.
    """
    check_confidence(confidence)
    mask = as_mask("successes_mask", successes_mask)
    n, successes = len(mask), int(mask.sum())
    codes = None if clusters is None else cluster_codes(clusters, n)
    if n == 0:
        return not_measured("no observations", confidence)
    groups = None if codes is None else int(codes.max()) + 1
    size, method = float(n), "Wilson"
    if codes is not None and groups != n:
        size = effective_size(mask, codes).at(confidence)
        method = f"Wilson, effective n {size:.1f} (cluster-robust design effect)"
    low, high = wilson(successes / n, size, confidence)
    return Estimate(successes / n, low, high, n, groups, confidence, method, successes=successes)


def wilson(share: float, size: float, confidence: float) -> tuple[float, float]:
    """Wilson score interval of a share from 0 to 1 for a (possibly fractional) sample size above 0."""
    low, high = proportion_confint(share * size, size, alpha=1 - confidence, method="wilson")
    # At 0% and 100% the formula gives the share itself, but for rounding.
    return max(0.0, min(float(low), share)), min(1.0, max(float(high), share))


def mean(
    values: npt.ArrayLike,
    clusters: Labels | None = None,
    confidence: float = 0.95,
    null: float = 0.0,
    *,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean with Student's t interval; cluster-robust where items share a cluster.

    The variance is that of leaving out one cluster at a time (CV3; MacKinnon, Nielsen & Webb 2023, Journal of Applied
    Econometrics 38:671), with the effective number of clusters as degrees of freedom, at most G-1. With clusters of one size
    it is the sandwich of Liang & Zeger 1986 with the factor G/(G-1), as statsmodels' ``cov_type="cluster"`` has it.

    A sample without variation (all values, or all clusters' means, alike) says nothing on its own about the spread,
    and the t interval would have no width. Then there is no interval and no p value, and ``method`` says so; unless
    ``bounds`` are given: the share of units that could differ is at most the Wilson limit of 0 in G, and each of
    them can move the mean at most to a bound.

    Args:
        values: ``[n]`` numbers of any unit.
        clusters: ``[n]`` labels; None where items are independent.
        confidence: of the interval, between 0 and 1.
        null: what ``p_value`` (two-sided) tests the mean against.
        bounds: the lowest and highest values possible, where the quantity has them.

    Returns:
        The mean in the unit of ``values``; what 0 and 1 mean is the unit's matter. Value None for empty input; no
        interval for fewer than two observations or clusters.

    Raises:
        ValueError: NaN or infinite ``values`` or ``null``; lengths differ; None or NaN labels; values outside
            ``bounds``.
    """
    check_confidence(confidence)
    array = as_values("values", values)
    as_values("null", null, ndim=0)
    n = len(array)
    codes = np.arange(n) if clusters is None else cluster_codes(clusters, n)
    if n == 0:
        return not_measured("no observations", confidence)
    if bounds is not None and not bounds[0] <= array.min() <= array.max() <= bounds[1]:
        raise ValueError(f"values lie outside the bounds {bounds}")
    groups = int(codes.max()) + 1
    # Summation can put the mean of equal values a rounding error beyond them.
    value = float(np.clip(array.mean(), array.min(), array.max()))
    unit = "observation" if clusters is None else "cluster"
    none = Estimate(value, None, None, n, None if clusters is None else groups, confidence, f"one {unit}: no interval")
    if groups < 2:
        return none
    error = float(np.sqrt(mean_variance(array, codes)))
    if error <= ROUNDING * np.abs(array).max():
        return _without_variation(none, groups, unit, bounds)
    lowest, highest = bounds or (-np.inf, np.inf)
    dof = freedom(codes)
    half = float(stats.t.ppf((1 + confidence) / 2, dof)) * error
    p_value = 2 * float(stats.t.sf(abs(value - null) / error, dof))
    method = "t" if clusters is None or groups == n else CLUSTERED
    return replace(none, low=max(lowest, value - half), high=min(highest, value + half), method=method, p_value=p_value)


def _without_variation(none: Estimate, groups: int, unit: str, bounds: tuple[float, float] | None) -> Estimate:
    if bounds is None or none.value is None:
        return replace(none, method=f"no variation between {unit}s: no interval")
    share = wilson(0.0, groups, none.confidence)[1]
    low, high = none.value - share * (none.value - bounds[0]), none.value + share * (bounds[1] - none.value)
    return replace(none, low=low, high=high, method=f"no variation between {unit}s: Wilson limit of 0 in {groups}")


def difference_of_means(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    clusters: tuple[Labels, Labels],
    confidence: float = 0.95,
    *,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean of the first minus mean of the second, where clusters may have members in both.

    Each cluster is left out of both at once, as in ``mean``; Student's t has the degrees of freedom of the side with fewer.

    Args:
        first, second: ``[n]`` and ``[m]`` numbers of one unit.
        clusters: their ``[n]`` and ``[m]`` labels; one label means one cluster on both sides.
        confidence: of the interval, between 0 and 1.
        bounds: the lowest and highest differences possible, where there are any; see ``mean`` for what they do.

    Returns:
        The difference in the unit of the values, its p value against 0; n is n + m. Value None where a side is empty; no
        interval where a side has one cluster, or clusters do not differ.

    Raises:
        ValueError: NaN or infinite values; lengths differ; None or NaN labels.
    """
    check_confidence(confidence)
    sides = [as_values(name, side) for name, side in (("first", first), ("second", second))]
    labels = [list(side) for side in clusters]
    for side, named in zip(sides, labels, strict=True):
        same_length(values=side, clusters=np.arange(len(named)))
    n = sum(map(len, sides))
    if not all(map(len, sides)):
        return not_measured("one of the two has no observations", confidence, n)
    codes = cluster_codes([*labels[0], *labels[1]], n)
    parts = codes[: len(sides[0])], codes[len(sides[0]) :]
    value = float(sides[0].mean() - sides[1].mean())
    groups = int(codes.max()) + 1
    none = Estimate(value, None, None, n, groups, confidence, "one cluster on one side: no interval")
    together, dof = np.zeros(groups), np.inf
    for sign, side, part in zip((1, -1), sides, parts, strict=True):
        there, own = np.unique(part, return_inverse=True)
        if len(there) < 2:
            return none
        together[there] += sign * moves(side, own)
        dof = min(dof, freedom(own))
    error = float(np.sqrt(np.sum(together**2)))
    if error <= ROUNDING * max(np.abs(side).max() for side in sides):
        return _without_variation(none, groups, "cluster", bounds)
    lowest, highest = bounds or (-np.inf, np.inf)
    half = float(stats.t.ppf((1 + confidence) / 2, dof)) * error
    p_value = 2 * float(stats.t.sf(abs(value) / error, dof))
    method = f"{CLUSTERED} of a difference of two means"
    return replace(none, low=max(lowest, value - half), high=min(highest, value + half), method=method, p_value=p_value)


def upper_root(excess: Callable[[float], float], point: float, limit: float) -> float:
    """The upper end of a score interval: where ``excess`` (negative just above the point) crosses zero.

    ``limit`` is the largest value possible and is returned where the point sits on it.
    """
    start = point + 1e-12  # at the point itself the score can be 0/0
    if start >= limit:
        return limit
    return float(optimize.brentq(excess, start, limit, xtol=1e-12))
