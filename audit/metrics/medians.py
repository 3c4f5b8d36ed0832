"""The median with an interval that assumes nothing of the distribution, for numbers with long tails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import as_values, check_confidence
from audit.metrics.estimates import Estimate, not_measured


def median(values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """The median with the interval between two order statistics (Thompson 1936; David & Nagaraja 2003, 7.1).

    The number of values below the true median is binomial with share 1/2, so that the interval from the l-th lowest to
    the l-th highest value holds it with at least the confidence asked for, whatever the distribution.

    Args:
        values: ``[n]`` numbers of any unit, independent of one another.
        confidence: of the interval, between 0 and 1.

    Returns:
        The median in the unit of ``values``. Value None for empty input; no interval where even the extremes hold the
        median too rarely (at 95%: fewer than six values).

    Raises:
        ValueError: NaN or infinite values.
    """
    check_confidence(confidence)
    array = np.sort(as_values("values", values))
    n = len(array)
    if n == 0:
        return not_measured("no observations", confidence)
    none = Estimate(float(np.median(array)), None, None, n, None, confidence, "too few values: no interval")
    # The largest l whose chance of fewer than l values below the median is within half of what may be missed.
    rank = int(stats.binom.ppf((1 - confidence) / 2, n, 0.5))
    if rank < 1:
        return none
    return replace(none, low=float(array[rank - 1]), high=float(array[n - rank]), method="order statistics, exact")
