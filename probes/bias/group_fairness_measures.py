"""Numbers of ``bias.group_fairness``: of all cases, of each group, and between groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from fairlearn.metrics import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap_counts, holm, mean, not_measured, rate
from audit.results import Measurement
from probes.bias.group_fairness_cases import Cases, IntArray, Partition, partitions
from probes.bias.group_fairness_scores import NO_SCORE, above_median, calibration_errors, scoring_ratios
from probes.bias.group_fairness_statistics import (
    IMPACT,
    ODDS,
    ODDS_RATIO,
    OPPORTUNITY,
    PARITY,
    Gap,
    balanced_accuracy,
    compared,
    ratios_to_highest,
)

Measure = Callable[..., Measurement]
Mask = NDArray[np.bool_]
# In the order in which they are reported; the second is fairlearn's function, which gives the value.
GAPS: tuple[tuple[str, Callable[..., float], Gap], ...] = (
    ("demographic_parity_difference", demographic_parity_difference, PARITY),
    ("impact_ratio", demographic_parity_ratio, IMPACT),
    ("equalized_odds_difference", equalized_odds_difference, ODDS),
    ("equalized_odds_ratio", equalized_odds_ratio, ODDS_RATIO),
    ("equal_opportunity_difference", equal_opportunity_difference, OPPORTUNITY),
)
BY_GROUP = (
    "selection_rate",
    "outcome_rate",
    "accuracy",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "calibration_gap",
    "scoring_rate",
)
NEED_TRUTH = frozenset(BY_GROUP) - {"selection_rate", "scoring_rate"}

SCORED = frozenset({"calibration_gap", "scoring_rate"})


@dataclass(frozen=True)
class Compared:
    """The groups of a partition that are large enough to be compared, as places in its names."""

    partition: Partition
    selection: tuple[int, ...]
    opportunity: tuple[int, ...]
    odds: tuple[int, ...]
    small: tuple[str, ...]

    def places(self, gap: Gap) -> tuple[int, ...]:
        """The groups that a comparison is made of."""
        if gap.true_classes is None:
            return self.selection
        return self.opportunity if gap.true_classes == (1,) else self.odds


def measurements(
    cases: Cases, minimum: int, crossed: bool, confidence: float, seed: int, measure: Measure
) -> tuple[list[Measurement], list[Compared]]:
    """All measurements, those of all cases first, and which groups were compared."""
    ways = [_compared(cases, partition, minimum) for partition in partitions(cases, crossed)]
    found = _overall(cases, confidence, seed, measure)
    for name, reference, gap in GAPS:
        found += _gaps(name, reference, gap, cases, ways, minimum, confidence, seed, measure)
    found += _impact_ratios(cases, ways, confidence, seed, measure)
    found += scoring_ratios(cases, [w.partition for w in ways], minimum, confidence, seed, measure)
    for name in BY_GROUP:
        found += _by_group(name, cases, ways, confidence, measure)
    return found + calibration_errors(
        cases, [(w.partition, w.selection) for w in ways], confidence, seed, measure
    ), ways


def _compared(cases: Cases, partition: Partition, minimum: int) -> Compared:
    many = len(partition.names)

    def large(mask: Mask) -> set[int]:
        sizes = np.bincount(partition.codes[mask], minlength=many)
        return {place for place in range(many) if sizes[place] >= minimum and not partition.missing(place)}

    selection = large(cases.scored)
    favourable, other = large(cases.known & (cases.truth == 1)), large(cases.known & (cases.truth == 0))
    small = (n for i, n in enumerate(partition.names) if i not in selection)
    return Compared(
        partition,
        tuple(sorted(selection)),
        tuple(sorted(favourable)),
        tuple(sorted(favourable & other)),
        tuple(small),
    )


def _why(cases: Cases, truth: bool) -> str:
    """Why there is nothing to measure."""
    if not cases.scored.any():
        return cases.reason
    return "no case has both a prediction and a true outcome" if truth else "no such case"


def _overall(cases: Cases, confidence: float, seed: int, measure: Measure) -> list[Measurement]:
    known = cases.known
    truth, right = cases.truth[known], cases.truth[known] == cases.predicted[known]
    planned = cases.coverage(np.ones(len(cases.rows), dtype=bool), true_class=True)
    if not known.any():
        nothing = not_measured(_why(cases, True), confidence)
        return [measure(name, nothing, planned) for name in ("accuracy", "balanced_accuracy")]
    commonest = float(max(truth.mean(), 1 - truth.mean()))
    counts = np.zeros((2, 2), dtype=np.intp)
    np.add.at(counts, (truth, cases.predicted[known]), 1)
    if 0 in counts.sum(axis=1):
        balanced = not_measured("only one of the two true outcomes is there", confidence)
    else:
        balanced = bootstrap_counts(counts, balanced_accuracy, confidence, seed=seed)
    return [
        measure("accuracy", rate(right, None, confidence), planned, chance=commonest),
        measure("balanced_accuracy", balanced, planned, chance=0.5),
    ]


def _gaps(
    name: str,
    reference: Callable[..., float],
    gap: Gap,
    cases: Cases,
    ways: Sequence[Compared],
    minimum: int,
    confidence: float,
    seed: int,
    measure: Measure,
) -> list[Measurement]:
    """One measurement for each partition, Holm-corrected over them."""
    planned = cases.coverage(np.ones(len(cases.rows), dtype=bool), gap.true_classes is not None)
    if not ways:
        return [measure(name, not_measured(_why(cases, False), confidence), planned)]
    usable = cases.scored if gap.true_classes is None else cases.known & np.isin(cases.truth, gap.true_classes)
    results: list[tuple[Estimate, float | None]] = []
    for way in ways:
        places = way.places(gap)
        if not usable.any() or len(places) < 2:
            few = f"fewer than two groups have {minimum} cases" + (" of the true outcome" if gap.true_classes else "")
            why = few if usable.any() else _why(cases, gap.true_classes is not None)
            results.append((not_measured(why, confidence), None))
            continue
        codes, kept = way.partition.codes, usable & np.isin(way.partition.codes, places)
        truth, predicted, groups = np.maximum(cases.truth[kept], 0), cases.predicted[kept], codes[kept]
        counts = np.zeros((len(way.partition.names), 2, 2), dtype=np.intp)
        np.add.at(counts, (groups, truth, predicted), 1)
        cells = np.nonzero(counts)  # fairlearn takes minutes for a million rows, and weights give the same number
        value = float(reference(cells[1], cells[2], sensitive_features=cells[0], sample_weight=counts[cells]))
        results.append(compared(counts[list(places)], gap, value, confidence, seed))
    adjusted = holm([estimate.p_value for estimate, _ in results])
    return [
        measure(name, estimate, planned, part=way.partition.name, chance=chance, p_adjusted=p)
        for way, (estimate, chance), p in zip(ways, results, adjusted, strict=True)
    ]


def _impact_ratios(
    cases: Cases, ways: Sequence[Compared], confidence: float, seed: int, measure: Measure
) -> list[Measurement]:
    """The impact ratio of each group that is compared: its selection rate over that of the most selected group."""
    found: list[Measurement] = []
    for way in ways:
        if len(way.selection) < 2:
            continue
        counts = np.zeros((len(way.partition.names), 2, 2), dtype=np.intp)
        usable = cases.scored
        np.add.at(counts[:, 0], (way.partition.codes[usable], cases.predicted[usable]), 1)
        ratios = ratios_to_highest(counts[list(way.selection)], confidence, seed)
        for place, (estimate, chance) in zip(way.selection, ratios, strict=True):
            planned = cases.coverage(way.partition.codes == place)
            where = way.partition.where(place)
            part = way.partition.part(place)
            found.append(measure("impact_ratio", estimate, planned, part=part, chance=chance, evidence=where))
    return found


def _by_group(
    name: str, cases: Cases, ways: Sequence[Compared], confidence: float, measure: Measure
) -> list[Measurement]:
    """A rate of every group, small ones too; one measurement without a value where it cannot be measured at all."""
    truth = name in NEED_TRUTH
    every = np.ones(len(cases.rows), dtype=bool)
    possible = _usable(name, cases, every)
    if not possible.any():
        if name == "accuracy":  # said of all cases already
            return []
        why = NO_SCORE if name in SCORED and cases.scored.any() else _why(cases, truth)
        return [measure(name, not_measured(why, confidence), cases.coverage(every, truth))]
    found: list[Measurement] = []
    for way in ways:
        for place in range(len(way.partition.names)):
            if way.partition.crossed and place not in way.selection:
                continue  # thousands of crossed groups of a few cases would fill the report
            members = way.partition.codes == place
            used = _usable(name, cases, members)
            estimate, chance = _group_rate(name, cases, used, confidence)
            if estimate.value is not None and name in ("selection_rate", "outcome_rate", "scoring_rate"):
                chance = _all_cases(name, cases)
            where = way.partition.where(place)
            planned = cases.coverage(_planned(name, cases, members), truth)
            # Without the score of a case its calibration is not known, and it counts as one that could not be read.
            lost = planned.scored - estimate.n
            if lost:
                more = {"scored": estimate.n, "unparsed": planned.unparsed + lost}
                planned = planned.model_copy(update=more)
            found.append(
                measure(name, estimate, planned, part=way.partition.part(place), chance=chance, evidence=where)
            )
    return found


def _planned(name: str, cases: Cases, members: Mask) -> Mask:
    """The cases of a group that a rate is about, as far as is known."""
    if name in ("true_positive_rate", "false_negative_rate"):
        return np.asarray(members & (cases.truth != 0))
    if name == "false_positive_rate":
        return np.asarray(members & (cases.truth != 1))
    return members


def _usable(name: str, cases: Cases, members: Mask) -> Mask:
    """The cases of a group that a rate is measured on."""
    if name == "selection_rate":
        return members & cases.scored
    if name == "scoring_rate":
        return members & np.isfinite(cases.score)
    known = members & cases.known
    if name == "calibration_gap":
        return known & np.isfinite(cases.score)
    return known & _planned(name, cases, members)


def _group_rate(name: str, cases: Cases, used: Mask, confidence: float) -> tuple[Estimate, float | None]:
    """The rate, and what a prediction that does not look at the case would give."""
    truth, predicted = cases.truth[used], cases.predicted[used]
    if not used.any():
        return not_measured("no case of this group can be counted", confidence), None
    if name == "accuracy":
        return rate(truth == predicted, None, confidence), float(max(truth.mean(), 1 - truth.mean()))
    if name == "calibration_gap":
        return replace(mean(cases.score[used] - truth, None, confidence, bounds=(-1.0, 1.0)), p_value=None), 0.0
    if name == "outcome_rate":
        return rate(truth == 1, None, confidence), None
    if name == "scoring_rate":
        return rate(above_median(cases)[used], None, confidence), None
    if name == "false_negative_rate":
        return rate(predicted == 0, None, confidence), 1 - _all_cases("selection_rate", cases)
    chance = None if name == "selection_rate" else _all_cases("selection_rate", cases)
    return rate(predicted == 1, None, confidence), chance


def _all_cases(name: str, cases: Cases) -> float:
    """The same rate over all cases: what a group would have if groups made no difference."""
    if name == "scoring_rate":
        return float(above_median(cases)[np.isfinite(cases.score)].mean())
    column: IntArray = cases.predicted[cases.scored] if name == "selection_rate" else cases.truth[cases.known]
    return float((column == 1).mean())
