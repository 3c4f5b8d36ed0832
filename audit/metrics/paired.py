"""Differences between two measurements of the same items: two models, two wordings, two groups of one template."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import Labels, as_mask, as_values, check_confidence, cluster_codes, same_length
from audit.metrics._clusters import FEW_CLUSTERS, effective_size
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import ROUNDING, mean, upper_root, wilson


def paired_rate_difference(
    a_mask: npt.ArrayLike, b_mask: npt.ArrayLike, clusters: Labels | None = None, confidence: float = 0.95
) -> Estimate:
    """Rate of a minus rate of b over the same items: McNemar's exact test and Tango's score interval.

    The interval (Tango 1998, Statistics in Medicine 17:891) keeps its width where no pair disagrees. The p value is
    the exact binomial one over the discordant pairs (McNemar 1947). Where items share a cluster, the pairs count
    as the effective sample size of ``rate``, and the p value is the score test's on that size, with Student's t.

    Args:
        a_mask, b_mask: ``[n]`` False/True or 0/1, item by item.
        clusters: ``[n]`` labels; None where items are independent.
        confidence: of the interval, between 0 and 1.

    Returns:
        A difference of shares from -1 (only b succeeds, always) over 0 (equal rates) to 1 (only a, always). Value
        None for empty input.

    Raises:
        ValueError: NaN, infinite or other than 0/1 in a mask; lengths differ; None or NaN labels.
    """
    check_confidence(confidence)
    a, b = as_mask("a_mask", a_mask), as_mask("b_mask", b_mask)
    n = same_length(a_mask=a, b_mask=b)
    codes = None if clusters is None else cluster_codes(clusters, n)
    if n == 0:
        return not_measured("no observations", confidence)
    difference = a - b
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    groups = None if codes is None else int(codes.max()) + 1
    if codes is None or groups == n:
        size, method = float(n), "Tango score; exact McNemar"
        p_value = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    else:
        effective = effective_size(difference, codes)
        size = effective.at(confidence)
        method = f"Tango score, effective n {size:.1f} (cluster-robust design effect)"
        p_value = _score_p(only_a / n, only_b / n, effective.n, effective.dof)
    low, high = _tango(only_a / n, only_b / n, size, confidence)
    return Estimate((only_a - only_b) / n, low, high, n, groups, confidence, method, p_value=p_value)


def with_few_departing(found: Estimate, departing: int, groups: int, bounds: tuple[float, float]) -> Estimate:
    """A difference of means with an interval that allows for how few clusters show one.

    Where fewer than five clusters depart from no difference, their variance says little of how many would in the long
    run, and one departure would give a far narrower interval than none. At most the Wilson limit of their share can
    depart, and each can move the mean at most to a bound: the interval reaches at least so far, as for rates. There is
    no p value then.

    Args:
        found: the difference with its interval, in the unit of ``bounds``.
        departing: clusters that show a difference, of the ``groups`` that there are.
        groups: clusters, or observations where these are independent.
        bounds: the lowest and highest differences possible.

    Returns:
        ``found`` itself from five departing clusters on, where there is no interval, where all depart (their variance is
        that of what is measured), and where none does, which ``mean`` with ``bounds`` allows for.
    """
    if not 0 < departing < min(FEW_CLUSTERS, groups) or found.low is None or found.high is None:
        return found
    limit = wilson(departing / groups, groups, found.confidence)[1]
    method = f"{found.method}; {departing} of {groups} clusters depart: at least the Wilson limit of their share"
    low, high = min(found.low, limit * bounds[0]), max(found.high, limit * bounds[1])
    return replace(found, low=low, high=high, p_value=None, method=method)


def _score_p(share_a: float, share_b: float, size: float, dof: float | None) -> float:
    if share_a + share_b == 0:
        return 1.0
    score = abs(share_a - share_b) * np.sqrt(size / (share_a + share_b))
    return 2 * float(stats.norm.sf(score) if dof is None else stats.t.sf(score, dof))


def _tango(share_a: float, share_b: float, size: float, confidence: float) -> tuple[float, float]:
    """Ends of Tango's interval from the shares of pairs in which only a, only b succeeds."""
    z = float(stats.norm.ppf((1 + confidence) / 2))
    point = share_a - share_b

    def upper(only_a: float, only_b: float) -> float:
        def excess(delta: float) -> float:
            # Squared form of Tango's score: no division, so no 0/0 where no pair is discordant.
            return (only_a - only_b - delta) ** 2 * size - z**2 * _score_variance(only_a, only_b, delta)

        return upper_root(excess, only_a - only_b, 1.0)

    return min(-upper(share_b, share_a), point), max(upper(share_a, share_b), point)


