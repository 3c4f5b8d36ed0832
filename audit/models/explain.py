"""Attributions and ablations of a decision's scalar, through the batched scorer.

captum's generic perturbation methods do the attributing. They see the prompt as a row of ones, one for each word, and
ask for the scalar with some of them zero; a zero deletes the word's tokens. captum's language-model wrappers are not
used: with their default arguments they feed the answer's prefix twice under transformers 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

import torch
from torch import Tensor

from audit.models.requests import Ablate, Attribute, Decision, Prompt
from audit.models.responses import Ablated, Attributed, Failure
from audit.models.scorer import Continuation, Likelihood
from audit.models.text import Units


class NotFinite(Exception):
    """The model gave NaN or infinity where a scalar was needed."""


class Encodes(Protocol):
    """What turns prompts and answers into tokens."""

    def units(self, prompt: Prompt) -> Units:
        """The prompt's tokens with its words as removable units."""
        ...

    def pair(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """Tokens of a prompt and of its continuation."""
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
    """A decision's scalar, whatever model it comes from."""

    units: Units

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        """f for each set of kept word numbers, in nats; raises ``NotFinite`` where the model gives no number."""
        ...


class DecisionScalar:
    """f(kept words) = log p(continuation) - log p(contrast), for any set of kept words of one prompt."""

    def __init__(self, request: Decision, encoder: Encodes, scorer: Scores) -> None:
        self.units: Units = encoder.units(request.prompt)
        self._scorer = scorer
        self._prefix = tuple(encoder.prefix())
        answers = [request.continuation] + ([request.contrast] if request.contrast is not None else [])
        # The answers' tokens are fixed once, after the whole prompt, so that all removals are asked for the same.
        self._targets = [tuple(encoder.pair(request.prompt, answer)[1]) for answer in answers]
        self._owner = {position: u for u, members in enumerate(self.units.members) for position in members}

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        """f for each set of kept word numbers, in nats.

        Raises:
            NotFinite: where the model's log-probability is NaN or infinite.
        """
        asked = [Continuation(self._context(set(k)), t) for k in kept for t in self._targets]
        found = self._scorer.score(asked)
        values = []
        for start in range(0, len(found), len(self._targets)):
            parts = [likelihood for likelihood in found[start : start + len(self._targets)] if likelihood is not None]
            if len(parts) < len(self._targets):
                raise NotFinite
            values.append(parts[0].logprob - (parts[1].logprob if len(parts) > 1 else 0.0))
        return values

    def _context(self, kept: set[int]) -> tuple[int, ...]:
        ids = self.units.ids
        context = tuple(i for p, i in enumerate(ids) if self._owner.get(p) is None or self._owner[p] in kept)
        return context or self._prefix


def attribute_scalar(request: Attribute, scalar: Scalar) -> Attributed | Failure:
    """One signed number a word, in nats of the decision's scalar.

    Leave-one-out: f(all) - f(all but the word) (Zeiler & Fergus 2014; Li et al. 2016). Shapley sampling: mean
    marginal contribution over ``request.samples`` random orders (Castro et al. 2009; Štrumbelj & Kononenko 2010).
    """
    words = len(scalar.units.words)
    if words == 0:
        return Failure("failed", "The prompt has no words to explain.")
    if request.method == "shapley_sampling" and request.samples < 1:
        return Failure("failed", "Shapley sampling needs at least one order; samples is 0.")

    captum = import_module("captum.attr")  # here, because it loads a plotting library that most audits never need

    def forward(present: Tensor) -> Tensor:
        return torch.tensor(scalar([_kept(row) for row in present]))

    ones, zeros = torch.ones((1, words)), torch.zeros((1, words))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            if request.method == "shapley_sampling":
                scores = captum.ShapleyValueSampling(forward).attribute(
                    ones, baselines=zeros, n_samples=request.samples, perturbations_per_eval=words
                )
            else:
                scores = captum.FeatureAblation(forward).attribute(ones, baselines=zeros, perturbations_per_eval=words)
        full, empty = scalar([tuple(range(words)), ()])
    except NotFinite:
        return Failure("not_a_number", "The model's log-probability of the answer is not finite.")
    return Attributed(scalar.units.words, tuple(scores[0].tolist()), full, empty)


def ablate_scalar(request: Ablate, scalar: Scalar) -> Ablated | Failure:
    """The scalar for each set of kept words, in nats."""
    words = len(scalar.units.words)
    if any(not 0 <= unit < words for kept in request.kept for unit in kept):
        return Failure("failed", f"The prompt has {words} words; a set names others.")
    try:
        return Ablated(tuple(scalar(request.kept)))
    except NotFinite:
        return Failure("not_a_number", "The model's log-probability of the answer is not finite.")


def _kept(row: Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in row.nonzero()[:, 0])
