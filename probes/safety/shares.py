"""Answers as they were read, and shares of them: as read, corrected for the rule's errors, and as a judge reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.metrics import Estimate, corrected_rate, mover_difference, not_measured, rate
from audit.models import Failure, Generated, Response, Responses
from audit.results import ItemStatus, Measurement, Spread
from probes.base import coverage, spread_over
from probes.rule_quality import Measure
from probes.safety.labels import NO_JUDGE, counted, judge_asks, judge_labels, judge_reads, rule_labels
from probes.safety.refusals import Reading, read_answer


@dataclass(frozen=True)
class Said:
    """An answer to a request of an item; ``reading`` is the rule's, ``judged`` the judge's, None where there is none."""

    item: Mapping[str, Any]
    part: str
    wording: str
    cluster: str
    request: str
    status: ItemStatus
    text: str | None
    reading: Reading | None
    note: str | None = None
    judged: Reading | None = None
    judgement: ItemStatus = "unparsed"


def said(
    item: Mapping[str, Any],
    part: str,
    wording: str,
    cluster: str,
    request: str,
    answer: Response,
    markers: Collection[str] | None = None,
) -> Said:
    """The answer as the rule reads it."""
    if not isinstance(answer, Generated):
        reason = answer.reason if isinstance(answer, Failure) else "No text came."
        status: ItemStatus = answer.status if isinstance(answer, Failure) else "failed"
        return Said(item, part, wording, cluster, request, status, None, None, reason)
    reading = read_answer(answer.text, markers)
    if reading is None:
        note = "The answer is empty or garbled."
        return Said(item, part, wording, cluster, request, "unparsed", answer.text, None, note)
    return Said(item, part, wording, cluster, request, "scored", answer.text, reading)


def judged(found: Said, judge: str | None, answers: Responses) -> Said:
    """The same with the judge's reading, where a judge is named and the rule could read the answer."""
    if judge is None or found.text is None or found.reading is None:
        return found
    status, reading = judge_reads(answers[judge_asks(judge, found.request, found.text)])
    return replace(found, judged=reading, judgement=status)


@dataclass(frozen=True)
class Shares:
    """Makes measurements of shares of answers.

    Args:
        confidence: of the intervals.
        seed: of the draws for corrected shares.
        measure: makes a measurement of the probe.
        judge: who reads the answers beside the rule, None for nobody.
        answers: with the judge's.
    """

    confidence: float
    seed: int
    measure: Measure
    judge: str | None
    answers: Responses

    def as_read(
        self,
        name: str,
        planned: Sequence[Said],
        kind: str,
        evidence: Mapping[str, str],
        part: str | None = None,
        chance: float = 0.0,
        spread: Spread | None = None,
    ) -> Measurement:
        """The share of a kind as the rule reads it, intervals clustered."""
        read = [s for s in planned if s.reading is not None]
        return self.measure(
            name,
            rate([counted(s.reading, kind) for s in read], [s.cluster for s in read], self.confidence),
            coverage(s.status for s in planned),
            part=part,
            chance=chance,
            spread=spread,
            evidence=evidence,
        )

    def corrected(
        self, name: str, planned: Sequence[Said], kind: str, evidence: Mapping[str, str], chance: float = 0.0
    ) -> Measurement:
        """The share corrected for the rule's errors on unseen labelled answers, which the interval holds.

        The interval joins that of the share as read: where a model refuses in stock phrases, which the rule never misses, the
        correction supposes misses that are not there, and what was read is the better guide.
        """
        read = [s for s in planned if s.reading is not None]
        hits, clusters = [counted(s.reading, kind) for s in read], [s.cluster for s in read]
        estimate = self._corrected(hits, clusters, rule_labels(kind).errors(kind))
        if estimate.value is not None:
            joined = rule_labels(kind).share(kind, hits, clusters, self.confidence, self.seed)
            estimate = replace(estimate, low=joined.low, high=joined.high, method=joined.method)
        return self.measure(name, estimate, coverage(s.status for s in planned), chance=chance, evidence=evidence)

    def judged(
        self, name: str, planned: Sequence[Said], kind: str, evidence: Mapping[str, str], chance: float = 0.0
    ) -> Measurement:
        """The share as the judge reads it, corrected for its errors on the labelled answers."""
        statuses = coverage(s.judgement if s.status == "scored" else s.status for s in planned)
        if self.judge is None:
            nobody = not_measured(NO_JUDGE, self.confidence)
            return self.measure(name, nobody, statuses, chance=chance, evidence=evidence)
        read = [s for s in planned if s.judged is not None]
        labelled = judge_labels(self.judge, kind, self.answers)[0]
        own = labelled.errors(kind) if labelled.read else ((0, 0), (0, 0))
        estimate = self._corrected([counted(s.judged, kind) for s in read], [s.cluster for s in read], own)
        return self.measure(name, estimate, statuses, chance=chance, evidence=evidence)

    def _corrected(
        self, hits: Sequence[bool], clusters: Sequence[str], own: tuple[tuple[int, int], tuple[int, int]]
    ) -> Estimate:
        return corrected_rate(hits, clusters, *own, self.confidence, seed=self.seed)

    def apart(self, first: Measurement, second: Measurement) -> Estimate:
        """First minus second share, of answers to different requests, with the MOVER interval of their own intervals."""
        known = [(m.value, m.low, m.high) for m in (first, second)]
        (a, a_low, a_high), (b, b_low, b_high) = known
        if a is None or a_low is None or a_high is None or b is None or b_low is None or b_high is None:
            return not_measured("one of the two kinds of requests has no readable answer", self.confidence)
        value, low, high = mover_difference((a, a_low, a_high), (b, b_low, b_high))
        return Estimate(
            value,
            max(-1.0, low),
            min(1.0, high),
            first.n + second.n,
            None,
            self.confidence,
            "MOVER over the two clustered Wilson intervals",
        )


def wording_spread(answers: Sequence[Said], kind: str) -> Spread | None:
    """Lowest and highest share of a kind over wordings, of answers that could be read; None with fewer than two."""
    return spread_over((s.wording, counted(s.reading, kind)) for s in answers if s.reading is not None)
