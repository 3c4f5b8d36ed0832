"""Attributions and ablations of a decision's scalar, through the batched scorer.

captum's generic perturbation methods do the attributing. They see the prompt as a row of ones, one for each unit, and
ask for the scalar with some of them zero; a zero deletes the unit's tokens. Each method runs twice: once to learn what it
will ask for, and, when the scorer has been asked all of it for all requests at once, again with the answers. captum's
language-model wrappers are not used: with their default arguments they feed the answer's prefix twice under transformers 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from audit.models.requests import GRADIENT_METHODS, Ablate, Attribute, Decision, Prompt, Request, Unit, prompt_text
from audit.models.responses import Ablated, Attributed, Failure
from audit.models.scorer import Continuation, Likelihood
from audit.models.surrogates import TooFewSamples, kernel_shap, lime
from audit.models.text import Units

D = TypeVar("D", bound=Decision)
A = TypeVar("A", bound=Attributed | Ablated)
Kept = tuple[int, ...]
"""Numbers of the units that are left, in order."""
_NOT_FINITE = Failure("not_a_number", "The model's log-probability of the answer is not finite.")
JOINED = Failure(
    "failed",
    "The prompt's end is tokenised otherwise with the answer after it than alone, so that no tokens are the answer's own.",
)
SAME_ANSWERS = Failure("failed", "The answer and the contrast are the same, so that there is nothing to explain.")
_SHARES_OUT = ("shapley_sampling", "kernel_shap")  # methods whose scores should sum to f(all) - f(none)
_NOTHING = 1e-6  # nats; less than that between all units and none is rounding


class NotFinite(Exception):
    """The model gave NaN or infinity where a scalar was needed."""


@dataclass(frozen=True)
class Worth:
    """f for one set of kept units, and log p of each of the continuation's tokens, in nats."""

    value: float
    by_token: tuple[float, ...]


class Encodes(Protocol):
    """What turns prompts and answers into tokens."""

    def units(self, prompt: Prompt, unit: Unit = "word") -> Units:
        """The prompt's tokens with the parts of it as removable units."""
        ...

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """Tokens of a prompt and of its continuation."""
        ...

    def answer_pieces(self, prompt: Prompt, continuation: str) -> tuple[str, ...]:
        """The text of each of the continuation's tokens."""
        ...

    def prefix(self) -> list[int]:
        """What is read where no token is left."""
        ...


class Scores(Protocol):
    """What gives the likelihood of continuations."""

    def score(self, continuations: Sequence[Continuation]) -> Sequence[Likelihood | None]:
        """One likelihood a continuation, in order; None where the model's numbers are not finite."""
        ...


class Scalar(Protocol):
    """A decision's scalar, whatever model it comes from.

    Attributes:
        units: what can be removed.
        scorer: what is asked; scalars of one model share it.
    """

    units: Units
    scorer: Any

    def pieces(self) -> tuple[str, ...]:
        """The text of each of the continuation's tokens."""
        ...

    def asked(self, kept: Iterable[int]) -> Sequence[Any]:
        """What the scorer has to be asked for one set of kept units."""
        ...

    def read(self, found: Sequence[Any]) -> Worth | None:
        """What its answers to that amount to; None where they are not finite."""
        ...

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        """f for each set of kept unit numbers, in nats; raises ``NotFinite`` where the model gives no number."""
        ...


class DecisionScalar:
    """f(kept units) = log p(continuation) - log p(contrast), for any set of kept units of one prompt."""

    def __init__(self, request: Decision, encoder: Encodes, scorer: Scores) -> None:
        self.units: Units = encoder.units(request.prompt, request.unit)
        self.scorer = scorer
        self._request = request
        self._encoder = encoder
        self._prefix = tuple(encoder.prefix())
        # The answers' tokens are fixed once, after the whole prompt, so that all removals are asked for the same.
        self._targets = [tuple(encoder.pair(request.prompt, answer)[1]) for answer in request.endings]

    def pieces(self) -> tuple[str, ...]:
        """The text of each of the continuation's tokens."""
        return self._encoder.answer_pieces(self._request.prompt, self._request.continuation)

    def asked(self, kept: Iterable[int]) -> list[Continuation]:
        """Both answers after what is left of the prompt."""
        context = tuple(self.units.left(kept))
        return [Continuation(context or self._prefix, target) for target in self._targets]

    def read(self, found: Sequence[Likelihood | None]) -> Worth | None:
        """The difference of their likelihoods."""
        parts = [likelihood for likelihood in found if likelihood is not None]
        if len(parts) < len(found):
            return None
        return Worth(parts[0].logprob - (parts[1].logprob if len(parts) > 1 else 0.0), parts[0].by_token)

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        """f for each set of kept unit numbers, in nats.

        Raises:
            NotFinite: where the model's log-probability is NaN or infinite.
        """
        return values_of(self, kept)


