"""``explainability.attribution``: which words drive a decision, and whether that claim holds when it is tested.

For each decision between two answers the scalar is log p(chosen) - log p(other). Words are scored by leaving each out, and
by other methods beside it. Each explanation is then tested: its highest-scored words are deleted (comprehensiveness), or
kept alone (sufficiency), and the change is compared with that of at least twenty random orders of the same words. Further
checks ask whether scores foretell removals, depend on the weights and on the answer, and outlast other wording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from audit.corpora import Item
from audit.metrics import Estimate, bootstrap, holm, mean, median, not_measured, rate
from audit.models import Capability, Method, Request, Responses
from audit.results import Average, Measurement
from probes.base import Context, Outcome, Probe, ProbeOptions, Suite, coverage, options_of
from probes.explainability.attribution_agreement import agreement, top_words
from probes.explainability.attribution_findings import faithfulness_finding, judged, methods_finding
from probes.explainability.attribution_measures import (
    CLAIMS_COMPLETENESS,
    WITHOUT_SIGN,
    Explained,
    Reading,
    evidence,
    explained,
)
from probes.explainability.attribution_metrics import METRICS
from probes.explainability.attribution_records import SCORED, record_of
from probes.explainability.attribution_requests import (
    BINS,
    DEFAULT,
    AttributionOptions,
    Plan,
    attribution_request,
    plan_of,
    random_orders,
    requests_of,
)
from probes.explainability.decisions import FLAGGED_BY, load_decisions

__all__ = ["Attribution", "AttributionOptions", "attribution_request"]

Estimator = Callable[[Sequence[float]], Estimate]
NOT_CLAIMED = "No method that claims to add up explained a decision."
NO_SECOND = "No second method explained the decisions."
CLOSED = "The model's weights are not open, so that they cannot be shuffled."
NOT_HERE = "In this suite weights are shuffled for leave-one-out alone."
NONE_CHECKED = (
    "No decision was to be checked, or none has another wording with the same answer, or an unrelated answer."
)


class Attribution(Probe):
    """Word attributions of decisions with their measured faithfulness."""

    id = "explainability.attribution"
    title = "Which words drove the answer"
    risk = "explainability"
    purpose = (
        "We ask which words of a text made the model choose its answer, and then test that explanation: if the marked "
        "words are taken away, does the answer change more than when random words are taken away?"
    )
    method = (
        "Leave-one-out attribution of log p(chosen) - log p(other), Shapley sampling beside it, in longer suites KernelSHAP, "
        "LIME and gradients; words are deleted at token level. Area over the perturbation curve at 20 and 50% of words for "
        "deletion and for keeping alone, paired with random orders of the same words; bootstrap interval over decisions, "
        "Holm over methods. Checks of completeness, randomised weights, other targets and wordings; a verdict by a fixed rule."
    )
    citation = (
        "Occlusion: Zeiler & Fergus 2014 (arXiv:1311.2901), Li et al. 2016 (arXiv:1612.08220); comprehensiveness, "
        "sufficiency and agreement with people: DeYoung et al. 2020 (arXiv:1911.03429); normalisation: Edin et al. 2024 "
        "(arXiv:2408.08137); infidelity: Yeh et al. 2019 (arXiv:1901.09392); randomised weights: Adebayo et al. 2018 "
        "(arXiv:1810.03292); signs: Liu et al. 2022 (arXiv:2201.12114); disagreement: Krishna et al. 2022 "
        "(arXiv:2202.01602); items are our own and the audit's flagged texts."
    )
    limits = (
        "It shows which words matter for these short choices, not why. Deleting words can make odd sentences, to which "
        "a model may react for other reasons. Written answers are explained as a whole, and images are not covered."
    )
    capabilities = frozenset({Capability.SCORE, Capability.CLASSIFY, Capability.ATTRIBUTE})
    options = AttributionOptions
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": 32, "standard": 56, "full": None}
    stratum = "kind"
    follows = FLAGGED_BY
    metrics = METRICS

    @classmethod
    def needs(cls, options: ProbeOptions) -> frozenset[Capability]:
        """To be asked again with words left out; the answers are scored, or classes take their place."""
        return frozenset({Capability.ATTRIBUTE})

    def items(self, data: Path | None) -> list[Item]:
        """Decisions of our own; flagged ones come from other probes."""
        return load_decisions()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """The answers, then explanations of the chosen one, then the deletions that test them."""
        plan = plan_of(items, context)
        return [request for decision in plan.decisions for request in requests_of(decision, plan, answers)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Faithfulness of every explanation, and over all of them, by method."""
        plan, rule = plan_of(items, context), options_of(context, AttributionOptions).rule
        every = [explained(decision, plan, answers) for decision in plan.decisions]
        measured = _Measured(self, every, plan, context)
        gains = measured.gains()
        rest = {m: measured.of_method(m) for m in measured.methods}
        verdicts = {
            m: judged(m, gains[m], _named(rest[m], "completeness_error"), _named(rest[m], "randomisation_drop"), rule)
            for m in measured.methods
        }
        agreeing, same = measured.agreement()
        found = [x for m in measured.methods for x in (gains[m], *rest[m])]
        found += [*agreeing, *same, *measured.checks(), *measured.evidence(), *measured.absent(found)]
        main = [gains[DEFAULT], *(x for x in rest[DEFAULT] if x.value is not None)]
        done = [e for e in every if e.main.status == "scored"]
        findings = [
            faithfulness_finding(self.finding, done, verdicts[DEFAULT], main, rule, _family(gains)),
            methods_finding(self.finding, verdicts, every, [same[0], agreeing[0]], rule),
        ]
        return Outcome([record_of(e, self.id, self.source, verdicts, rule) for e in every], found, findings)


