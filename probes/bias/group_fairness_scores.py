"""Numbers of ``bias.group_fairness`` that take a score: scoring rates of Local Law 144, and calibration within groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap_counts, holm, not_measured
from audit.results import Measurement
from probes.bias.group_fairness_cases import Cases, FloatArray, IntArray, Partition
from probes.bias.group_fairness_statistics import IMPACT, compared

Measure = Callable[..., Measurement]
Ways = Sequence[tuple[Partition, tuple[int, ...]]]
"""Ways to cut the cases, each with the groups that are large enough to be compared."""
NO_SCORE = "there is no y_score"
BINS = 10
DRAWS = 2000


def above_median(cases: Cases) -> NDArray[np.bool_]:
    """Whether a case scores above the median of all that have a score: what Local Law 144 counts (6 RCNY 5-300)."""
    known = np.isfinite(cases.score)
    middle = np.median(cases.score[known]) if known.any() else np.nan
    with np.errstate(invalid="ignore"):
        return np.asarray(cases.score > middle)


def scoring_ratios(
    cases: Cases, partitions: Sequence[Partition], minimum: int, confidence: float, seed: int, measure: Measure
) -> list[Measurement]:
    """Lowest over highest scoring rate, by each way to cut the cases; Holm-corrected over them.

    Groups with at least ``minimum`` scores are compared: a group of many predictions may have few of them, or none.
    """
    name, known = "scoring_impact_ratio", np.isfinite(cases.score)
    every = np.ones(len(cases.rows), dtype=bool)
    if not known.any():
        why = NO_SCORE if cases.scored.any() else cases.reason
        return [measure(name, not_measured(why, confidence), cases.coverage(every))]
    above = above_median(cases)
    results: list[tuple[Estimate, float | None]] = []
    for partition in partitions:
        sizes = np.bincount(partition.codes[known], minlength=len(partition.names))
        large = [p for p, size in enumerate(sizes.tolist()) if size >= minimum and not partition.missing(p)]
        kept = known & np.isin(partition.codes, large)
        counts = np.zeros((len(partition.names), 2, 2), dtype=np.intp)
        np.add.at(counts[:, 0], (partition.codes[kept], above[kept].astype(np.intp)), 1)
        if len(large) < 2 or not above[kept].any():
            why = "no score is above the median" if len(large) > 1 else f"fewer than two groups have {minimum} scores"
            results.append((not_measured(why, confidence), None))
            continue
        there = counts[large]
        results.append(compared(there, IMPACT, float(IMPACT.statistic(there)), confidence, seed))
    adjusted = holm([estimate.p_value for estimate, _ in results])
    planned = cases.coverage(every)
    lost = int((cases.scored & ~known).sum())  # there is a prediction, but not its score
    planned = planned.model_copy(update={"scored": planned.scored - lost, "unparsed": planned.unparsed + lost})
    return [
        measure(name, estimate, planned, part=partition.name, chance=chance, p_adjusted=p)
        for partition, (estimate, chance), p in zip(partitions, results, adjusted, strict=True)
    ]


def calibration_errors(cases: Cases, ways: Ways, confidence: float, seed: int, measure: Measure) -> list[Measurement]:
    """Expected calibration error within each group that is compared by one attribute."""
    name = "calibration_error"
    known = cases.known & np.isfinite(cases.score)
    if not known.any():
        why = NO_SCORE if cases.known.any() else "no case has both a prediction and a true outcome"
        nothing = not_measured(why if cases.scored.any() else cases.reason, confidence)
        return [measure(name, nothing, cases.coverage(np.ones(len(cases.rows), dtype=bool), True))]
    found: list[Measurement] = []
    for partition, large in ways:
        for place in large if not partition.crossed else ():
            members = partition.codes == place
            used = members & known
            planned = cases.coverage(members, true_class=True)
            lost = planned.scored - int(used.sum())
            planned = planned.model_copy(update={"scored": int(used.sum()), "unparsed": planned.unparsed + lost})
            estimate, chance = calibration_error(cases.score[used], cases.truth[used], confidence, seed)
            where = partition.where(place)
            found.append(measure(name, estimate, planned, part=partition.part(place), chance=chance, evidence=where))
    nothing = not_measured("no group is large enough", confidence)
    return found or [measure(name, nothing, cases.coverage(np.ones(len(cases.rows), dtype=bool), True))]


def calibration_error(
    score: FloatArray, truth: IntArray, confidence: float, seed: int
) -> tuple[Estimate, float | None]:
    """Mean distance, over bins of equal mass, between mean score and share of favourable outcomes (Naeini et al. 2015).

    The bins and their mean scores are held fixed in the resamples, so that the cost does not grow with the cases. The
    error is biased upwards: chance is what outcomes drawn with the bins' own probabilities show, and the interval reaches
    0 where the error is no higher than a share of ``(1 + confidence) / 2`` of those (97.5% at a confidence of 95%): an
    interval leaves out as much on each side.

    Args:
        score: ``[n]`` probabilities of the favourable class.
        truth: ``[n]`` outcomes, 1 favourable, 0 not.
        confidence: of the interval, between 0 and 1.
        seed: of both simulations.
    """
    if not len(score):
        return not_measured("no case of this group can be counted", confidence), None
    edges = np.unique(np.quantile(score, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="right")
    many = int(bins.max()) + 1
    sizes = np.bincount(bins, minlength=many)
    stated = np.bincount(bins, weights=score, minlength=many) / np.maximum(sizes, 1)
    counts = np.zeros((many, 2), dtype=np.intp)
    np.add.at(counts, (bins, truth), 1)

    def error(tables: IntArray) -> FloatArray:
        total = tables.sum(axis=-1)
        return np.asarray(np.abs(stated * total - tables[..., 1]).sum(axis=-1) / total.sum(axis=-1))

    found = bootstrap_counts(counts, error, confidence, DRAWS, seed, biased=True)
    drawn = np.random.default_rng(seed).binomial(sizes, np.clip(stated, 0.0, 1.0), size=(DRAWS, many))
    null = error(np.stack([sizes - drawn, drawn], axis=-1))
    value = found.value or 0.0
    low, high = (value if end is None else end for end in (found.low, found.high))
    method = found.method
    if value <= float(np.quantile(null, (1 + confidence) / 2)):
        low, method = 0.0, f"{method}; 0 not excluded"
    if found.low is None:  # all outcomes alike: as sure as no exception in so many
        low, high = max(0.0, value - 3 / len(score)), min(1.0, value + 3 / len(score))
    return replace(found, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)), method=method), float(
        null.mean()
    )