def values_of(scalar: Scalar, kept: Sequence[Sequence[int]]) -> list[float]:
    """f for each set of kept unit numbers, in nats.

    Raises:
        NotFinite: where the model's log-probability is NaN or infinite.
    """
    [found] = _weighed([scalar], [[tuple(k) for k in kept]])
    worths = [found[tuple(k)] for k in kept]
    if any(worth is None for worth in worths):
        raise NotFinite
    return [worth.value for worth in worths if worth is not None]


def _weighed(scalars: Sequence[Scalar], sets: Sequence[Iterable[Kept]]) -> list[dict[Kept, Worth | None]]:
    """Each scalar of each of its sets; the scorer, which all of them share, is asked once."""
    wanted = [(scalar, list(dict.fromkeys(kept))) for scalar, kept in zip(scalars, sets, strict=True)]
    asked = [[scalar.asked(kept) for kept in each] for scalar, each in wanted]
    every = [one for each in asked for parts in each for one in parts]
    found = iter(scalars[0].scorer.score(every) if every else ())
    return [
        {kept: scalar.read([next(found) for _ in parts]) for kept, parts in zip(each, of_each, strict=True)}
        for (scalar, each), of_each in zip(wanted, asked, strict=True)
    ]


def answered(
    requests: Sequence[D],
    undecidable: Callable[[D], Failure | None],
    scalar: Callable[[D], Scalar],
    all_of: Callable[[Sequence[D], Sequence[Scalar]], list[A | Failure]],
) -> list[A | Failure]:
    """``all_of`` the requests that can be decided, together; for the others, why not."""
    results: list[A | Failure | None] = [undecidable(request) for request in requests]
    places = [i for i, result in enumerate(results) if result is None]
    open_requests = [requests[i] for i in places]
    found = all_of(open_requests, [scalar(request) for request in open_requests])
    for i, one in zip(places, found, strict=True):
        results[i] = one
    return [result for result in results if result is not None]


def attribute_all(requests: Sequence[Attribute], scalars: Sequence[Scalar]) -> list[Attributed | Failure]:
    """One signed number a unit, in nats of the decision's scalar f.

    Leave-one-out: f(all) - f(all but the unit) (Zeiler & Fergus 2014; Li et al. 2016). Shapley sampling: mean marginal
    contribution over ``samples`` random orders (Castro et al. 2009; Štrumbelj & Kononenko 2010). KernelSHAP (Lundberg &
    Lee 2017) and LIME (Ribeiro et al. 2016): see :mod:`audit.models.surrogates`. All four are linear in f, so that the
    scores of the continuation's tokens come from the same texts and sum to its own.
    """
    plans = [_plan(request, scalar) for request, scalar in zip(requests, scalars, strict=True)]
    found = _weighed(scalars, [() if isinstance(plan, Failure) else plan for plan in plans])
    return [
        plan if isinstance(plan, Failure) else _attributed(request, scalar, worths)
        for request, scalar, plan, worths in zip(requests, scalars, plans, found, strict=True)
    ]


def _plan(request: Attribute, scalar: Scalar) -> list[Kept] | Failure:
    """The sets of kept units that the method will ask for."""
    units = len(scalar.units.words)
    if request.method in GRADIENT_METHODS:
        return Failure("failed", f"{request.method} needs gradients, which are not to be had of this model.")
    if units == 0:
        return Failure("failed", f"The prompt has no {request.unit}s to explain.")
    if request.contrast == request.continuation:
        return SAME_ANSWERS
    if request.method == "shapley_sampling" and request.samples < 1:
        return Failure("failed", "Shapley sampling needs at least one order; samples is 0.")
    every = tuple(range(units))
    asked: dict[Kept, None] = dict.fromkeys([every, ()])

    def rehearse(present: Tensor) -> Tensor:
        asked.update(dict.fromkeys(map(_kept, present)))
        return torch.zeros(len(present), dtype=torch.float64)

    try:
        _scores(request, rehearse, units)
    except TooFewSamples:
        reason = f"{request.samples} perturbed texts cannot tell {units} {request.unit}s apart; it takes more samples."
        return Failure("failed", reason)
    return list(asked)


