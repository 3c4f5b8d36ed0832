"""Whether stated confidence agrees with how often the answers are right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import (
    FloatArray,
    IntArray,
    Labels,
    Seed,
    as_mask,
    as_probabilities,
    as_values,
    check_confidence,
    check_positive,
    cluster_codes,
    same_length,
)
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import mean, rate, upper_root
from audit.metrics.resampling import BATCH_NUMBERS, bootstrap


@dataclass(frozen=True)
class ReliabilityBin:
    """One row of a reliability table: what was claimed, what was found (with its interval), on how many items."""

    mean_confidence: float
    accuracy: float
    n: int
    low: float | None
    high: float | None


def expected_calibration_error(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    bins: int = 10,
    *,
    clusters: Labels | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: Seed = 0,
) -> Estimate:
    """Expected calibration error (Naeini et al. 2015) over bins of equal mass (Nixon et al. 2019, 1904.01685).

    Mean over items of the distance, bin by bin, between mean confidence and accuracy. Equal confidences stay in
    one bin. The estimate is biased upwards (Kumar et al. 2019, 1909.10155): a perfectly calibrated model scores
    above 0; ``calibration_null`` on the same confidences says how much. The interval is the bootstrap's for biased
    statistics, and reaches down to 0 where the error is no higher than the null's.

    Args:
        confidence: ``[n]`` stated probabilities of being right.
        correct: ``[n]`` False/True or 0/1.
        bins: at most this many; fewer where confidences are tied.
        clusters: ``[n]`` labels; None where items are independent.
        level: of the bootstrap interval, between 0 and 1.
        resamples, seed: of the bootstrap.

    Returns:
        A probability from 0 (confidence equals accuracy in each bin) to 1 (certain and always wrong). Value None
        for empty input.

    Raises:
        ValueError: NaN, infinite or out of range input; lengths differ; ``bins`` below 1.
    """
    stated, right = _checked(confidence, correct)
    check_positive("bins", bins)

    def error(stated: FloatArray, right: FloatArray) -> float:
        return float(np.abs(np.bincount(_bin_numbers(stated, bins), weights=stated - right)).sum() / len(stated))

    estimate = bootstrap((stated, right), error, clusters, level, resamples, seed, biased=True)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    chance = calibration_null(stated, bins, seed, level=level)
    if chance.high is not None and estimate.value <= chance.high:
        return replace(estimate, low=0.0, high=min(1.0, estimate.high), method=f"{estimate.method}; 0 not excluded")
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def _checked(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    stated, right = as_probabilities("confidence", confidence), as_mask("correct", correct)
    same_length(confidence=stated, correct=right)
    return stated, right


def _bin_numbers(values: FloatArray, bins: int) -> IntArray:
    """Bin of each value, by its rank; tied values share their middle rank and so their bin."""
    middle_rank: FloatArray = stats.rankdata(values, method="average") - 0.5
    return np.floor(bins * middle_rank / len(values)).astype(np.intp)


def calibration_null(
    confidence: npt.ArrayLike, bins: int = 10, seed: Seed = 0, resamples: int = 2000, *, level: float = 0.95
) -> Estimate:
    """The calibration error that a perfectly calibrated model would show with these confidences: the chance level.

    Draws right answers with the stated probabilities (consistency resampling, Broecker & Smith 2007) and takes the
    expected calibration error of each draw. An error above ``high`` is not explained by the number of items.

    Args:
        confidence: ``[n]`` stated probabilities of being right; items are taken as independent.
        bins: as given to ``expected_calibration_error``.
        seed: an int, or a numpy Generator (which it advances).
        resamples: draws.
        level: share of the draws between ``low`` and ``high``.

    Returns:
        The mean error under perfect calibration, a probability from 0 to 1; 0 only where all confidences are 0 or
        1. ``low`` and ``high`` hold the central share of the draws. Value None for empty input.

    Raises:
        ValueError: NaN, infinite or out of range input; ``bins`` or ``resamples`` below 1.
    """
    stated = as_probabilities("confidence", confidence)
    check_positive("bins", bins)
    check_positive("resamples", resamples)
    check_confidence(level)
    n = len(stated)
    if n == 0:
        return not_measured("no observations", level)
    rng = np.random.default_rng(seed)
    in_bin = np.eye(bins)[_bin_numbers(stated, bins)]
    errors: list[FloatArray] = []
    batch = max(1, BATCH_NUMBERS // n)
    for start in range(0, resamples, batch):
        right = rng.random((min(batch, resamples - start), n)) < stated
        errors.append(np.abs((right - stated) @ in_bin).sum(axis=1) / n)
    draws = np.concatenate(errors)
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    value = float(draws.mean())
    method = f"simulation of perfect calibration, {resamples} draws"
    return Estimate(value, min(float(low), value), max(float(high), value), n, None, level, method)


def reliability_table(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    bins: int = 10,
    *,
    clusters: Labels | None = None,
    level: float = 0.95,
) -> list[ReliabilityBin]:
    """The bins behind ``expected_calibration_error``, from the least to the most confident (Murphy & Winkler 1977).

    Args:
        confidence: ``[n]`` stated probabilities of being right.
        correct: ``[n]`` False/True or 0/1.
        bins: at most this many; fewer where confidences are tied.
        clusters: ``[n]`` labels; None where items are independent.
        level: of the Wilson interval of each accuracy, between 0 and 1.

    Returns:
        Rows of shares from 0 to 1; a row is calibrated where ``low <= mean_confidence <= high``. Empty for empty input.

    Raises:
        ValueError: NaN, infinite or out of range input; lengths differ; ``bins`` below 1.
    """
    stated, right = _checked(confidence, correct)
    check_positive("bins", bins)
    check_confidence(level)
    if not len(stated):
        return []
    codes = None if clusters is None else cluster_codes(clusters, len(stated))
    numbers = _bin_numbers(stated, bins)
    rows = []
    for number in np.unique(numbers):
        held = numbers == number
        accuracy = rate(right[held], None if codes is None else codes[held].tolist(), level)
        share = float(right[held].mean())
        rows.append(ReliabilityBin(float(stated[held].mean()), share, int(held.sum()), accuracy.low, accuracy.high))
    return rows


def brier(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, *, clusters: Labels | None = None, level: float = 0.95
) -> Estimate:
    """Brier score (Brier 1950, binary form): mean squared distance between stated probability and outcome.

    Args:
        confidence: ``[n]`` stated probabilities of being right.
        correct: ``[n]`` False/True or 0/1.
        clusters: ``[n]`` labels; None where items are independent.
        level: of the t interval (clipped to 0 and 1), between 0 and 1.

    Returns:
        From 0 (certain and right) to 1 (certain and wrong); 0.25 is what always saying 0.5 gives. Value None for
        empty input.

    Raises:
        ValueError: NaN, infinite or out of range input; lengths differ; None or NaN labels.
    """
    stated, right = _checked(confidence, correct)
    score = replace(mean((stated - right) ** 2, clusters, level, bounds=(0.0, 1.0)), p_value=None)
    if score.low is None or score.high is None:
        return score
    return replace(score, low=max(0.0, score.low), high=min(1.0, score.high))


def auroc(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    clusters: Labels | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: Seed = 0,
) -> Estimate:
    """Area under the ROC curve: how often a positive item scores above a negative one (Hanley & McNeil 1982).

    The Mann-Whitney statistic over the product of the group sizes, ties counting one half. Independent items get
    Newcombe's score interval (2006, method 5), which keeps its width at 0 and 1, and the two-sided Mann-Whitney p
    value against 0.5; items in clusters get a bootstrap over clusters and no p value.

    Args:
        score: ``[n]`` numbers of any unit.
        label: ``[n]`` False/True or 0/1; 1 is expected to score higher.
        clusters: ``[n]`` labels; None where items are independent.
        level: of the interval, between 0 and 1.
        resamples, seed: of the bootstrap over clusters.

    Returns:
        A share from 0 (each negative scores above each positive) over 0.5 (chance) to 1 (the reverse). Value None
        for empty input and where one label is missing.

    Raises:
        ValueError: NaN or infinite scores; labels other than 0/1; lengths differ; None or NaN cluster labels.
    """
    scores, labels = as_values("score", score), as_mask("label", label)
    n = same_length(score=scores, label=labels)
    check_confidence(level)
    codes = None if clusters is None else cluster_codes(clusters, n)
    groups = None if codes is None else len(np.unique(codes))
    if n == 0 or labels.min() == labels.max():
        return not_measured("no observations" if n == 0 else "only one of the two labels is present", level, n, groups)
    if codes is not None and groups != n:
        return bootstrap((scores, labels), _auroc, codes.tolist(), level, resamples, seed)
    positive, negative = scores[labels == 1], scores[labels == 0]
    value = _auroc(scores, labels)
    upper = _auroc_upper(value, len(positive), len(negative), level)
    lower = 1 - _auroc_upper(1 - value, len(positive), len(negative), level)
    # Where all scores are tied, no ranking is more extreme than another.
    p_value = 1.0 if np.ptp(scores) == 0 else float(stats.mannwhitneyu(positive, negative).pvalue)
    method = "Newcombe score; Mann-Whitney"
    return Estimate(value, min(lower, value), max(upper, value), n, groups, level, method, p_value=p_value)


def _auroc(scores: FloatArray, labels: FloatArray) -> float:
    positives = float(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    wins = float(stats.rankdata(scores)[labels == 1].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def _auroc_upper(value: float, positives: int, negatives: int, level: float) -> float:
    z = float(stats.norm.ppf((1 + level) / 2))
    others = (positives + negatives) / 2 - 1  # method 5 puts the mean group size in the place of both

    def excess(area: float) -> float:
        ranks = 1 + others * ((1 - area) / (2 - area) + area / (1 + area))
        return (area - value) ** 2 * positives * negatives - z**2 * area * (1 - area) * ranks

    return upper_root(excess, value, 1.0)
