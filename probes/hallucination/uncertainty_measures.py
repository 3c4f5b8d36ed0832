"""Numbers of ``hallucination.uncertainty``, from answers and the three confidences in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from audit.metrics import (
    Estimate,
    auroc_difference,
    calibration_null,
    expected_calibration_error,
    holm,
    mean,
    not_measured,
    p_from_interval,
    rate,
)
from audit.results import Measurement
from probes.base import Probe, coverage, derived_seed, spread_over
from probes.hallucination.doubt_measures import (
    Signs,
    area_left,
    error_area,
    excess_left,
    ordering,
    risk_left,
    signs_of,
    spread_of_area,
    with_few_of_a_kind,
)
from probes.hallucination.uncertainty_answers import METHODS, Answered, Doubt

RESAMPLES = 1000  # of the calibration error, whose bins are cut anew in each
RISKS = {"risk_at_half": 0.5, "risk_at_four_fifths": 0.8}


@dataclass(frozen=True)
class Numbers:
    """Of one kind of probe, at one confidence, with one seed."""

    kind: type[Probe]
    confidence: float
    seed: int

    def all(self, answered: Sequence[Answered], doubts: Sequence[Doubt]) -> list[Measurement]:
        """All measurements of the probe."""
        found = [self._share("accuracy", "right", answered), self._share("abstention_rate", "abstained", answered)]
        for method in METHODS:
            found += self._of_method(method, [d for d in doubts if d.method == method])
        return [*self._with_corrected(found), *self._differences(doubts)]

    def _share(self, name: str, outcome: str, answered: Sequence[Answered]) -> Measurement:
        read = [a for a in answered if a.outcome is not None]
        hits = [a.outcome == outcome for a in read]
        return self.kind.measurement(
            name,
            rate(hits, [a.item["question_id"] for a in read], self.confidence),
            coverage(a.status for a in answered),
            chance=0.0,
            spread=spread_over((a.item["wording"], hit) for a, hit in zip(read, hits, strict=True)),
            evidence={"tags.asked": "answer"},
        )

    def _of_method(self, method: str, doubts: Sequence[Doubt]) -> list[Measurement]:
        signs = signs_for(doubts)
        told: dict[str, Any] = {"part": method, "evidence": {"tags.asked": method}}
        planned = coverage(d.status for d in doubts if not d.answered.declined)
        seed = derived_seed(self.seed, method)
        errors = signs.error_rate
        area = error_area(signs, self.confidence, seed)
        found = [
            self.kind.measurement("error_auroc", area, planned, chance=0.5, spread=spread_of_area(signs), **told),
            self.kind.measurement(
                "aurc", ordering(area_left, signs, self.confidence, seed), planned, chance=errors, **told
            ),
            self.kind.measurement(
                "excess_aurc",
                ordering(excess_left, signs, self.confidence, seed, needs_both=True),
                planned,
                chance=_excess_of_no_order(signs),
                **told,
            ),
        ]
        for name, share in RISKS.items():
            risk = ordering(risk_left(share), signs, self.confidence, seed)
            found.append(self.kind.measurement(name, risk, planned, chance=errors, **told))
        return [*found, *self._calibration(signs, planned, seed, told)]

    def _calibration(self, signs: Signs, planned: Any, seed: int, told: dict[str, Any]) -> list[Measurement]:
        stated, right = [1 - d for d in signs.doubt], [not wrong for wrong in signs.wrong]
        error = expected_calibration_error(
            stated, right, clusters=signs.questions, level=self.confidence, seed=seed, resamples=RESAMPLES
        )
        error = with_few_of_a_kind(error, signs, (0.0, 1.0))
        excess = [s - r for s, r in zip(stated, right, strict=True)]
        over = mean(excess, signs.questions, self.confidence, bounds=(-1.0, 1.0))
        return [
            self.kind.measurement(
                "expected_calibration_error",
                error,
                planned,
                chance=calibration_null(stated, seed=seed, level=self.confidence).value,
                **told,
            ),
            self.kind.measurement(
                "overconfidence",
                with_few_of_a_kind(over, signs, (-1.0, 1.0)),
                planned,
                chance=0.0,
                spread=spread_over(zip(signs.wordings, excess, strict=True)),
                **told,
            ),
        ]

    def _with_corrected(self, found: Sequence[Measurement]) -> list[Measurement]:
        """The areas with p values against a coin, corrected for being three."""
        areas = [m for m in found if m.metric.startswith(f"{self.kind.id}.error_auroc[")]
        corrected = dict(zip([m.metric for m in areas], holm([p_against_coin(m) for m in areas]), strict=True))
        return [
            m
            if corrected.get(m.metric) is None
            else m.model_copy(
                update={"p_value": p_against_coin(m), "p_adjusted": corrected[m.metric], "adjustment": "holm"}
            )
            for m in found
        ]

    def _differences(self, doubts: Sequence[Doubt]) -> list[Measurement]:
        """Each two methods on the answers that both say something of, corrected for being three comparisons."""
        pairs = list(combinations(METHODS, 2))
        found = [self._difference(pair, doubts) for pair in pairs]
        adjusted = holm([estimate.p_value for estimate, _ in found])
        return [
            self.kind.measurement(
                "error_auroc_difference",
                estimate,
                planned,
                part=f"{pair[0]} - {pair[1]}",
                chance=0.0,
                evidence={"tags.asked": pair[0]},
                p_adjusted=p,
            )
            for pair, (estimate, planned), p in zip(pairs, found, adjusted, strict=True)
        ]

    def _difference(self, pair: tuple[str, str], doubts: Sequence[Doubt]) -> tuple[Estimate, Any]:
        by_item = {m: {d.answered.item["id"]: d for d in doubts if d.method == m} for m in pair}
        both = [(d, by_item[pair[1]][i]) for i, d in by_item[pair[0]].items() if not d.answered.declined]
        planned = coverage(a.status if a.status != "scored" else b.status for a, b in both)
        usable = [(a, b) for a, b in both if telling(a) and telling(b)]
        first, second = signs_for([a for a, _ in usable]), signs_for([b for _, b in usable])
        if first.reason is not None:
            return not_measured(first.reason, self.confidence), planned
        seed = derived_seed(self.seed, " ".join(pair))
        estimate = auroc_difference(
            first.doubt,
            second.doubt,
            first.wrong,
            first.wordings,
            clusters=first.questions,
            level=self.confidence,
            seed=seed,
        )
        return estimate, planned


def telling(doubt: Doubt) -> bool:
    """Whether a confidence can be set against right and wrong."""
    return doubt.confidence is not None and doubt.answered.outcome in ("right", "wrong")


def signs_for(doubts: Sequence[Doubt]) -> Signs:
    """The doubts of one method in answers that are right or wrong."""
    return signs_of(
        [
            (
                1 - (d.confidence or 0.0),
                d.answered.outcome == "wrong",
                d.answered.item["question_id"],
                d.answered.item["wording"],
            )
            for d in doubts
            if telling(d)
        ]
    )


def _excess_of_no_order(signs: Signs) -> float | None:
    """What a confidence that is always alike leaves beyond the best order."""
    if not len(signs):
        return None
    alike = np.zeros(len(signs))
    return float(excess_left(alike, np.array(signs.right), np.array(signs.numbered)))


def p_against_coin(area: Measurement) -> float | None:
    """The two-sided p value of an area against one half, read off its interval."""
    if area.value is None or area.low is None or area.high is None:
        return None
    return p_from_interval((area.value - 0.5, area.low - 0.5, area.high - 0.5), area.confidence)