def _score_variance(only_a: float, only_b: float, delta: float) -> float:
    """The variance of one pair's difference under a difference of ``delta``, which Tango's score divides by.

    q is the maximum likelihood estimate of the share of "only b" pairs under that difference.
    """
    linear = (2 - only_a + only_b) * delta - only_a - only_b
    q = (np.sqrt(max(0.0, linear**2 + 8 * only_b * delta * (1 - delta))) - linear) / 4
    return float(2 * q + delta * (1 - delta))


def more_pairs_for_rates(only_a: float, only_b: float, low: float, high: float, n: int, threshold: float) -> int | None:
    """About how many more pairs until Tango's interval of a difference of rates excludes the threshold, if both shares stay.

    The score's condition solved for the number of pairs; the interval at hand tells what the quantile and a design effect
    come to, as in ``more_items_for_rate``. Where no pair disagrees this falls as 1/n, and not as 1/sqrt(n).

    Args:
        only_a, only_b: shares of the pairs in which only a, only b succeeds.
        low, high: the interval of ``only_a - only_b``.
        n: pairs behind it, at least 1.
        threshold: from -1 to 1.

    Returns:
        Pairs to add; 0 where the interval excludes the threshold already. None where no number would do.

    Raises:
        ValueError: shares outside 0 to 1, an interval that does not hold the difference, or ``n`` below 1.
    """
    value = only_a - only_b
    if not (0 <= only_a <= 1 and 0 <= only_b <= 1 and low <= value <= high and n >= 1 and -1 <= threshold <= 1):
        raise ValueError("these are no shares of pairs with the interval of their difference")
    if value == threshold:
        return None
    if not low <= threshold <= high:
        return 0

    def wanted(delta: float) -> float:
        turned = (only_a, only_b, delta) if delta > value else (only_b, only_a, -delta)
        return _score_variance(*turned) / (value - delta) ** 2

    end = low if threshold < value else high
    if end in (value, -1.0, 1.0) or wanted(end) <= 0:
        return None
    times = wanted(threshold) / wanted(end)
    return int(np.ceil(n * times)) - n if times < 1e9 else None


def paired_mean_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    clusters: Labels | None = None,
    confidence: float = 0.95,
    *,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean of a minus b over the same items: ``mean`` of the differences (paired t), tested against 0.

    Differences below 1e-12 of the values are rounding and count as 0. Identical a and b have no variation: see
    ``mean`` for what is returned, with and without ``bounds``. With ``bounds``, few clusters (or observations) that
    differ give the interval of ``with_few_departing``.

    Args:
        a, b: ``[n]`` numbers of one unit, item by item.
        clusters: ``[n]`` labels; None where items are independent.
        confidence: of the interval, between 0 and 1.
        bounds: the lowest and highest differences possible, where the quantity has them (two shares: -1 and 1).

    Returns:
        The difference in the unit of a and b; 0 means equal means. Value None for empty input.

    Raises:
        ValueError: NaN or infinite values; lengths differ; None or NaN labels; differences outside ``bounds``.
    """
    first, second = as_values("a", a), as_values("b", b)
    same_length(a=first, b=second)
    difference = first - second
    difference[np.abs(difference) <= ROUNDING * np.maximum(np.abs(first), np.abs(second))] = 0.0
    estimate = mean(difference, clusters, confidence, bounds=bounds)
    if estimate.value is None:
        return estimate
    estimate = replace(estimate, method=f"paired {estimate.method}")
    if bounds is None:
        return estimate
    codes = np.arange(len(difference)) if clusters is None else cluster_codes(clusters, len(difference))
    departing = len(np.unique(codes[difference != 0]))
    return with_few_departing(estimate, departing, int(codes.max()) + 1, bounds)
