"""The difference and the product of two values that are known only by their intervals."""

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


def mover_product(first: Known, second: Known) -> Known:
    """The product of two independent shares, with the MOVER interval of the sum of their logarithms, as above.

    Where an end is 0 its logarithm is none, and the interval is the product of the ends, which holds it.

    Args:
        first, second: (value, low, high) of shares from 0 to 1, both intervals of one confidence.

    Returns:
        The product with its ends, from 0 to 1; 0 where either share is none.

    Raises:
        ValueError: NaN, numbers outside 0 to 1, or an interval that misses its value.
    """
    for name, known in (("first", first), ("second", second)):
        value, low, high = (as_number(name, number) for number in known)
        if not 0 <= low <= value <= high <= 1:
            raise ValueError(f"{name}: {known} is no share with its interval")
    product, low, high = (a * b for a, b in zip(first, second, strict=True))
    if product > 0:
        (a, a_low, a_high), (b, b_low, b_high) = first, second
        high = product * math.exp(math.hypot(math.log(a_high / a), math.log(b_high / b)))
        if low > 0:
            low = product * math.exp(-math.hypot(math.log(a / a_low), math.log(b / b_low)))
    return product, min(low, product), min(1.0, max(high, product))


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
