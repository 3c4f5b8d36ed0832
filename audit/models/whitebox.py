"""What can be asked of a model whose weights are open, whatever its kind, on a few hooks that each kind fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch

from audit.models.base import chunks
from audit.models.budget import tokens_per_pass
from audit.models.explain import Scalar, ablate_all, answered, attribute_all, together
from audit.models.files.inspection import FromFiles
from audit.models.forced import Forced
from audit.models.gradients import attribute_gradients
from audit.models.implementation import implementation
from audit.models.inside import Reading, lens_of, patch_of, state_groups, states_of
from audit.models.loading import longest_input
from audit.models.randomised import shuffled, unshuffled
from audit.models.requests import (
    GRADIENT_METHODS,
    Ablate,
    Attend,
    Attribute,
    Capability,
    Decision,
    Lens,
    Patch,
    Prompt,
    Request,
    States,
    Substitute,
    Time,
)
from audit.models.responses import (
    Ablated,
    Attended,
    Attributed,
    Failure,
    Hidden,
    Lensed,
    Patched,
    Substituted,
    Timed,
)
from audit.models.substituting import substitutes
from audit.models.timing import Timing
from audit.results import ModelFacts


class WhiteBox(FromFiles, ABC):
    """Base of the kinds of models that are opened from weights.

    Attributes:
        network: the transformers model, in evaluation mode.
        encoder: what turns prompts and answers into tokens, with its ``tokenizer``.
        facts: which exact model it is.
    """

    network: Any
    encoder: Any
    facts: ModelFacts
    capabilities: frozenset[Capability]

    @property
    def tokenizer(self) -> Any:
        """What turns its texts into tokens."""
        return self.encoder.tokenizer

    @abstractmethod
    def scalar(self, request: Decision) -> Scalar:
        """The decision's scalar for any set of kept units."""

    @abstractmethod
    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """The teacher-forced pass over a prompt and an answer of which ``undecidable`` says nothing."""

    @abstractmethod
    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone, as the model or its encoder reads them."""

    @abstractmethod
    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""

    @abstractmethod
    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights, called while eager kernels are in use."""

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """Attributions, one number a unit of the prompt; where asked for, with the weights of some blocks shuffled."""
        groups: dict[tuple[float, int], list[int]] = {}
        for i, request in enumerate(requests):
            weights = (request.randomised, request.seed) if request.randomised else (0.0, 0)
            groups.setdefault(weights, []).append(i)
        results: dict[int, Attributed | Failure] = {}
        for (share, seed), places in groups.items():
            fault = unshuffled(self.network, share) if share else None
            asked = [requests[i] for i in places]
            with self._shuffled(share, seed) if share and not fault else nullcontext():
                found = [Failure("failed", fault) for _ in asked] if fault else self._attributed(asked)
            results.update(zip(places, found, strict=True))
        return [results[i] for i in range(len(requests))]

    def _attributed(self, requests: Sequence[Attribute]) -> Sequence[Attributed | Failure]:
        """Attributions with the weights as they are now."""
        rest = iter(
            answered(
                [r for r in requests if r.method not in GRADIENT_METHODS], self.undecidable, self.scalar, attribute_all
            )
        )
        return [
            (self.undecidable(r) or attribute_gradients(r, self)) if r.method in GRADIENT_METHODS else next(rest)
            for r in requests
        ]

    @contextmanager
    def _shuffled(self, share: float, seed: int) -> Iterator[None]:
        try:
            with shuffled(self.network, share, seed):
                self.forget()
                yield
        finally:
            self.forget()

    def forget(self) -> None:  # most kinds keep nothing
        """Let go of what was computed with other weights and kept for the next call."""

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The decision's scalar for sets of kept units."""
        return answered(requests, self.undecidable, self.scalar, ablate_all)

    def grouped(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests that look inside in groups for one call each: as many as fill a pass where they share one."""
        if all(isinstance(request, Attribute | Ablate) for request in requests):
            return together(requests, tokens_per_pass(self.network))
        states = [request for request in requests if isinstance(request, States)]
        return state_groups(self, states) if states else chunks(requests, 1)

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        """Hidden states of texts at every layer."""
        return states_of(self, requests)

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        """What each layer would answer."""
        return [lens_of(self, request) for request in requests]

    @cached_property
    def timing(self) -> Timing:
        """What times its passes."""
        writes = Capability.GENERATE in self.capabilities and not self.network.config.is_encoder_decoder
        limit = longest_input(self.network, self.tokenizer)
        return Timing(self.network, writes, limit, self.facts.parameters)

    def time(self, requests: Sequence[Time]) -> list[Timed | Failure]:
        """How long one reading takes, and the writing after it."""
        return [self.timing.timed(request) for request in requests]

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        """Which states carry the difference between two prompts."""
        return [patch_of(self, request) for request in requests]

    def substitute(self, requests: Sequence[Substitute]) -> list[Substituted | Failure]:
        """Words that would move answers most, by the gradient."""
        return [self._substituted(request) for request in requests]

    def _substituted(self, request: Substitute) -> Substituted | Failure:
        faults = (self.undecidable(Decision(prompt, answer)) for prompt, answer in request.cases)
        return next(filter(None, faults), None) or substitutes(request, self)

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights from one eager pass each; other kernels return none, and no gradients by them."""
        found: dict[Attend, Attended | Failure] = {}
        for weighted in (False, True):
            asked = [request for request in requests if request.weighted is weighted]
            with implementation(self.network, "eager"), torch.inference_mode(not weighted):
                found.update(zip(asked, self.seen(asked), strict=True))
        return [found[request] for request in requests]
