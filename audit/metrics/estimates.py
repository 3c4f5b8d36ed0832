"""What every metric over a sample returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and how both were got.

    Attributes:
        value: the point; None where nothing could be measured, and ``reason`` then says why.
        low, high: ends of the interval, ``low <= value <= high``; both None where no interval can be given, and
            ``method`` then says why.
        n: observations (for paired metrics: pairs).
        clusters: independent groups among the n; None where the observations were taken as independent.
        confidence: of the interval, between 0 and 1.
        method: the formula or procedure in words.
        successes: for rates, how many of the n.
        p_value: two-sided, where the metric has a test.
        reason: why ``value`` is None.

    Raises:
        ValueError: a value without a number and without a reason, half an interval, or an interval that does not
            hold the point.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int | None
    confidence: float
    method: str
    successes: int | None = None
    p_value: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise ValueError("an estimate without a value needs a reason")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both ends")
        if self.low is None or self.high is None:
            return
        if self.value is None or not self.low <= self.value <= self.high:
            raise ValueError(f"the interval [{self.low}, {self.high}] does not hold the value {self.value}")


CENSUS = "census: all counted, nothing drawn"
"""The method of an interval without width, because the value is of everything that there is."""


def census(successes: int, n: int, confidence: float) -> Estimate:
    """The share of ``successes`` among all ``n`` things that there are, ``0 <= successes <= n``.

    All were counted and none was drawn, so that the share has no sampling error: both ends of the interval are the share.
    """
    if n == 0:
        return not_measured("there is nothing to count", confidence)
    share = successes / n
    return Estimate(share, share, share, n, None, confidence, CENSUS, successes)


def not_measured(reason: str, confidence: float, n: int = 0, clusters: int | None = None) -> Estimate:
    """An estimate of nothing: no value, no interval, and the reason."""
    return Estimate(None, None, None, n, clusters, confidence, method="none", reason=reason)
