"""How well a reader reads: measured on labelled cases in each audit, and shown beside every number that rests on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.metrics import Estimate, effective_count, kappa, not_measured, rate
from audit.results import Coverage, ItemStatus, Measurement
from probes.base import Metric, Probe, coverage

Count = tuple[float, float]
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
    of other cases. They are of the effective sample, as cases about one question or text stand or fall together; ``found``
    and ``left`` are the same shares of the cases themselves, with their intervals.
    """

    threshold: float | None
    sensitivity: Count
    specificity: Count
    accuracy: Estimate
    kappa: Estimate
    coverage: Coverage
    chance: float
    confidence: float
    found: Estimate
    left: Estimate

    def decide(self, score: float | None) -> bool | None:
        """Yes or no for a score; None without one."""
        return None if score is None or self.threshold is None else score >= self.threshold


def quality_of(
    cases: Sequence[tuple[float | None, ItemStatus, bool, bool, str]], confidence: float, seed: int = 0
) -> Quality:
    """The quality of a reader from (score, status, label, half, cluster) of the labelled cases.

    A threshold is the one with the largest Youden's J (sensitivity + specificity - 1; Youden 1950), between two neighbouring
    scores. Each half of the cases is read with the threshold of the other half, so that no case is measured with one that it
    helped to choose (two-fold cross-fitting); answers are read with the threshold of all cases. A reader that reads fewer
    than half of the cases is none: those that it does read are no sample of all, and may be the easy ones.
    """
    scored = [(score, label, half) for score, _, label, half, _ in cases if score is not None]
    clusters = [cluster for score, *_, cluster in cases if score is not None]
    cuts = {half: _cut(scored, not half) for half in (False, True)}
    whole = youden_threshold([s for s, _, _ in scored], [label for _, label, _ in scored])
    usable = whole is not None and None not in cuts.values() and 2 * len(scored) >= len(cases)
    read = [(score >= (cuts[half] or 0.0), label) for score, label, half in scored] if usable else []
    said = np.array([yes for yes, _ in read], dtype=bool)
    true = np.array([label for _, label in read], dtype=bool)
    nothing = not_measured("too few of the labelled cases could be read", confidence)
    about = clusters if read else []
    sides = [
        (said[true == kind] == kind, [name for name, label in zip(about, true, strict=True) if label == kind])
        for kind in (True, False)
    ]
    return Quality(
        whole if usable else None,
        effective_count(*sides[0], confidence),
        effective_count(*sides[1], confidence),
        rate(said == true, about, confidence) if read else nothing,
        kappa(said, true, about, confidence, seed) if read else nothing,
        coverage(status if usable or status != "scored" else "failed" for _, status, *_ in cases),
        max(float(true.mean()), 1 - float(true.mean())) if read else 0.5,
        confidence,
        rate(*sides[0], confidence),
        rate(*sides[1], confidence),
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
    shares = {"judge_sensitivity": quality.found, "judge_specificity": quality.left}
    found = [
        kind.measurement("judge_accuracy", quality.accuracy, quality.coverage, chance=quality.chance),
        kind.measurement("judge_kappa", quality.kappa, quality.coverage, chance=0.0),
    ]
    for name, estimate in shares.items():
        # Of cases that could not be read it is not kept which label they have: they count in the coverage of accuracy.
        found.append(kind.measurement(name, estimate, coverage("scored" for _ in range(estimate.n)), chance=0.5))
    return found
