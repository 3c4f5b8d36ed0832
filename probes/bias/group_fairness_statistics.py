"""Gaps between groups from their counts: the statistics, their bootstrap intervals, and what shuffled groups give.

Counts are ``[..., groups, 2 true classes, 2 predicted classes]``, the favourable class last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap_counts, not_measured, rate

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
Statistic = Callable[[IntArray], FloatArray]
RESAMPLES = 2000
SHUFFLES = 2000  # the smallest p value is one in so many
_ROUNDING = 1e-12


def _share(hits: IntArray, of: IntArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(hits / of, dtype=np.float64)


def selection_rates(counts: IntArray) -> FloatArray:
    """Share of favourable predictions by group, ``[..., groups]``, from 0 to 1; NaN for a group without cases."""
    return _share(counts[..., 1].sum(axis=-1), counts.sum(axis=(-2, -1)))


def positive_rates(counts: IntArray, true_class: int) -> FloatArray:
    """Share of favourable predictions by group among cases of one true class: 1 true, 0 false positive rate."""
    return _share(counts[..., true_class, 1], counts[..., true_class, :].sum(axis=-1))


def _gap(rates: FloatArray) -> FloatArray:
    return np.asarray(rates.max(axis=-1) - rates.min(axis=-1))


def parity_gap(counts: IntArray) -> FloatArray:
    """Demographic parity difference: highest minus lowest selection rate, from 0 (alike) to 1."""
    return _gap(selection_rates(counts))


def impact_ratio(counts: IntArray) -> FloatArray:
    """Lowest over highest selection rate, from 0 to 1 (alike); NaN where no case of any group is selected."""
    rates = selection_rates(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rates.min(axis=-1) / rates.max(axis=-1))


def opportunity_gap(counts: IntArray) -> FloatArray:
    """Equal opportunity difference (Hardt et al. 2016, 1610.02413): highest minus lowest true positive rate."""
    return _gap(positive_rates(counts, 1))


def odds_gap(counts: IntArray) -> FloatArray:
    """Equalized odds difference: the larger of the gaps in true and in false positive rates (Hardt et al. 2016)."""
    return np.maximum(opportunity_gap(counts), _gap(positive_rates(counts, 0)))


def odds_ratio(counts: IntArray) -> FloatArray:
    """Equalized odds ratio: the smaller of lowest over highest true and false positive rate, from 0 to 1 (alike).

    Where no case of any group is selected in one of the two it is the other, as in fairlearn; NaN where in both.
    """
    rates = [positive_rates(counts, true_class) for true_class in (0, 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [r.min(axis=-1) / r.max(axis=-1) for r in rates]
        return np.asarray(np.fmin(ratios[0], ratios[1]))


def to_highest(counts: IntArray) -> FloatArray:
    """Each group's selection rate over the highest one, ``[..., groups]``, from 0 to 1 (the highest itself)."""
    rates = selection_rates(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rates / rates.max(axis=-1, keepdims=True))


def balanced_accuracy(counts: IntArray) -> FloatArray:
    """Mean of the shares of right predictions in each true class, ``[..., 2, 2]`` to ``[...]``; 0.5 without looking."""
    return np.asarray((1 - _share(counts[..., 0, 1], counts[..., 0, :].sum(-1))) / 2 + positive_rates(counts, 1) / 2)


def shuffled(counts: IntArray, within_truth: bool, seed: int) -> IntArray:
    """Tables with the groups of the cases shuffled, ``[SHUFFLES, groups, 2, 2]``.

    Which of the selected cases fall to which group is multivariate hypergeometric: the same as shuffling labels, at a
    cost that does not grow with the cases. ``within_truth``: among cases of one true class, for rates within it;
    otherwise among all, and the true classes are put together as class 0.
    """
    stream = np.random.default_rng(seed)
    tables = counts if within_truth else np.stack([counts.sum(axis=1), np.zeros_like(counts[:, 0])], axis=1)
    drawn = np.zeros((SHUFFLES, *tables.shape), dtype=np.intp)
    for true_class in range(2):
        sizes = tables[:, true_class].sum(axis=1)
        selected = int(tables[:, true_class, 1].sum())
        favoured = stream.multivariate_hypergeometric(sizes, selected, size=SHUFFLES, method="marginals")
        drawn[:, :, true_class, 1] = favoured
        drawn[:, :, true_class, 0] = sizes - favoured
    return drawn


@dataclass(frozen=True)
class Gap:
    """A comparison of groups: its statistic of the counts, the true classes whose rates it compares, and its kind.

    ``true_classes``: None for the rates over all cases. ``ratio``: whether it is a ratio, alike at 1, or a difference.
    """

    statistic: Statistic
    true_classes: tuple[int, ...] | None
    ratio: bool = False

    @property
    def alike(self) -> float:
        """The value of no difference."""
        return 1.0 if self.ratio else 0.0


