"""Times and other positive quantities: their mean, how they grow with a size, where a quadratic part overtakes a linear one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import as_values, check_confidence
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import mean

_EXACT = 1e-9  # departures from a straight line, in logarithms, that are nothing but rounding
_PARAMETERS = 3  # of the curve c + a n + b n^2


def geometric_mean(values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """exp(mean of logarithms), with Student's t interval of that mean: both ends are above 0, however few the values.

    For what scatters by a factor rather than by an amount, such as times; that of 1/x is 1 over that of x.

    Args:
        values: ``[n]`` positive numbers of any unit.
        confidence: of the interval, between 0 and 1.

    Returns:
        The mean in the unit of ``values``. Value None for empty input; no interval for one value, or without variation.

    Raises:
        ValueError: numbers that are not positive and finite.
    """
    _, numbers = _positive(np.ones(len(np.asarray(values))), values)
    found = mean(np.log(numbers), None, confidence)
    value, low, high = (None if end is None else float(np.exp(end)) for end in (found.value, found.low, found.high))
    method = "t, on logarithms" if low is not None else found.method
    return replace(found, value=value, low=low, high=high, method=method, p_value=None)


def growth_exponent(sizes: npt.ArrayLike, values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """The exponent k of ``value = c * size^k``: 0 no growth, 1 with the size, 2 with its square.

    Least squares on logarithms, one point a size: the mean of its values' logarithms, so that a curve that is no power law
    widens the interval, however often each size was measured. Student's t on (sizes - 2) degrees of freedom.

    Args:
        sizes: ``[n]`` positive numbers, some of them equal.
        values: ``[n]`` positive numbers of any unit.
        confidence: of the interval, between 0 and 1.

    Returns:
        The exponent, its ``n`` being the number of different sizes. Value None for fewer than two sizes, no interval for two.

    Raises:
        ValueError: numbers that are not positive and finite, or lengths that differ.
    """
    check_confidence(confidence)
    x, y = _positive(sizes, values)
    different = np.unique(x)
    if len(different) < 2:
        return not_measured("fewer than two lengths", confidence)
    points = np.array([np.log(y[x == size]).mean() for size in different])
    centred = np.log(different) - np.log(different).mean()
    exponent = float(centred @ points / (centred @ centred))
    found = Estimate(exponent, None, None, len(different), None, confidence, "two lengths: no interval")
    freedom = len(different) - 2
    if not freedom:
        return found
    rest = points - points.mean() - exponent * centred
    if np.abs(rest).max() < _EXACT:
        return replace(found, low=exponent, high=exponent, method="exact: no departure from the power law")
    error = float(np.sqrt(rest @ rest / freedom / (centred @ centred)))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return replace(found, low=exponent - half, high=exponent + half, method="t, log-log regression over lengths")


def quadratic_from(sizes: npt.ArrayLike, values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """The size from which the quadratic part of ``value = c + a n + b n^2`` is the larger one: n = a / b.

    Least squares weighted by 1 / value^2 (errors in proportion to the value), and Fieller's interval of the ratio
    (Fieller 1954), which is not symmetric.

    Args:
        sizes: ``[n]`` positive numbers, some of them equal.
        values: ``[n]`` positive numbers of any unit.
        confidence: of the interval, between 0 and 1.

    Returns:
        The size in the unit of ``sizes``. Value None for fewer than four different sizes, and where the interval of a or of
        b does not lie above 0: then the curve does not show the one or the other.

    Raises:
        ValueError: numbers that are not positive and finite, or lengths that differ.
    """
    check_confidence(confidence)
    x, y = _positive(sizes, values)
    if len(np.unique(x)) <= _PARAMETERS:
        return not_measured("fewer than four lengths", confidence)
    scale = x.max()
    design = np.stack([np.ones_like(x), x / scale, (x / scale) ** 2], axis=1) / y[:, None]
    wanted, freedom = np.ones_like(x), len(x) - _PARAMETERS
    fit = np.linalg.lstsq(design, wanted, rcond=None)[0]
    rest = wanted - design @ fit
    covariance = np.linalg.inv(design.T @ design) * float(rest @ rest) / freedom
    a, b = float(fit[1]), float(fit[2])
    t = float(stats.t.ppf((1 + confidence) / 2, freedom))
    if b - t * np.sqrt(covariance[2, 2]) <= 0:
        return not_measured("at these lengths a quadratic part cannot be told from none", confidence)
    if a - t * np.sqrt(covariance[1, 1]) <= 0:
        return not_measured("at these lengths a linear part cannot be told from none", confidence)
    # The ratios r for which a - r b is within its own error of 0; b being above 0, they lie between two roots.
    square = b**2 - t**2 * covariance[2, 2]
    middle = a * b - t**2 * covariance[1, 2]
    last = a**2 - t**2 * covariance[1, 1]
    half = float(np.sqrt(max(0.0, middle**2 - square * last)))
    low, high = (middle - half) / square, (middle + half) / square
    return Estimate(
        float(a / b * scale), float(low * scale), float(high * scale), len(x), None, confidence, "weighted fit, Fieller"
    )


def _positive(sizes: npt.ArrayLike, values: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = as_values("sizes", sizes), as_values("values", values)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} sizes and {len(y)} values")
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError("sizes and values must be above 0")
    return x, y
