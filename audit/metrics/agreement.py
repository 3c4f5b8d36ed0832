"""Agreement between two readings of the same things."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audit.metrics._arrays import Labels, Seed
from audit.metrics._clusters import FEW_CLUSTERS
from audit.metrics.estimates import Estimate
from audit.metrics.intervals import rate
from audit.metrics.resampling import bootstrap

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


def kappa(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    clusters: Labels | None = None,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """Cohen's kappa of two binary readings with a bootstrap interval, which keeps its width beside full agreement.

    Where fewer than five clusters (or things) hold a disagreement, resamples hardly differ or do not at all, and a reader
    that is always right would be one of which nothing is known. The interval then reaches at least as far as the Wilson
    interval of the share of agreement does, with the agreement by chance taken as known.

    Args:
        first, second: ``[n]`` False/True, what each reading says of each thing.
        clusters: ``[n]`` labels of things that belong together; None where they are independent.
        confidence: of the interval, between 0 and 1.
        seed: of the bootstrap.

    Returns:
        From -1 over 0 (chance) to 1 (full agreement). Value None for empty input and where chance alone agrees fully.

    Raises:
        ValueError: lengths differ; None or NaN labels.
    """
    a, b = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    groups = None if clusters is None else list(clusters)
    found = bootstrap((a, b), cohen_kappa, groups, confidence, seed=seed)
    apart = np.arange(len(a))[a != b] if groups is None else {g for g, x, y in zip(groups, a, b, strict=True) if x != y}
    if found.value is None or len(apart) >= FEW_CLUSTERS:
        return found
    agreed = rate(a == b, groups, confidence)
    if agreed.low is None or agreed.high is None:
        return found
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    low, high = ((end - chance) / (1 - chance) for end in (agreed.low, agreed.high))
    return replace(
        found,
        low=min(end for end in (low, found.low, found.value) if end is not None),
        high=min(1.0, max(end for end in (high, found.high, found.value) if end is not None)),
        method=f"{found.method}; {len(apart)} disagree: at least the Wilson interval of the agreement",
    )
