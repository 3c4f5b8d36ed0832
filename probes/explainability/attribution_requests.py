"""What ``explainability.attribution`` asks of the model: explanations by several methods, and what tests them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.corpora import Item
from audit.metrics import perturbation_order
from audit.models import (
    GRADIENT_METHODS,
    Ablate,
    Attribute,
    Attributed,
    Capability,
    Classified,
    Method,
    Request,
    Response,
    Responses,
    Unit,
)
from probes.base import Context, ProbeOptions, Suite, derived_seed, options_of
from probes.explainability.decisions import Decision, decisions, load_decisions

DEFAULT: Method = "leave_one_out"
BESIDE: Method = "shapley_sampling"
WIDER: tuple[Method, ...] = ("kernel_shap", "lime", "input_x_gradient", "saliency", "integrated_gradients")
"""Methods of the longer suites."""
LONGEST_BY_WORD = 60  # words; longer texts are explained by their sentences, for each word costs a reading of the text
FEWEST_SENTENCES = 4  # ends of sentences or lines; of fewer parts no order can be better than another
_END = re.compile(r"[.!?]\s|\n")
BINS = (0.2, 0.5)  # shares of words; texts of some 20 words are too short for ERASER's 1 and 5 percent


class Rule(BaseModel):
    """When a method's explanations are called supported, fixed before the audit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(0.05, gt=0, lt=0.5, description="Level of the test of the gain, after Holm over methods.")
    completeness: float = Field(0.05, gt=0, le=1, description="Largest median completeness error, where claimed.")
    randomisation: bool = Field(True, description="Whether the check of randomised weights must be passed.")
    fewest: int = Field(30, ge=2, description="Decisions below which nothing is claimed.")


class AttributionOptions(ProbeOptions):
    """Options of ``explainability.attribution``."""

    methods: tuple[Method, ...] | None = Field(
        None, description="Methods beside leave-one-out; by default Shapley sampling, in longer suites all that can be."
    )
    random_orders: int = Field(20, ge=20, le=200, description="Random orders that an explanation must beat.")
    flagged: int = Field(4, ge=0, le=500, description="Decisions taken from what other probes flag.")
    compared: int | None = Field(
        None,
        ge=0,
        description="Own decisions that other methods explain; by default 8 in quick, 30 in standard, else all.",
    )
    checked: int | None = Field(
        None, ge=0, description="Own decisions for the costly checks; by default 12, 16 and 24 by suite."
    )
    shown: int = Field(6, ge=0, le=100, description="Written answers explained token by token.")
    rule: Rule = Field(
        Rule(), description="When a method is called supported: level, completeness, randomisation, fewest."
    )


@dataclass(frozen=True)
class Scale:
    """How much a suite spends; ``compared`` None: the other methods explain every decision, flagged ones included."""

    compared: int | None
    checked: int
    orders: int  # of Shapley sampling
    texts: int  # perturbed ones of KernelSHAP and LIME
    steps: int  # most steps of integrated gradients
    shuffles_all: bool  # whether all methods are asked again with shuffled weights


SCALES: dict[Suite, Scale] = {
    "quick": Scale(8, 12, 4, 48, 32, False),
    "standard": Scale(30, 16, 6, 64, 32, True),
    "full": Scale(None, 24, 16, 128, 256, True),
}


@dataclass(frozen=True)
class Plan:
    """Which decisions are explained, by which methods, and which of them the costly checks are made on.

    ``methods`` are those beside the default one; ``compared`` and ``checked`` hold ids of decisions.
    """

    decisions: tuple[Decision, ...]
    methods: tuple[Method, ...]
    compared: frozenset[str]
    checked: frozenset[str]
    token_by_token: frozenset[str]
    scale: Scale
    orders: int
    seed: int
    open_weights: bool
    completeness: float

    def methods_of(self, decision: Decision) -> tuple[Method, ...]:
        """The methods that explain a decision, the default one first."""
        return (DEFAULT, *(self.methods if decision.id in self.compared else ()))

    def shuffles_for(self, method: Method) -> bool:
        """Whether a method is asked again with shuffled weights: in a quick audit only the default one."""
        return self.open_weights and (method == DEFAULT or self.scale.shuffles_all)

    @property
    def shuffles(self) -> tuple[int, int]:
        """Seeds of the two sets of randomised weights, alike for all decisions and methods."""
        return derived_seed(self.seed, "first shuffle"), derived_seed(self.seed, "second shuffle")


