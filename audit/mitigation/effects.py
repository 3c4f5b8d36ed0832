"""What a remedy changed in one metric: pure functions from values before and after to an ``Effect``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.metrics import (
    Estimate,
    bootstrap_counts,
    holm,
    p_from_interval,
    paired_mean_difference,
    paired_rate_difference,
)
from audit.results import Change, Direction, Effect

IntArray = npt.NDArray[np.intp]
Known = tuple[float, float, float]


@dataclass(frozen=True)
class Name:
    """Which metric an effect is of, and what the remedy has to do with it."""

    metric: str
    label: str
    unit: str
    direction: Direction
    role: Literal["target", "harm"]
    part: str | None = None
    against: Literal["audited", "without_remedy"] = "audited"


def change_of(direction: Direction, known: Known) -> Change:
    """What a difference with its interval says, for metrics that do not have their good value at zero.

    Args:
        direction: which way is good.
        known: after minus before, with the ends of its interval.

    Returns:
        ``no_difference_shown`` where the interval holds 0, which does not say that there is none.
    """
    _, low, high = known
    if low <= 0 <= high:
        return "no_difference_shown"
    up = low > 0
    if direction == "descriptive":
        return "higher" if up else "lower"
    return "better" if up == (direction == "higher_is_better") else "worse"


def paired_rates(name: Name, before: npt.ArrayLike, after: npt.ArrayLike, confidence: float) -> Effect:
    """A rate over cases, both known case by case (``[n]`` 0/1): Tango's interval, McNemar's exact test."""
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    return _effect(name, paired_rate_difference(second, first, None, confidence), _mean(first), _mean(second))


def paired_means(name: Name, before: npt.ArrayLike, after: npt.ArrayLike, confidence: float) -> Effect:
    """A mean over cases, both known case by case (``[n]`` numbers): paired t.

    Raises:
        ValueError: for a metric that is best at zero; give its distances from zero, as a metric that is best low.
    """
    if name.direction == "zero_is_better":
        raise ValueError("give the distances from zero, as lower_is_better")
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    return _effect(name, paired_mean_difference(second, first, None, confidence), _mean(first), _mean(second))


def paired_statistic(
    name: Name, counts: npt.ArrayLike, statistic: Callable[[IntArray], npt.NDArray[np.float64]], confidence: float,
    seed: int,
) -> Effect:  # fmt: skip
    """A statistic of all cases together, such as a gap between groups: bootstrap over cases, both sides drawn together.

    Drawing cases with replacement is drawing the table of their counts. Gaps between extremes are biased upwards, and in
    a resample twice over; the interval is the outer of the percentile and the basic one (see ``bootstrap_counts``).

    Args:
        name: the metric.
        counts: ``[..., before, after]``, the cases by whatever the statistic needs and by both decisions.
        statistic: takes ``[resamples, ..., decision]`` and gives ``[resamples]``.
        confidence: of the interval.
        seed: of the bootstrap.
    """
    table = np.asarray(counts, dtype=np.intp)

    def both(tables: IntArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.asarray(statistic(tables.sum(axis=-1))), np.asarray(statistic(tables.sum(axis=-2)))

    def difference(tables: IntArray) -> npt.NDArray[np.float64]:
        first, second = both(tables)
        return np.asarray(second - first)

    before, after = (float(value) if np.isfinite(value) else None for value in both(table))
    found = bootstrap_counts(table, difference, confidence, seed=seed, biased=True)
    if found.value is not None and found.low is not None and found.high is not None:
        p_value = p_from_interval((found.value, found.low, found.high), confidence)
        found = replace(found, p_value=p_value, method=f"paired: {found.method}")
    return _effect(name, found, before, after)


def with_holm(effects: Sequence[Effect]) -> list[Effect]:
    """The effects of one remedy with Holm's correction over its targets.

    A target counts as changed only where its corrected p value says so as well. Costs stay as they are: one that
    is announced by chance is less bad than one that is missed.
    """
    adjusted = iter(holm([e.p_value for e in effects if e.role == "target"]))
    found = []
    for effect in effects:
        if effect.role == "target":
            p = next(adjusted)
            doubted = p is not None and p >= 1 - effect.confidence and effect.change != "not_measured"
            change = {"change": "no_difference_shown"} if doubted else {}
            effect = effect.model_copy(update={"p_adjusted": p, **change})
        found.append(effect)
    return found


def _effect(name: Name, found: Estimate, before: float | None, after: float | None) -> Effect:
    change: Change = "not_measured" if found.value is None else "no_difference_shown"
    if found.value is not None and found.low is not None and found.high is not None:
        change = change_of(name.direction, (found.value, found.low, found.high))
    return Effect(
        metric=name.metric,
        label=name.label,
        slice=name.part,
        unit=name.unit,
        direction=name.direction,
        role=name.role,
        against=name.against,
        before=before,
        after=after,
        difference=found.value,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        n=found.n,
        interval=found.method,
        p_value=found.p_value,
        change=change,
        reason=found.reason,
    )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
