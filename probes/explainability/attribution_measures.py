"""The numbers of ``explainability.attribution`` for each explained decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from audit.metrics import (
    aopc,
    completeness_error,
    evidence_auprc,
    evidence_f1,
    evidence_iou,
    infidelity,
    kendall_tau,
    normalised_aopc,
    perturbation_order,
    polarity_violations,
    score_correlation,
)
from audit.models import Ablated, Attribute, Attributed, Failure, Method, Response, Responses
from audit.results import ItemStatus
from probes.explainability.attribution_requests import (
    BINS,
    DEFAULT,
    Plan,
    attribution_request,
    by_method,
    kept_sets,
    method_ablation,
    random_ablation,
    random_orders,
    restated_request,
    shuffled,
    swapped,
    token_by_token,
    top_count,
)
from probes.explainability.decisions import Decision

CLAIMS_COMPLETENESS: frozenset[Method] = frozenset({"shapley_sampling", "kernel_shap", "integrated_gradients"})
"""Methods whose scores are to add up to the whole change."""
WITHOUT_SIGN: frozenset[Method] = frozenset({"saliency"})
NO_EXPLANATION = "All scores are zero: no explanation found."
NO_ORDER = "All scores are alike: they put no word before another."
FEWEST_ALIGNED = 5  # words that two wordings share, below which their orders are not compared


@dataclass(frozen=True)
class Reading:
    """One number of one decision, with the level that it is compared with; scored where there is a value."""

    status: ItemStatus
    value: float | None = None
    chance: float | None = None

    @classmethod
    def of(cls, value: float | None, chance: float | None = None) -> Reading:
        """A number, or an answer that no rule can read where the measure is not defined."""
        return cls("unparsed") if value is None else cls("scored", value, chance)


@dataclass(frozen=True)
class Tested:
    """One method's explanation of one decision, and what its test gave; AOPC in nats of the decision's scalar.

    ``readings`` hold the further measures by name.
    """

    status: ItemStatus
    note: str | None = None
    found: Attributed | None = None
    comprehensiveness: float = 0.0
    sufficiency: float = 0.0
    random_comprehensiveness: float = 0.0
    random_sufficiency: float = 0.0
    readings: Mapping[str, Reading] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """Comprehensiveness over random orders plus sufficiency below them, halved: above 0 is better than chance."""
        removed = self.comprehensiveness - self.random_comprehensiveness
        kept = self.random_sufficiency - self.sufficiency
        return (removed + kept) / 2

    def reading(self, name: str) -> Reading:
        """A further measure; where the explanation could not be tested, with its status."""
        return self.readings.get(name, Reading(self.status if self.status != "scored" else "unparsed"))


@dataclass(frozen=True)
class Explained:
    """A decision with what each method says of it; ``checks`` hold the costly ones by name, where they were made."""

    decision: Decision
    chosen: str
    other: str | None
    tested: Mapping[Method, Tested]
    checks: Mapping[str, Reading] = field(default_factory=dict)
    by_token: Attributed | None = None

    @property
    def main(self) -> Tested:
        """The default method's explanation."""
        return self.tested[DEFAULT]


def says_nothing(scores: Sequence[float]) -> str | None:
    """Why scores are no explanation: they put no word before another; None where they do."""
    if not any(scores):
        return NO_EXPLANATION
    return NO_ORDER if min(scores) == max(scores) else None


def explained(decision: Decision, plan: Plan, answers: Responses) -> Explained:
    """All that was measured of one decision."""
    base = attribution_request(decision, answers)
    methods = plan.methods_of(decision)
    if base is None:
        missing = decision.unscored(answers)
        checks = {name: Reading(missing.status) for name in planned_checks(decision, plan)}
        return Explained(decision, "", None, {m: Tested(missing.status, missing.reason) for m in methods}, checks)
    requests = {method: by_method(base, method, plan) for method in methods}
    found = {method: answers.get(request) for method, request in requests.items()}
    deletions = _Deletions(decision, base, found, plan, answers)
    tested = {method: _tested(method, found[method], deletions) for method in methods}
    rows = answers.get(token_by_token(base)) if decision.id in plan.token_by_token else None
    return Explained(
        decision,
        base.continuation,
        base.contrast,
        tested,
        _checks(decision, base, requests, plan, answers),
        rows if isinstance(rows, Attributed) else None,
    )


