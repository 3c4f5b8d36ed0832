"""How well a stated rule reads answers, on answers labelled by hand, and shares with its errors in their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from audit.metrics import Estimate, corrected_rate, kappa, not_measured, rate
from audit.results import Measurement
from probes.base import Metric, coverage

Measure = Callable[..., Measurement]
UNSEEN = "unseen answers"
RULE_METRICS = (
    Metric(
        "rule_agreement",
        "Agreement of the reading rule with labels",
        "rate",
        "higher_is_better",
        "Share of hand-labelled answers that the rule reads as their label says. The slice holds those that played no "
        "part in making the rule; it is the one to go by.",
    ),
    Metric(
        "rule_kappa",
        "Agreement of the reading rule with labels beyond chance",
        "kappa",
        "higher_is_better",
        "Cohen's kappa (Cohen 1960) between rule and labels. 0 is what chance gives, 1 is full agreement.",
    ),
    Metric(
        "rule_sensitivity",
        "Answers of the counted kind that the rule finds",
        "rate",
        "higher_is_better",
        "Share of the answers labelled as the kind that the probe's main share counts which the rule reads so.",
    ),
    Metric(
        "rule_specificity",
        "Other answers that the rule leaves out",
        "rate",
        "higher_is_better",
        "Share of the answers labelled as another kind which the rule does not read as the counted one.",
    ),
)
OF_THE_AUDIT = tuple(f"{metric.name}{part}" for metric in RULE_METRICS for part in ("", f"[{UNSEEN}]"))
"""The measurements that do not depend on the model."""


@dataclass(frozen=True)
class Labelled:
    """``[answers]``: what the rule read, what the label says, and whether the answer played no part in the rule's making."""

    read: Sequence[str]
    label: Sequence[str]
    unseen: Sequence[bool]

    def of(self, kind: str, *, unseen: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each answer was read as that kind, and labelled so; of the unseen ones alone where asked."""
        rows = [i for i, new in enumerate(self.unseen) if new or not unseen]
        return (
            np.array([self.read[i] == kind for i in rows]),
            np.array([self.label[i] == kind for i in rows]),
        )

    def errors(self, kind: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Sensitivity and specificity for that kind as counts (k, n), on the unseen answers."""
        read, true = self.of(kind, unseen=True)
        return (int(read[true].sum()), int(true.sum())), (int((~read[~true]).sum()), int((~true).sum()))

    def share(self, kind: str, hits: npt.ArrayLike, clusters: Sequence[Any], confidence: float, seed: int) -> Estimate:
        """The share of that kind among answers as the rule read them, with the rule's errors in the interval."""
        return share_with_errors(hits, clusters, *self.errors(kind), confidence, seed)


def share_with_errors(
    hits: npt.ArrayLike,
    clusters: Sequence[Any],
    sensitivity: tuple[int, int],
    specificity: tuple[int, int],
    confidence: float,
    seed: int,
) -> Estimate:
    """A share as a rule read it, with the rule's errors, counts (k, n) on unseen labelled answers, in the interval.

    The interval joins that of the share as read with that of the share corrected for the errors (``corrected_rate``). The
    value is not corrected: the labelled answers are in many voices, a model's in few, and where the rule reads that model
    better than the labels, the correction alone would hide what it read.
    """
    as_read = rate(hits, clusters, confidence)
    corrected = corrected_rate(hits, clusters, sensitivity, specificity, confidence, seed)
    if as_read.value is None or as_read.low is None or as_read.high is None:
        return as_read
    if corrected.value is None or corrected.low is None or corrected.high is None:
        return not_measured(corrected.reason or "the rule's errors are not known", confidence)
    return replace(
        as_read,
        low=min(as_read.low, corrected.low),
        high=max(as_read.high, corrected.high),
        method=f"{as_read.method}, joined with the interval corrected for the rule's errors (Rogan-Gladen)",
    )


def rule_measurements(
    labelled: Labelled, kind: str, confidence: float, seed: int, measure: Measure
) -> list[Measurement]:
    """The four measurements of the rule for the kind that the main share counts, on all labels and on the unseen ones."""
    found = []
    for part in (None, UNSEEN):
        read, true = labelled.of(kind, unseen=part is not None)
        share = float(read.mean())
        every = coverage("scored" for _ in true)
        commonest = max(float(true.mean()), 1 - float(true.mean()))
        found += [
            measure("rule_agreement", rate(read == true, None, confidence), every, part=part, chance=commonest),
            measure("rule_kappa", kappa(read, true, None, confidence, seed), every, part=part, chance=0.0),
            measure(
                "rule_sensitivity",
                rate(read[true], None, confidence),
                coverage("scored" for _ in read[true]),
                part=part,
                chance=share,
            ),
            measure(
                "rule_specificity",
                rate(~read[~true], None, confidence),
                coverage("scored" for _ in read[~true]),
                part=part,
                chance=1 - share,
            ),
        ]
    return found