def plan_of(items: Sequence[Item], context: Context) -> Plan:
    """What this audit explains, and how.

    The decisions that are checked are chosen by a hash of their ids, so that they are spread over kinds and do not change
    with what else there is.
    """
    options = options_of(context, AttributionOptions)
    scale = SCALES[context.suite]
    chosen = decisions(items, context, options.flagged)
    own = sorted((d for d in chosen if d.flagged_by is None), key=lambda d: derived_seed(context.seed, d.id))
    open_weights = Capability.GRADIENT in context.capabilities
    methods = options.methods
    if methods is None:
        wider = [m for m in WIDER if open_weights or m not in GRADIENT_METHODS]
        methods = (BESIDE, *(() if context.suite == "quick" else wider))
    some = options.compared if options.compared is not None else scale.compared
    checked = own[: scale.checked if options.checked is None else options.checked]
    written = [d for d in chosen if d.contrast is None and not d.classes]
    return Plan(
        tuple(chosen),
        tuple(m for m in dict.fromkeys(methods) if m != DEFAULT),
        frozenset(d.id for d in (chosen if some is None else own[:some])),
        frozenset(d.id for d in checked),
        frozenset(d.id for d in written[: options.shown]),
        scale,
        options.random_orders,
        context.seed,
        open_weights,
        options.rule.completeness,
    )


def attribution_request(decision: Decision, answers: Responses) -> Attribute | None:
    """The default attribution of what the model chose, once both answers are scored."""
    chosen = decision.chosen(answers)
    if chosen is None:
        return None
    return Attribute(decision.prompt, chosen[0], chosen[1], unit_of(decision))


def unit_of(decision: Decision) -> Unit:
    """Words; of a long text its sentences and lines, where it has some of them."""
    text = decision.text
    long = len(text.split()) > LONGEST_BY_WORD and len(_END.findall(text)) >= FEWEST_SENTENCES
    return "segment" if long else "word"


def by_method(base: Attribute, method: Method, plan: Plan) -> Attribute:
    """The same decision explained by another method.

    What samples is seeded as with the first shuffled weights: the same samples before and after, so that what differs is
    the weights' doing and not that of chance.
    """
    scale = plan.scale
    samples = {"shapley_sampling": scale.orders, "kernel_shap": scale.texts, "lime": scale.texts}
    if method in samples:
        return replace(base, method=method, samples=samples[method], seed=plan.shuffles[0])
    return replace(base, method=method, samples=scale.steps if method == "integrated_gradients" else 0)


def shuffled(request: Attribute, seed: int) -> Attribute:
    """The same explanation of a model whose weights are shuffled."""
    return replace(request, randomised=1.0, seed=seed)


def token_by_token(base: Attribute) -> Attribute:
    """The same explanation with a row for each token of a written answer."""
    return replace(base, by_token=True)


def swapped(decision: Decision, base: Attribute, answers: Responses) -> Attribute | None:
    """The same explanation for an answer that has nothing to do with the decision; None where there is no such.

    Of a classifier: its third likeliest class. Otherwise the answer of another decision of ours. Neither has a contrast:
    the scores of an answer and of its contrast are the same but for the sign, which says nothing.
    """
    if not decision.classes:
        return replace(base, continuation=_unrelated(decision), contrast=None)
    found = answers.get(decision.preferences[0])
    if not isinstance(found, Classified) or len(found.labels) < 3:
        return None
    third = sorted(range(len(found.labels)), key=lambda c: -found.probabilities[c])[2]
    return replace(base, continuation=found.labels[third], contrast=None)


@cache
def _answers() -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item["answer"]) for item in load_decisions()))


def _unrelated(decision: Decision) -> str:
    others = [a for a in _answers() if a.strip() not in (decision.answer.strip(), (decision.contrast or "").strip())]
    return others[derived_seed(0, decision.id) % len(others)]