def _family(gains: Mapping[Method, Measurement]) -> int:
    """How many methods were tested, over which Holm corrects."""
    return max(1, sum(m.p_value is not None for m in gains.values()))


def _named(measurements: Sequence[Measurement], name: str) -> Measurement | None:
    return next((m for m in measurements if m.metric.split("[")[0].endswith(f".{name}")), None)


@dataclass(frozen=True)
class _Measured:
    """The measurements over all explained decisions."""

    probe: Probe
    every: Sequence[Explained]
    plan: Plan
    context: Context

    @property
    def methods(self) -> tuple[Method, ...]:
        """The default method first."""
        return (DEFAULT, *self.plan.methods)

    def _by(self, method: Method) -> list[Explained]:
        return [e for e in self.every if method in e.tested]

    def _mean(self, bounds: tuple[float, float] | None = None) -> Estimator:
        return lambda values: mean(values, None, self.context.confidence, bounds=bounds)

    def measurement(
        self,
        name: str,
        readings: Sequence[Reading],
        estimate: Estimator,
        part: str | None = None,
        none: str = NONE_CHECKED,
    ) -> Measurement:
        """One number over decisions; ``none``: why there is nothing to measure, where nothing was planned.

        Records hold the scores of the default method alone, whose numbers are no slices.
        """
        average = Average(score=SCORED[name]) if part is None and name in SCORED else None
        scored = [r for r in readings if r.value is not None]
        chances = [r.chance for r in scored if r.chance is not None]
        found = estimate([r.value for r in scored if r.value is not None])
        if not readings:
            found = not_measured(none, self.context.confidence)
        level = float(np.mean(chances)) if chances else None
        became = coverage(r.status for r in readings)
        return self.probe.measurement(name, found, became, part=part, chance=level, average=average)

    def gains(self) -> dict[Method, Measurement]:
        """The gain of each method, with p values that are corrected over methods."""
        made = {}
        for method in self.methods:
            readings = [_reading(e, method, lambda t: (t.gain, 0.0)) for e in self._by(method)]
            part = None if method == DEFAULT else method
            made[method] = self.measurement("gain_over_random", readings, self._resampled, part)
        corrected = holm([m.p_value for m in made.values()])
        return {
            method: m.model_copy(update={"p_adjusted": p, "adjustment": None if p is None else "holm"})
            for (method, m), p in zip(made.items(), corrected, strict=True)
        }

    def _resampled(self, gains: Sequence[float]) -> Estimate:
        """The mean gain: bootstrap interval over decisions, p value of the paired t test."""

        def average(values: np.ndarray, axis: int = -1) -> np.ndarray:
            return np.asarray(values.mean(axis=axis))

        found = bootstrap((list(gains),), average, None, self.context.confidence, seed=self.context.seed)
        tested = mean(gains, None, self.context.confidence)
        return replace(found, p_value=tested.p_value)

    def of_method(self, method: Method) -> list[Measurement]:
        """What is measured of each method besides its gain."""
        part = None if method == DEFAULT else method
        by = self._by(method)
        made = [
            self.measurement(
                "comprehensiveness",
                [_reading(e, method, lambda t: (t.comprehensiveness, t.random_comprehensiveness)) for e in by],
                self._mean(),
                part,
            ),
            self.measurement(
                "sufficiency",
                [_reading(e, method, lambda t: (t.sufficiency, t.random_sufficiency)) for e in by],
                self._mean(),
                part,
            ),
        ]
        further: list[tuple[str, Estimator]] = [("normalised_comprehensiveness", self._mean((0.0, 1.0)))]
        if method not in WITHOUT_SIGN:
            further.append(("infidelity", self._mean()))
            if method != DEFAULT:  # whose scores are the effects that signs are held against
                further.append(("polarity_violations", self._mean((0.0, 1.0))))
        if method in CLAIMS_COMPLETENESS:
            further.append(("completeness_error", lambda values: median(values, self.context.confidence)))
        made += [self.measurement(n, [e.tested[method].reading(n) for e in by], how, part) for n, how in further]
        shuffles = [e.checks[name] for e in by if (name := f"randomisation {method}") in e.checks]
        none = CLOSED if not self.plan.open_weights else NONE_CHECKED if self.plan.shuffles_for(method) else NOT_HERE
        return [*made, self.measurement("randomisation_drop", shuffles, self._mean((0.0, 2.0)), part, none)]

    def agreement(self) -> tuple[list[Measurement], list[Measurement]]:
        """Of methods with one another, by order and by their strongest words."""
        several = [e for e in self.every if len(e.tested) > 1]
        tau = self._mean((-1.0, 1.0))
        share = self._mean((0.0, 1.0))
        agreeing = [self.measurement("agreement", [agreement(e) for e in several], tau, None, NO_SECOND)]
        agreeing += [
            self.measurement("agreement", [agreement(e, m) for e in self._by(m)], tau, m, NO_SECOND)
            for m in self.plan.methods
        ]
        same = [
            self.measurement("same_top_word", [top_words(e, None) for e in several], share, None, NO_SECOND),
            self.measurement("top_overlap", [top_words(e, BINS[0]) for e in several], share, None, NO_SECOND),
        ]
        return agreeing, same

    def checks(self) -> list[Measurement]:
        """Of the default method, on the decisions that were checked."""
        between = self._mean((-1.0, 1.0))
        return [
            self.measurement(name, [e.checks[name] for e in self.every if name in e.checks], between)
            for name in ("stability", "target_swap")
        ]

    def evidence(self) -> list[Measurement]:
        """Agreement with the words that people would name."""
        known = [e for e in self.every if e.decision.evidence]
        parts = [evidence(e, self._shuffles(e)) for e in known]
        share = self._mean((0.0, 1.0))

        def hits(values: Sequence[float]) -> Estimate:
            return rate([bool(v) for v in values], None, self.context.confidence)

        return [
            self.measurement(f"evidence_{name}", [p[name] for p in parts], hits if name == "agreement" else share)
            for name in ("agreement", "auprc", "f1", "iou")
        ]

    def _shuffles(self, one: Explained) -> list[list[int]]:
        found = one.main.found
        return [] if found is None else random_orders(one.decision, len(found.units), self.plan)

    def absent(self, found: Sequence[Measurement]) -> list[Measurement]:
        """What only other methods have, where there are none."""
        names = {m.metric.split("[")[0].rsplit(".", 1)[1] for m in found}
        missing = {"completeness_error": NOT_CLAIMED, "polarity_violations": NO_SECOND}
        return [
            self.measurement(name, [], self._mean(), None, why) for name, why in missing.items() if name not in names
        ]


def _reading(one: Explained, method: Method, numbers: Callable[..., tuple[float, float]]) -> Reading:
    """A number of a method's test beside its level, or what became of the test."""
    tested = one.tested[method]
    return Reading(tested.status) if tested.status != "scored" else Reading("scored", *numbers(tested))
