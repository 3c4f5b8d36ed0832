"""The difference and the product of two values that are known only by their intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import Labels, as_number, as_values, check_confidence, cluster_codes

Known = tuple[float, float, float]
"""A value with the ends of its interval: value, low, high."""


def mover_difference(first: Known, second: Known, correlation: float = 0.0) -> Known:
    """The difference first minus second with its MOVER interval (Zou & Donner 2008, Statistics in Medicine 27:1693).

    The two are taken as independent unless ``correlation`` says otherwise (Zou 2007, Psychological Methods 12:399). Where they
    are of the same items and go together, as two models' answers to one question mostly do, the interval is then wider than
    it need be; where they go against each other it is too narrow.

    Args:
        first, second: (value, low, high) in one unit, both intervals of one confidence.
        correlation: of the two estimates, from -1 to 1.

    Returns:
        The difference with its ends, in the same unit; 0 means equal.

    Raises:
        ValueError: NaN or infinite numbers, an interval that misses its value, or no such correlation.
    """
    if not -1 <= as_number("correlation", correlation) <= 1:
        raise ValueError("correlation must be between -1 and 1")
    for name, known in (("first", first), ("second", second)):
        value, low, high = (as_number(name, number) for number in known)
        if not low <= value <= high:
            raise ValueError(f"{name}: the interval [{low}, {high}] does not hold the value {value}")
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    difference = a - b
    below, above = _joined(a - a_low, b_high - b, correlation), _joined(a_high - a, b - b_low, correlation)
    return difference, difference - below, difference + above


def _joined(one: float, other: float, correlation: float) -> float:
    """The half-width of a difference from those of its parts."""
    return math.sqrt(max(0.0, one * one + other * other - 2 * correlation * one * other))


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


def shared_correlation(
    first: npt.ArrayLike, first_clusters: Labels, second: npt.ArrayLike, second_clusters: Labels
) -> float:
    """The correlation of two means of different items that share clusters, from the clusters' totals (sandwich estimate).

    Args:
        first, second: ``[n]`` and ``[m]`` numbers of any unit.
        first_clusters, second_clusters: ``[n]`` and ``[m]`` labels; one label names one cluster on both sides.

    Returns:
        From -1 to 1; 0 where no cluster is on both sides, or one side does not vary.

    Raises:
        ValueError: NaN or infinite numbers; lengths differ; None or NaN labels; an empty side.
    """
    sides = [as_values("first", first), as_values("second", second)]
    if not all(len(side) for side in sides):
        raise ValueError("both sides need numbers")
    codes = cluster_codes([*first_clusters, *second_clusters], len(sides[0]) + len(sides[1]))
    parts = codes[: len(sides[0])], codes[len(sides[0]) :]
    size = int(codes.max()) + 1
    one, other = (
        np.bincount(part, weights=side - side.mean(), minlength=size) for part, side in zip(parts, sides, strict=True)
    )
    scale = math.sqrt(float(one @ one) * float(other @ other))
    return 0.0 if scale == 0 else float(np.clip(one @ other / scale, -1.0, 1.0))


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