def random_orders(decision: Decision, units: int, plan: Plan) -> list[list[int]]:
    """Random orders of a decision's units, alike for all methods: each drawn one is followed by its reverse.

    Half of what is deleted in one order is half of what is kept in the other, which saves a quarter of the model's work.
    """
    stream = np.random.default_rng(derived_seed(plan.seed, decision.id))
    orders: list[list[int]] = []
    while len(orders) < plan.orders:
        order = stream.permutation(units).tolist()
        orders += [order, order[::-1]]
    return orders[: plan.orders]


def kept_sets(order: Sequence[int]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """For each bin the units left when the top ones go, and for each bin the top ones alone."""
    counts = [top_count(share, len(order)) for share in BINS]
    without = [tuple(sorted(int(w) for w in order[k:])) for k in counts]
    alone = [tuple(sorted(int(w) for w in order[:k])) for k in counts]
    return without, alone


def top_count(share: float, units: int) -> int:
    """How many units a share of them is, at least one."""
    return max(1, round(share * units))


def random_ablation(decision: Decision, base: Attribute, units: int, plan: Plan) -> Ablate:
    """The deletions in random orders, each distinct one once."""
    sets = [s for order in random_orders(decision, units, plan) for part in kept_sets(order) for s in part]
    return _ablate(base, sets)


def method_ablation(base: Attribute, found: Attributed) -> Ablate:
    """The deletions in the order of an explanation, and those in its reverse, which bound what an order can do."""
    order = perturbation_order(found.scores).tolist()
    without, alone = kept_sets(order)
    return _ablate(base, [*without, *alone, *kept_sets(order[::-1])[0]])


def _ablate(base: Attribute, sets: Sequence[tuple[int, ...]]) -> Ablate:
    return Ablate(base.prompt, base.continuation, base.contrast, base.unit, tuple(dict.fromkeys(sets)))


def requests_of(decision: Decision, plan: Plan, answers: Responses) -> list[Request]:
    """Everything to ask about one decision, given the answers so far."""
    stated: list[Request] = list(decision.preferences)
    base = attribution_request(decision, answers)
    if base is None:
        return stated
    explained = [by_method(base, method, plan) for method in plan.methods_of(decision)]
    stated += explained
    if decision.id in plan.token_by_token:
        stated.append(token_by_token(base))
    if decision.id in plan.checked:
        stated += _check_requests(decision, base, explained, plan, answers)
    units = next((len(f.units) for f in (answers.get(e) for e in explained) if isinstance(f, Attributed)), 0)
    if units:
        stated.append(random_ablation(decision, base, units, plan))
    for found in (answers.get(e) for e in explained):
        if isinstance(found, Attributed) and any(found.scores):
            stated.append(method_ablation(base, found))
    return stated


def _check_requests(
    decision: Decision, base: Attribute, explained: Sequence[Attribute], plan: Plan, answers: Responses
) -> list[Request]:
    stated: list[Request] = []
    other = swapped(decision, base, answers)
    if other is not None:
        stated.append(other)
    if plan.open_weights:
        tested = [
            r
            for r in explained
            if plan.shuffles_for(r.method) and not diverged(r.method, answers.get(r), plan.completeness)
        ]
        stated += [shuffled(r, seed) for r in tested for seed in plan.shuffles]
    if decision.restated is not None:
        stated += decision.restated.preferences
        again = restated_request(decision, base, answers)
        if again is not None:
            stated.append(again)
    return stated


def diverged(method: Method, found: Response | None, most: float) -> bool:
    """Whether an integral was stopped before it added up: then it is no explanation, and is not checked."""
    if method != "integrated_gradients" or not isinstance(found, Attributed):
        return False
    return found.error is not None and found.error > most


def restated_request(decision: Decision, base: Attribute, answers: Responses) -> Attribute | None:
    """The same explanation of the decision in other words; None where these are not there or change the answer."""
    restated = decision.restated
    chosen = None if restated is None else restated.chosen(answers)
    if restated is None or chosen is None or chosen[0] != base.continuation:
        return None
    return replace(base, prompt=restated.prompt)
