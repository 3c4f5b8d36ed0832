"""The difference of two values that are known only by their intervals."""

from __future__ import annotations

import math

from scipy import stats

from audit.metrics._arrays import as_number, check_confidence

Known = tuple[float, float, float]
"""A value with the ends of its interval: value, low, high."""


def mover_difference(first: Known, second: Known) -> Known:
    """The difference first minus second with its MOVER interval (Zou & Donner 2008, Statistics in Medicine 27:1693).

    The two are taken as independent. Where they are of the same items and go together, as two models' answers to one
    question mostly do, the interval is wider than it need be.

    Args:
        first, second: (value, low, high) in one unit, both intervals of one confidence.

    Returns:
        The difference with its ends, in the same unit; 0 means equal.

    Raises:
        ValueError: NaN or infinite numbers, or an interval that misses its value.
    """
    for name, known in (("first", first), ("second", second)):
        value, low, high = (as_number(name, number) for number in known)
        if not low <= value <= high:
            raise ValueError(f"{name}: the interval [{low}, {high}] does not hold the value {value}")
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    difference = a - b
    return difference, difference - math.hypot(a - a_low, b_high - b), difference + math.hypot(a_high - a, b - b_low)


def p_from_interval(known: Known, confidence: float) -> float:
    """The two-sided p value of a difference, from its interval, taking each half of it as normal.

    Args:
        known: the difference with its ends.
        confidence: of the interval, between 0 and 1.

    Returns:
        From 0 to 1; 1 for a difference of 0, 0 where the interval has no width on the side of 0.
    """
    check_confidence(confidence)
    value, low, high = known
    half = value - low if value > 0 else high - value
    if value == 0:
        return 1.0
    if half == 0:
        return 0.0
    return min(1.0, 2 * float(stats.norm.sf(float(stats.norm.ppf(0.5 + confidence / 2)) * abs(value) / half)))