def _attributed(request: Attribute, scalar: Scalar, found: dict[Kept, Worth | None]) -> Attributed | Failure:
    worths = {kept: worth for kept, worth in found.items() if worth is not None}
    if len(worths) < len(found):
        return _NOT_FINITE
    every = tuple(range(len(scalar.units.words)))
    full, empty = worths[every], worths[()]

    def scores(value: Callable[[Worth], float]) -> tuple[float, ...]:
        # Less what all units give, which changes no score: single-precision fits keep more digits of small effects.
        top = value(full)

        def forward(present: Tensor) -> Tensor:
            return torch.tensor([value(worths[_kept(row)]) - top for row in present], dtype=torch.float64)

        return _scores(request, forward, len(every))

    whole = scores(lambda worth: worth.value)
    tokens = range(len(full.by_token)) if request.by_token else ()
    by_token = tuple(scores(lambda worth, t=t: worth.by_token[t]) for t in tokens)  # type: ignore[misc]
    return Attributed(
        scalar.units.words,
        whole,
        full.value,
        empty.value,
        error=_unshared(whole, full.value - empty.value) if request.method in _SHARES_OUT else None,
        tokens=scalar.pieces() if request.by_token else (),
        by_token=by_token,
    )


def _unshared(scores: Sequence[float], whole: float) -> float | None:
    """How far the scores are from sharing out the whole, as a share of it; None where there is nothing to share out."""
    return abs(math.fsum(scores) - whole) / abs(whole) if abs(whole) > _NOTHING else None


def _scores(request: Attribute, forward: Callable[[Tensor], Tensor], units: int) -> tuple[float, ...]:
    """What a method makes of a scalar of rows ``[rows, units]`` of ones and zeros."""
    captum = import_module("captum.attr")  # here, because it loads a plotting library that most audits never need
    ones, zeros = torch.ones((1, units)), torch.zeros((1, units))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        if request.method == "shapley_sampling":
            found = captum.ShapleyValueSampling(forward).attribute(
                ones, baselines=zeros, n_samples=request.samples, perturbations_per_eval=units
            )
        elif request.method == "lime":
            found = lime(captum, forward, units, request.samples)
        elif request.method == "kernel_shap" and units > 1:
            found = kernel_shap(captum, forward, units, request.samples)
        else:  # one unit has the whole
            found = captum.FeatureAblation(forward).attribute(ones, baselines=zeros, perturbations_per_eval=units)
    return tuple(found.flatten().tolist())


def ablate_all(requests: Sequence[Ablate], scalars: Sequence[Scalar]) -> list[Ablated | Failure]:
    """The scalar for each set of kept units, in nats."""
    strange = [_strange(request, scalar) for request, scalar in zip(requests, scalars, strict=True)]
    sets = [() if fault else [tuple(kept) for kept in r.kept] for fault, r in zip(strange, requests, strict=True)]
    results: list[Ablated | Failure] = []
    for fault, each, worths in zip(strange, sets, _weighed(scalars, sets), strict=True):
        values = [worth.value for worth in map(worths.__getitem__, each) if worth is not None]
        results.append(fault or (Ablated(tuple(values)) if len(values) == len(each) else _NOT_FINITE))
    return results


def _strange(request: Ablate, scalar: Scalar) -> Failure | None:
    units = len(scalar.units.words)
    if all(0 <= unit < units for kept in request.kept for unit in kept):
        return None
    return Failure("failed", f"The prompt has {units} {request.unit}s; a set names others.")


def together(requests: Sequence[Request], budget: int) -> list[list[Request]]:
    """Requests about decisions in groups for one call each; equal sets of requests give equal groups.

    Those about one prompt are neighbours, because what one method asks for another often asks for as well. Those under the
    same shuffled weights are too, so that these are shuffled once; see :mod:`audit.models.randomised`.

    Args:
        requests: in any order.
        budget: tokens, roughly, after which a group is full.
    """
    groups: list[list[Request]] = []
    size, before = 0, None
    for request in sorted(requests, key=_order):
        weights = _order(request)[:2]
        cost = _cost(request)
        if not groups or weights != before or size + cost > budget:
            groups.append([])
            size = 0
        groups[-1].append(request)
        size, before = size + cost, weights
    return groups


def _order(request: Request) -> tuple[float, int, str, str]:
    shuffled = isinstance(request, Attribute) and request.randomised > 0
    text = prompt_text(request.prompt) if isinstance(request, Decision) else ""
    share, seed = (request.randomised, request.seed) if isinstance(request, Attribute) and shuffled else (0.0, 0)
    return share, seed, text, request.key


def _cost(request: Request) -> int:
    """Tokens that a request may take, from the length of its text; removals leave half of it on average."""
    if not isinstance(request, Attribute | Ablate):
        return 0
    text = prompt_text(request.prompt)
    words = len(text.split())
    if isinstance(request, Ablate):
        rows = len(request.kept)
    else:
        rows = request.samples * words if request.method == "shapley_sampling" else max(request.samples, words)
    return rows * (len(text) // 8 + 4)


def _kept(row: Tensor) -> Kept:
    return tuple(int(i) for i in row.nonzero()[:, 0])