class _Deletions:
    """What f was with each tested set of units kept, and the random orders."""

    def __init__(
        self,
        decision: Decision,
        base: Attribute,
        found: Mapping[Method, Response | None],
        plan: Plan,
        answers: Responses,
    ) -> None:
        self.values: dict[tuple[int, ...], float] = {}
        self.failure = Failure("failed", "The deletions were not answered.")
        self.orders: list[list[int]] = []
        self.random: list[tuple[int, ...]] = []
        self.effects: tuple[float, ...] | None = None
        known = {method: f for method, f in found.items() if isinstance(f, Attributed)}
        if not known:
            return
        units = len(next(iter(known.values())).units)
        self.orders = random_orders(decision, units, plan)
        asked = [random_ablation(decision, base, units, plan)]
        self.random = list(asked[0].kept)
        asked += [method_ablation(base, f) for f in known.values() if any(f.scores)]
        for request in asked:
            answer = answers.get(request)
            if isinstance(answer, Ablated):
                self.values.update(zip(request.kept, answer.values, strict=True))
            elif isinstance(answer, Failure):
                self.failure = answer
        if DEFAULT in known:
            self.effects = known[DEFAULT].scores

    def areas(self, full: float, order: Sequence[int]) -> tuple[float, float] | None:
        """AOPC of deleting in that order, and of keeping; None where a set was not answered."""
        without, alone = (self._area(full, part) for part in kept_sets(order))
        return None if without is None or alone is None else (without, alone)

    def area_without(self, full: float, order: Sequence[int]) -> float | None:
        """AOPC of deleting in that order; None where a set was not answered."""
        return self._area(full, kept_sets(order)[0])

    def _area(self, full: float, sets: Sequence[tuple[int, ...]]) -> float | None:
        values = [self.values.get(s) for s in sets]
        known = [v for v in values if v is not None]
        return aopc(full, known) if len(known) == len(values) else None


def _tested(method: Method, found: Response | None, deletions: _Deletions) -> Tested:
    if isinstance(found, Failure):
        return Tested(found.status, found.reason)
    if not isinstance(found, Attributed):
        return Tested("failed", "No attribution came.")
    nothing = says_nothing(found.scores)
    if nothing is not None:
        # Equal scores order nothing; testing their arbitrary order would credit or blame the method by where words stand.
        return Tested("unparsed", nothing, found)
    order = perturbation_order(found.scores).tolist()
    own = deletions.areas(found.full, order)
    reverse = deletions.area_without(found.full, order[::-1])
    random = [areas for areas in (deletions.areas(found.full, o) for o in deletions.orders) if areas is not None]
    if own is None or reverse is None or len(random) < len(deletions.orders):
        return Tested(deletions.failure.status, deletions.failure.reason, found)
    means = np.array(random).mean(axis=0)
    removed = [areas[0] for areas in random]
    return Tested(
        "scored",
        None,
        found,
        own[0],
        own[1],
        float(means[0]),
        float(means[1]),
        {
            "normalised_comprehensiveness": _normalised(own[0], reverse, removed),
            "infidelity": _infidelity(found, deletions),
            "polarity_violations": _polarity(found, deletions),
            "completeness_error": Reading.of(_error(method, found), 1.0),
        },
    )


def _normalised(own: float, reverse: float, random: Sequence[float]) -> Reading:
    """Between the worst and the best of the orders tried: the explanation's, its reverse, and the random ones."""
    low, high = min(own, reverse, *random), max(own, reverse, *random)
    others = [normalised_aopc(area, low, high) for area in random]
    known = [share for share in others if share is not None]
    return Reading.of(normalised_aopc(own, low, high), float(np.mean(known)) if known else None)


def _infidelity(found: Attributed, deletions: _Deletions) -> Reading:
    outputs = [deletions.values[s] for s in deletions.random]
    nothing = infidelity([0.0] * len(found.units), found.full, deletions.random, outputs)
    return Reading.of(infidelity(found.scores, found.full, deletions.random, outputs), nothing)


def _polarity(found: Attributed, deletions: _Deletions) -> Reading:
    if deletions.effects is None or len(deletions.effects) != len(found.units):
        return Reading("failed")
    k = top_count(BINS[0], len(found.units))
    return Reading.of(polarity_violations(found.scores, deletions.effects, k), 0.5)


def _error(method: Method, found: Attributed) -> float | None:
    if method not in CLAIMS_COMPLETENESS:
        return None
    return found.error if found.error is not None else completeness_error(found.scores, found.full, found.empty)


def planned_checks(decision: Decision, plan: Plan) -> tuple[str, ...]:
    """The costly checks of one decision, by name; those of a method end in it."""
    if decision.id not in plan.checked:
        return ()
    of_weights = [f"randomisation {m}" for m in plan.methods_of(decision) if plan.shuffles_for(m)]
    return ("stability", "target_swap", *of_weights)


