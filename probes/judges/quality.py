"""How well a reader reads: measured on labelled cases in each audit, and shown beside every number that rests on it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from audit.metrics import Estimate, kappa, not_measured, rate
from audit.results import Coverage, ItemStatus, Measurement
from probes.base import Metric, Probe, coverage

Count = tuple[int, int]
JUDGE_METRICS = (
    Metric(
        "judge_accuracy",
        "Labelled cases that the reader of the answers reads rightly",
        "rate",
        "higher_is_better",
        "Share of hand-labelled cases that what reads the answers reads as their label says, none with a threshold that it "
        "helped to choose. It bounds how far the numbers that rest on its readings can be trusted.",
    ),
    Metric(
        "judge_kappa",
        "Agreement of the reader of the answers with labels beyond chance",
        "kappa",
        "higher_is_better",
        "Cohen's kappa (Cohen 1960) between reader and labels. 0 is what chance gives, 1 is full agreement.",
    ),
    Metric(
        "judge_sensitivity",
        "Cases labelled yes that the reader of the answers finds",
        "rate",
        "higher_is_better",
        "Share of the cases labelled yes (the same meaning, a right answer, a supported claim) that it reads so.",
    ),
    Metric(
        "judge_specificity",
        "Cases labelled no that the reader of the answers finds",
        "rate",
        "higher_is_better",
        "Share of the cases labelled no that it reads so. A reader that always says yes has 0.",
    ),
)


@dataclass(frozen=True)
class Quality:
    """A reader on the labelled cases.

    ``threshold``: the score from which on it says yes, None where fewer than half of the labelled cases could be read.
    ``sensitivity`` and ``specificity`` are counts (k, n): of n cases labelled yes (no) it read k so, each with a threshold
    of other cases; ``shares`` are both with their intervals.
    """

    threshold: float | None
    sensitivity: Count
    specificity: Count
    accuracy: Estimate
    kappa: Estimate
    coverage: Coverage
    chance: float
    confidence: float
    shares: tuple[Estimate, Estimate] | None = None

    def decide(self, score: float | None) -> bool | None:
        """Yes or no for a score; None without one."""
        return None if score is None or self.threshold is None else score >= self.threshold


def quality_of(
    cases: Sequence[tuple[float | None, ItemStatus, bool, bool]],
    confidence: float,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Quality:
    """The quality of a reader from (score, status, label, half) of the labelled cases; ``clusters`` share a text or question.

    A threshold is the one with the largest Youden's J (sensitivity + specificity - 1; Youden 1950), between two neighbouring
    scores. Each half of the cases is read with the threshold of the other half, so that no case is measured with one that it
    helped to choose (two-fold cross-fitting); answers are read with the threshold of all cases. A reader that reads fewer
    than half of the cases is none: those that it does read are no sample of all, and may be the easy ones.
    """
    scored = [(score, label, half) for score, _, label, half in cases if score is not None]
    groups = [
        cluster for (score, *_), cluster in zip(cases, clusters or range(len(cases)), strict=True) if score is not None
    ]
    cuts = {half: _cut(scored, not half) for half in (False, True)}
    whole = youden_threshold([s for s, _, _ in scored], [label for _, label, _ in scored])
    usable = whole is not None and None not in cuts.values() and 2 * len(scored) >= len(cases)
    read = [(score >= (cuts[half] or 0.0), label) for score, label, half in scored] if usable else []
    said = np.array([yes for yes, _ in read], dtype=bool)
    true = np.array([label for _, label in read], dtype=bool)
    if not usable:
        nothing = not_measured("too few of the labelled cases could be read", confidence)
        lost = coverage("failed" if status == "scored" else status for _, status, _, _ in cases)
        return Quality(None, (0, 0), (0, 0), nothing, nothing, lost, 0.5, confidence)
    right = said == true
    counts = [(int(right[true == label].sum()), int((true == label).sum())) for label in (True, False)]
    parts = [[i for i in range(len(read)) if true[i] == label] for label in (True, False)]
    yes, no = (rate(right[part], [groups[i] for i in part], confidence) for part in parts)
    return Quality(
        whole,
        counts[0],
        counts[1],
        rate(right, groups, confidence),
        kappa(said, true, groups, confidence, seed),
        coverage(status for _, status, _, _ in cases),
        max(float(true.mean()), 1 - float(true.mean())),
        confidence,
        (yes, no),
    )


def _cut(scored: Sequence[tuple[float, bool, bool]], half: bool) -> float | None:
    own = [(score, label) for score, label, of in scored if of is half]
    return youden_threshold([score for score, _ in own], [label for _, label in own])


def youden_threshold(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """The score from which on to say yes, with the largest sensitivity + specificity - 1; None without both labels.

    Midway between two neighbouring scores; of several equally good ones the lowest that no score equals.
    """
    if len(set(labels)) < 2:
        return None
    values, true = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    known = np.unique(values)
    cuts = np.append((known[1:] + known[:-1]) / 2, known[-1] + 1.0) if len(known) > 1 else known
    gains = [(values[true] >= cut).mean() - (values[~true] >= cut).mean() for cut in cuts]
    return float(cuts[int(np.argmax(gains))])


def judge_measurements(kind: type[Probe], quality: Quality) -> list[Measurement]:
    """``JUDGE_METRICS`` as measurements of a probe."""
    shares = {"judge_sensitivity": quality.sensitivity, "judge_specificity": quality.specificity}
    found = [
        kind.measurement("judge_accuracy", quality.accuracy, quality.coverage, chance=quality.chance),
        kind.measurement("judge_kappa", quality.kappa, quality.coverage, chance=0.0),
    ]
    for place, (name, (k, n)) in enumerate(shares.items()):
        known = rate([True] * k + [False] * (n - k), None, quality.confidence)
        estimate = known if quality.shares is None else quality.shares[place]
        # Of cases that could not be read it is not kept which label they have: they count in the coverage of accuracy.
        found.append(kind.measurement(name, estimate, coverage("scored" for _ in range(n)), chance=0.5))
    return found