PARITY = Gap(parity_gap, None)
IMPACT = Gap(impact_ratio, None, ratio=True)
OPPORTUNITY = Gap(opportunity_gap, (1,))
ODDS = Gap(odds_gap, (0, 1))
ODDS_RATIO = Gap(odds_ratio, (0, 1), ratio=True)


def compared(counts: IntArray, gap: Gap, value: float, confidence: float, seed: int) -> tuple[Estimate, float | None]:
    """A comparison with interval and p value, and its mean when the groups are shuffled.

    The distance between extremes of several groups is never nothing, even where groups are treated alike, and the more
    so the smaller they are. Hence the bootstrap for biased statistics; the chance level beside the value; a p value from
    shuffling; and an interval that reaches the value of no difference where shuffled groups explain the value.

    Args:
        counts: ``[groups, 2, 2]``, two groups or more.
        gap: what is compared.
        value: the statistic on the cases, as the reference implementation gives it.
        confidence: of the interval, between 0 and 1.
        seed: of both simulations.
    """
    if not np.isfinite(value):
        reason = "a rate is 0 in every group, of which there is no ratio"
        return not_measured(reason, confidence, 0), None
    estimate = bootstrap_counts(counts, gap.statistic, confidence, RESAMPLES, seed, biased=True)
    null = gap.statistic(shuffled(counts, gap.true_classes is not None, seed))
    null = null[np.isfinite(null)]
    p_value = (1 + int((np.abs(null - gap.alike) >= abs(value - gap.alike) - _ROUNDING).sum())) / (1 + len(null))
    if estimate.low is None or estimate.high is None:
        low, high = _by_wilson(counts, gap, confidence)
        method = "Wilson ends of the extreme groups (no variation between resamples)"
    else:
        low, high, method = estimate.low, estimate.high, estimate.method
    if p_value > 1 - confidence:
        low, high = min(low, gap.alike), max(high, gap.alike)
        method += "; no difference is not excluded"
    method += f"; p from {len(null)} shuffles of the groups"
    low, high = min(max(low, 0.0), value), max(min(high, 1.0), value)
    return replace(estimate, value=value, low=low, high=high, p_value=p_value, method=method), float(null.mean())


def _by_wilson(counts: IntArray, gap: Gap, confidence: float) -> tuple[float, float]:
    """Ends of a comparison from the Wilson intervals of the groups with the extreme rates (the smallest such groups)."""
    tables = [counts.sum(axis=1)] if gap.true_classes is None else [counts[:, c] for c in gap.true_classes]
    ends = []
    for table in tables:
        sizes, rates = table.sum(axis=1), _share(table[:, 1], table.sum(axis=1))
        top, bottom = (_wilson(table[int(np.lexsort((sizes, sign * rates))[0])], confidence) for sign in (-1, 1))
        if gap.ratio:
            ends.append((bottom[0] / top[1], min(1.0, bottom[1] / top[0]) if top[0] > 0 else 1.0))
        else:
            ends.append((max(0.0, top[0] - bottom[1]), top[1] - bottom[0]))
    outer = min if gap.ratio else max  # the worse of the two true classes
    return outer(low for low, _ in ends), outer(high for _, high in ends)


def ratios_to_highest(counts: IntArray, confidence: float, seed: int) -> list[tuple[Estimate, float | None]]:
    """The impact ratio of each group, with the bootstrap interval for biased statistics, and its mean with shuffled groups.

    Args:
        counts: ``[groups, 2, 2]`` of the groups that are compared, two or more.
        confidence: of the intervals, between 0 and 1.
        seed: of both simulations.
    """
    values = to_highest(counts)
    if not np.isfinite(values).all():
        nothing = not_measured("no case of any group got the favourable prediction", confidence)
        return [(nothing, None) for _ in counts]
    null = to_highest(shuffled(counts, False, seed))
    top = int(np.argmax(selection_rates(counts)))
    told: list[tuple[Estimate, float | None]] = []
    for place, value in enumerate(values.tolist()):

        def ratio(tables: IntArray, place: int = place) -> FloatArray:
            return np.asarray(to_highest(tables)[..., place])

        found = bootstrap_counts(counts, ratio, confidence, RESAMPLES, seed, biased=True)
        if found.low is None or found.high is None:
            low, high = _by_wilson(counts[[place, top]], IMPACT, confidence)
            method = "Wilson ends of the two groups (no variation between resamples)"
        else:
            low, high, method = found.low, found.high, found.method
        low, high = min(max(0.0, low), value), max(min(1.0, high), value)
        estimate = replace(found, value=value, low=low, high=high, n=int(counts[place].sum()), method=method)
        told.append((estimate, float(null[:, place].mean())))
    return told


def _wilson(row: IntArray, confidence: float) -> tuple[float, float]:
    found = rate(np.repeat([False, True], row), confidence=confidence)
    return found.low or 0.0, 1.0 if found.high is None else found.high
