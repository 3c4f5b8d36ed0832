"""Numbers of ``hallucination.halueval``, from the model's verdicts.

All shares are put together from two: of the hallucinated answers that the model calls so, and of the sound ones. Each has
its own Wilson interval, clustered by answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from audit.metrics import Estimate, auroc, mover_difference, not_measured, rate
from audit.results import ItemStatus, Measurement, Spread
from probes.base import coverage, spread_over
from probes.hallucination.halueval_answers import WORDINGS, Verdict

Measure = Callable[..., Measurement]
Weights = tuple[float, float, float]
"""A share as ``a * recall + b * false alarms + c``."""
LENGTHS = ("short", "medium", "long")
COIN = 0.5
BALANCED: Weights = (0.5, -0.5, 0.5)
METHOD = "MOVER (Zou & Donner 2008) of two Wilson intervals"


def accuracy_of(share: float) -> Weights:
    """Right verdicts where ``share`` of answers are hallucinated."""
    return share, share - 1, 1 - share


def yes_of(share: float) -> Weights:
    """Said Yes where ``share`` of answers are hallucinated."""
    return share, 1 - share, 0.0


def measurements(verdicts: Sequence[Verdict], share: float, confidence: float, measure: Measure) -> list[Measurement]:
    """All measurements of the probe.

    Args:
        verdicts: one of each answer and wording.
        share: of hallucinated answers in the whole published set.
        confidence: of the intervals.
        measure: makes a measurement of the probe.
    """

    def combined(name: str, weights: Weights, chance: float, part: str | None = None) -> Measurement:
        members = [v for v in verdicts if part in (None, v.item["length"])]
        return measure(
            name,
            combination(members, weights, confidence),
            coverage(v.status for v in members),
            part=part,
            chance=chance,
            spread=_spread(members, weights),
            evidence={"tags.length": part} if part else {},
        )

    yes = combined("yes_rate", yes_of(share), COIN)
    return [
        combined("balanced_accuracy", BALANCED, COIN),
        *(combined("balanced_accuracy", BALANCED, COIN, length) for length in LENGTHS),
        combined("accuracy", accuracy_of(share), max(share, 1 - share)),
        _called("hallucination_recall", True, verdicts, yes.value, confidence, measure),
        _called("false_alarm_rate", False, verdicts, yes.value, confidence, measure),
        yes,
        _ranking(verdicts, confidence, measure),
    ]


def combination(verdicts: Sequence[Verdict], weights: Weights, confidence: float) -> Estimate:
    """A share made of the model's recall and its false alarms, which are of different answers, so independent."""
    recall, alarms = (_share(verdicts, side, confidence) for side in (True, False))
    missing = "hallucinated" if recall.value is None else "sound" if alarms.value is None else None
    if missing:
        return not_measured(f"no {missing} answer could be scored", confidence)
    a, b, constant = weights
    ends = mover_difference(_times(recall, a), _times(alarms, -b))
    # Sums of weighted shares can miss 0 and 1 by a rounding error.
    value, low, high = (min(1.0, max(0.0, end + constant)) for end in ends)
    clusters = (recall.clusters or 0) + (alarms.clusters or 0)
    return Estimate(value, min(low, value), max(high, value), recall.n + alarms.n, clusters, confidence, METHOD)


def _share(verdicts: Sequence[Verdict], hallucinated: bool, confidence: float) -> Estimate:
    """How many of the answers of one kind were called hallucinated."""
    members = [v for v in verdicts if v.hallucinated == hallucinated and v.yes is not None]
    return rate([bool(v.yes) for v in members], [str(v.item["id"]) for v in members], confidence)


def _times(estimate: Estimate, factor: float) -> tuple[float, float, float]:
    """An estimate's value, low and high times a factor of either sign."""
    value, low, high = (factor * (end or 0.0) for end in (estimate.value, estimate.low, estimate.high))
    return value, min(low, high), max(low, high)


def _spread(verdicts: Sequence[Verdict], weights: Weights) -> Spread | None:
    """Lowest and highest of a combination over the wordings; None with fewer than two that have both kinds of answers."""
    values = []
    for wording in WORDINGS:
        said = [v for v in verdicts if v.wording == wording and v.yes is not None]
        sides = [[bool(v.yes) for v in said if v.hallucinated == side] for side in (True, False)]
        if all(sides):
            values.append(weights[0] * fmean(sides[0]) + weights[1] * fmean(sides[1]) + weights[2])
    return Spread(low=min(values), high=max(values), templates=len(values)) if len(values) > 1 else None


def _called(
    name: str,
    hallucinated: bool,
    verdicts: Sequence[Verdict],
    chance: float | None,
    confidence: float,
    measure: Measure,
) -> Measurement:
    """Share of the answers of one kind that were called hallucinated."""
    members = [v for v in verdicts if v.hallucinated == hallucinated]
    return measure(
        name,
        _share(members, hallucinated, confidence),
        coverage(v.status for v in members),
        chance=chance,
        spread=spread_over((v.wording, bool(v.yes)) for v in members if v.yes is not None),
        evidence={"tags.marked": "hallucinated" if hallucinated else "sound"},
    )


def _ranking(verdicts: Sequence[Verdict], confidence: float, measure: Measure) -> Measurement:
    """Whether hallucinated answers get higher odds of Yes than sound ones, by each answer's mean over the wordings."""
    by_answer: dict[str, list[Verdict]] = {}
    for v in verdicts:
        by_answer.setdefault(str(v.item["id"]), []).append(v)
    # An answer without a verdict in one wording has another mean than the rest, so it has none.
    statuses: list[ItemStatus] = [
        next((v.status for v in own if v.log_odds is None), "scored") for own in by_answer.values()
    ]
    whole = [own for own, status in zip(by_answer.values(), statuses, strict=True) if status == "scored"]
    odds = [fmean(v.log_odds for v in own if v.log_odds is not None) for own in whole]
    estimate = auroc(odds, [own[0].hallucinated for own in whole], level=confidence)
    if estimate.value is None:
        estimate = not_measured("answers of both kinds are needed", confidence)
    return measure("ranking", estimate, coverage(statuses), chance=COIN)