def _checks(
    decision: Decision, base: Attribute, requests: Mapping[Method, Attribute], plan: Plan, answers: Responses
) -> dict[str, Reading]:
    if decision.id not in plan.checked:
        return {}
    made: dict[str, Reading] = {}
    stability = _stability(decision, base, answers)
    if stability is not None:
        made["stability"] = stability
    other = swapped(decision, base, answers)
    if other is not None:
        made["target_swap"] = _compared(answers.get(base), answers.get(other), score_correlation)
    for method, request in requests.items():
        if plan.shuffles_for(method):
            made[f"randomisation {method}"] = _randomisation(request, plan, answers)
    return made


def _randomisation(request: Attribute, plan: Plan, answers: Responses) -> Reading:
    """1 - Spearman of the sizes of scores with those of a shuffled model; beside it, that of two shuffled models."""

    def sizes(first: Sequence[float], second: Sequence[float]) -> float | None:
        found = score_correlation(np.abs(first), np.abs(second))
        return None if found is None else 1.0 - found

    first, second = (answers.get(shuffled(request, seed)) for seed in plan.shuffles)
    drop, floor = _compared(answers.get(request), first, sizes), _compared(first, second, sizes)
    if drop.status != "scored":
        return drop
    return floor if floor.status != "scored" else Reading("scored", drop.value, floor.value)


def _stability(decision: Decision, base: Attribute, answers: Responses) -> Reading | None:
    """Kendall's tau of the words that both wordings have; None where the answer is another one there."""
    restated = decision.restated
    if restated is None:
        return None
    again = restated_request(decision, base, answers)
    if again is None:
        failed = next((f for f in (answers.get(s) for s in restated.preferences) if isinstance(f, Failure)), None)
        return Reading(failed.status) if failed else None
    first, second = answers.get(base), answers.get(again)
    if not isinstance(first, Attributed) or not isinstance(second, Attributed):
        return _missing(first, second)
    pairs = aligned(first.units, second.units)
    if len(pairs) < FEWEST_ALIGNED:
        return Reading("unparsed")
    return Reading.of(kendall_tau([first.scores[i] for i, _ in pairs], [second.scores[j] for _, j in pairs]), 0.0)


def _compared(
    first: Response | None,
    second: Response | None,
    how: Callable[[Sequence[float], Sequence[float]], float | None],
) -> Reading:
    if not isinstance(first, Attributed) or not isinstance(second, Attributed):
        return _missing(first, second)
    if len(first.scores) != len(second.scores):
        return Reading("failed")
    return Reading.of(how(first.scores, second.scores), 0.0)


def _missing(*answers: Response | None) -> Reading:
    failure = next((a for a in answers if isinstance(a, Failure)), None)
    return Reading(failure.status if failure else "failed")


def plain_word(unit: str) -> str:
    """A unit without its punctuation, in lower case."""
    return unit.strip().strip(".,;:!?\"'()").lower()


def aligned(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Positions of the words that two wordings have equally often, the first with the first, and so on.

    Words that one of them has more often are left out, for there is no telling which belongs to which.
    """
    words = [plain_word(u) for u in first], [plain_word(u) for u in second]
    counts = [Counter(w) for w in words]
    pairs = []
    for word in dict.fromkeys(words[0]):
        if word and counts[0][word] == counts[1][word]:
            places = [[i for i, w in enumerate(side) if w == word] for side in words]
            pairs += list(zip(*places, strict=True))
    return [(i, j) for i, j in pairs]


def evidence(one: Explained, shuffles: Sequence[Sequence[int]]) -> dict[str, Reading]:
    """Agreement with the words that people name: hit of the top word, AUPRC, F1 and IoU, each beside shuffled scores."""
    names = ("agreement", "auprc", "f1", "iou")
    found = one.main.found
    if one.main.status != "scored" or found is None:
        return dict.fromkeys(names, Reading(one.main.status))
    wanted = {w.lower() for w in one.decision.evidence}
    marked = np.array([plain_word(unit) in wanted for unit in found.units])
    if not marked.any() or marked.all():
        return dict.fromkeys(names, Reading("unparsed"))
    k = int(marked.sum())

    def numbers(scores: Sequence[float]) -> tuple[float, ...]:
        hit = float(marked[perturbation_order(scores)[0]])
        parts = (evidence_auprc(scores, marked), evidence_f1(scores, marked, k), evidence_iou(scores, marked, k))
        return (hit, *(p or 0.0 for p in parts))

    scores = np.asarray(found.scores)
    chance = np.mean([numbers(scores[list(order)].tolist()) for order in shuffles], axis=0).tolist()
    chance[0] = k / len(marked)
    return {
        name: Reading("scored", value, level)
        for name, value, level in zip(names, numbers(found.scores), chance, strict=True)
    }
