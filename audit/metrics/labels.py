"""Agreement of given labels with true ones where there are more than two, or where the labels have an order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import FloatArray, IntArray, Labels, Seed
from audit.metrics.estimates import Estimate
from audit.metrics.resampling import bootstrap


def macro_f1(
    truth: npt.ArrayLike,
    given: npt.ArrayLike,
    classes: int,
    clusters: Labels | None = None,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """Mean over the classes of the F1 of each (scikit-learn's ``f1_score(average="macro")``), with a bootstrap interval.

    A class that is neither true nor given anywhere is left out of the mean, as scikit-learn does.

    Args:
        truth, given: ``[n]`` class numbers from 0 to ``classes`` - 1.
        classes: how many there are.
        clusters: ``[n]`` labels; None where items are independent.
        confidence: of the interval, between 0 and 1.
        seed: of the resamples.

    Returns:
        From 0 (no label is right) to 1 (all are), no unit. Value None for empty input.

    Raises:
        ValueError: labels that are no class numbers; lengths differ; None or NaN cluster labels.
    """
    right, said = (_class_numbers(name, labels, classes) for name, labels in (("truth", truth), ("given", given)))

    def statistic(a: IntArray, b: IntArray) -> float:
        table = np.bincount(a * classes + b, minlength=classes * classes).reshape(classes, classes)
        sizes = table.sum(0) + table.sum(1)
        return float((2 * np.diagonal(table)[sizes > 0] / sizes[sizes > 0]).mean())

    return bootstrap((right, said), statistic, clusters, confidence, seed=seed)


def _class_numbers(name: str, labels: npt.ArrayLike, classes: int) -> IntArray:
    found = np.asarray(labels)
    if found.size == 0:
        return np.zeros(0, dtype=np.intp)
    if found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= classes:
        raise ValueError(f"{name} must hold class numbers from 0 to {classes - 1}")
    return found.astype(np.intp)


def rank_correlation(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    clusters: Labels | None = None,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """Spearman's rank correlation (Spearman 1904), ties at their mean rank, with a bootstrap interval.

    Args:
        first, second: ``[n]`` numbers of any unit, item by item.
        clusters: ``[n]`` labels; None where items are independent.
        confidence: of the interval, between 0 and 1.
        seed: of the resamples.

    Returns:
        From -1 (reversed) over 0 (unrelated) to 1 (the same order). Value None for empty input and where all numbers of
        one side are equal, so that they have no order.

    Raises:
        ValueError: NaN or infinite numbers; lengths differ; None or NaN cluster labels.
    """
    found = bootstrap((first, second), _spearman, clusters, confidence, seed=seed)
    # One observation has no order, and where the value is missing nothing was counted.
    return found if found.value is not None else replace(found, n=0, clusters=None)


def _spearman(a: FloatArray, b: FloatArray) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.clip(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1], -1, 1))
