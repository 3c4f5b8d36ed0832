"""How many more items would settle a gate, if the point stays where it is."""

from __future__ import annotations

from math import ceil

from audit.metrics._arrays import as_number


def more_items_for_rate(
    value: float | None, low: float | None, high: float | None, n: int, threshold: float
) -> int | None:
    """About how many more items until the Wilson interval of a rate excludes the threshold, if the rate stays.

    Wilson's interval excludes t from N = z^2 t(1-t) / (rate-t)^2 items on. The interval at hand tells what z^2 and
    a design effect come to, so the same question holds for clustered items: more clusters of the same size. At a
    rate of 0 or 1 this shrinks as 1/n, where the rule 1/sqrt(n) would ask for far too many.

    Args:
        value, low, high: the rate and its interval, from 0 to 1; None where there is none.
        n: items behind it, at least 1.
        threshold: from 0 to 1.

    Returns:
        Items to add; 0 where the interval excludes the threshold already. None where no number of items would do
        (the rate equals the threshold) or the rate has no interval.

    Raises:
        ValueError: NaN or infinite input; a rate, end or threshold outside 0 to 1; an interval that does not hold the
            value; ``n`` below 1.
    """
    limit = as_number("threshold", threshold)
    if value is None or low is None or high is None or value == limit:
        return None
    _check(value, low, high, n)
    if min(low, limit) < 0 or max(high, limit) > 1:
        raise ValueError("a rate, its interval and its threshold must lie between 0 and 1")
    end = low if limit < value else high
    if not low <= limit <= high:
        return 0
    if end in (value, 0.0, 1.0):  # not a Wilson interval: no score to solve
        return more_items_for_mean(value, low, high, n, threshold)
    at_end = end * (1 - end) / (value - end) ** 2
    at_limit = limit * (1 - limit) / (value - limit) ** 2
    return ceil(n * at_limit / at_end) - n


def more_items_for_mean(
    value: float | None, low: float | None, high: float | None, n: int, threshold: float
) -> int | None:
    """About how many more items until the interval of a mean excludes the threshold, if the mean stays.

    The half of the interval that faces the threshold is taken to shrink as 1/sqrt(n).

    Args:
        value, low, high: the mean and its interval, in the threshold's unit; None where there is none.
        n: items behind it, at least 1.
        threshold: in the same unit.

    Returns:
        Items to add; 0 where the interval excludes the threshold already. None where no number of items would do
        (the mean equals the threshold) or the mean has no interval.

    Raises:
        ValueError: NaN or infinite input; an interval that does not hold the value; ``n`` below 1.
    """
    limit = as_number("threshold", threshold)
    if value is None or low is None or high is None or value == limit:
        return None
    _check(value, low, high, n)
    if not low <= limit <= high:
        return 0
    half = value - low if limit < value else high - value
    times = half / abs(value - limit)
    return ceil(n * times**2) - n if times < 1e9 else None  # more than anyone can ask


def _check(value: float, low: float, high: float, n: int) -> None:
    for name, number in (("value", value), ("low", low), ("high", high)):
        as_number(name, number)
    if not low <= value <= high:
        raise ValueError(f"the interval [{low}, {high}] does not hold the value {value}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
