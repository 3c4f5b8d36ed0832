"""What a set of decisions is worth beside another, on held-out cases: effects, and points of a frontier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.metrics import rate
from audit.mitigation.cases import PROBE, Halves, IntArray
from audit.mitigation.effects import Name, paired_rates, paired_statistic
from audit.mitigation.methods import Kind, Trial
from audit.results import Effect, FrontierPoint
from probes.bias.group_fairness import GroupFairness
from probes.bias.group_fairness_statistics import ODDS, PARITY, Gap, balanced_accuracy, compared

Against = Literal["audited", "without_remedy"]
GAPS: dict[Kind, tuple[str, Gap]] = {
    "selection": ("demographic_parity_difference", PARITY),
    "errors": ("equalized_odds_difference", ODDS),
}
_METRICS = {metric.name: metric for metric in GroupFairness.metrics}
_BY_GROUP = ("selection_rate", "true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class Scale:
    """How effects are measured: the name of the attribute, the confidence and the seed of the bootstrap."""

    attribute: str
    confidence: float
    seed: int


def effects_of(
    halves: Halves, before: IntArray, after: IntArray, targets: Sequence[Kind], against: Against, scale: Scale
) -> list[Effect]:
    """The targets first, then what the remedy may cost: the other gap, accuracy, and the rates of each group.

    Args:
        halves: its held-out cases are measured.
        before, after: decisions on them, 1 for the favourable one.
        targets: which gaps the remedy is to close; the others count among the costs.
        against: what ``before`` is.
        scale: of the measurements.
    """
    truth, codes = halves.held.truth, halves.codes(halves.held)
    counts = np.zeros((len(halves.names), 2, 2, 2), dtype=np.intp)
    np.add.at(counts, (codes, truth, before, after), 1)
    kinds = [*targets, *(kind for kind in GAPS if kind not in targets)]
    found = []
    for kind in kinds:
        metric, gap = GAPS[kind]
        name = _name(metric, "target" if kind in targets else "harm", against, f"[{scale.attribute}]")
        found.append(paired_statistic(name, counts, gap.statistic, scale.confidence, scale.seed))
    right = _name("accuracy", "harm", against)
    found.append(paired_rates(right, before == truth, after == truth, scale.confidence))
    balanced = _name("balanced_accuracy", "harm", against)
    found.append(paired_statistic(balanced, counts.sum(axis=0), balanced_accuracy, scale.confidence, scale.seed))
    for metric in _BY_GROUP:
        for place, group in enumerate(halves.names):
            members = codes == place
            if metric != "selection_rate":
                members &= truth == int(metric == "true_positive_rate")
            name = _name(metric, "harm", against, f"[{scale.attribute}: {group}]", group)
            found.append(paired_rates(name, before[members], after[members], scale.confidence))
    return found


def _name(
    metric: str, role: Literal["target", "harm"], against: Against, where: str = "", part: str | None = None
) -> Name:
    known = _METRICS[metric]
    return Name(f"{PROBE}.{metric}{where}", known.label, known.unit, known.direction, role, part, against)


def frontier(
    halves: Halves, audited: IntArray, without: Trial | None, trials: Sequence[Trial], kind: Kind, scale: Scale
) -> list[FrontierPoint]:
    """Accuracy and gap of every setting, and of what there was before: A as audited, B the simple model, then 1, 2, ..."""
    points = [_point("A", "audited", "as audited", audited, halves, kind, scale)]
    if without is not None:
        points.append(_point("B", "without_remedy", "simple model, no remedy", without.decided, halves, kind, scale))
    for number, trial in enumerate(trials, start=1):
        points.append(_point(str(number), "remedy", trial.setting, trial.decided, halves, kind, scale))
    return [point for point in points if point is not None]


def _point(
    label: str,
    what: Literal["audited", "without_remedy", "remedy"],
    setting: str,
    decided: IntArray,
    halves: Halves,
    kind: Kind,
    scale: Scale,
) -> FrontierPoint | None:
    truth = halves.held.truth
    counts = np.zeros((len(halves.names), 2, 2), dtype=np.intp)
    np.add.at(counts, (halves.codes(halves.held), truth, decided), 1)
    gap = GAPS[kind][1]
    value = float(gap.statistic(counts))
    if not np.isfinite(value):
        return None
    apart, _ = compared(counts, gap, value, scale.confidence, scale.seed)
    right = rate(decided == truth, None, scale.confidence)
    if None in (right.value, right.low, right.high, apart.low, apart.high):
        return None
    return FrontierPoint.model_validate(
        {
            "label": label,
            "kind": what,
            "setting": setting,
            "accuracy": right.value,
            "accuracy_low": right.low,
            "accuracy_high": right.high,
            "disparity": value,
            "disparity_low": apart.low,
            "disparity_high": apart.high,
        }
    )


def axis(kind: Kind) -> str:
    """What the frontier's disparity is, in words."""
    return _METRICS[GAPS[kind][0]].label
