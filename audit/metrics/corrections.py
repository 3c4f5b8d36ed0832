"""Corrections for many tests at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from audit.metrics._arrays import FloatArray, as_probabilities


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Holm 1979): the chance of any false alarm in the family stays below the level.

    For a family of gates. Any dependence between the tests is allowed.

    Args:
        p_values: one per test, each from 0 to 1; None where a test could not be made.

    Returns:
        Adjusted p values in the same order, from 0 to 1, comparable with the level (0.05) directly. None stays
        None and does not count as a test. Empty for empty input.

    Raises:
        ValueError: a p value that is NaN, infinite or outside 0 to 1.
    """
    return _adjusted(p_values, _holm)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini & Hochberg's correction (1995): the expected share of false alarms among the alarms stays below it.

    For exploratory slices. Valid for independent and positively dependent tests.

    Args, Returns, Raises: as for ``holm``.
    """
    return _adjusted(p_values, stats.false_discovery_control)


def _holm(p_values: FloatArray) -> FloatArray:
    """The k-th smallest of m is multiplied by m - k + 1, and never adjusted below a smaller one.

    statsmodels' ``multipletests`` gives the same, but collects garbage in every call: a fifth of a second each in a
    process that holds a model, several times a probe.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def _adjusted(p_values: Sequence[float | None], correction: Callable[[FloatArray], FloatArray]) -> list[float | None]:
    tested = as_probabilities("p_values", [p for p in p_values if p is not None])
    if not len(tested):
        return [None for _ in p_values]
    adjusted = iter(correction(tested).tolist())
    return [None if p is None else float(next(adjusted)) for p in p_values]
