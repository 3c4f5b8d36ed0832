"""Agreement between two readings of the same things."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


def cohen_kappa(first: BoolArray, second: BoolArray, axis: int = -1) -> npt.NDArray[np.float64]:
    """Cohen's kappa of two binary readings (Cohen 1960, Educational and Psychological Measurement 20:37) along an axis.

    Args:
        first, second: ``[..., n]`` what each reading says of each thing.
        axis: along which things stand, so that many resamples are read at once.

    Returns:
        From -1 over 0 (as much agreement as chance gives) to 1 (full agreement), no unit; not a number where chance alone
        agrees fully.
    """
    agreed = (first == second).mean(axis=axis)
    a, b = first.mean(axis=axis), second.mean(axis=axis)
    chance = a * b + (1 - a) * (1 - b)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa: npt.NDArray[np.float64] = (agreed - chance) / (1 - chance)
    return kappa
