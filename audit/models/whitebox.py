"""What can be asked of a model whose weights are open, whatever its kind, on a few hooks that each kind fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from audit.models.base import chunks
from audit.models.explain import Scalar, ablate_scalar, attribute_scalar
from audit.models.forced import Forced
from audit.models.inside import Reading, lens_of, patch_of, state_groups, states_of
from audit.models.requests import Ablate, Attend, Attribute, Decision, Lens, Patch, Prompt, Request, States
from audit.models.responses import Ablated, Attended, Attributed, Failure, Hidden, Lensed, Patched
from audit.results import ModelFacts


class WhiteBox(ABC):
    """Base of the kinds of models that are opened from weights.

    Attributes:
        network: the transformers model, in evaluation mode.
        tokenizer: what it came with.
        facts: which exact model it is.
    """

    network: Any
    tokenizer: Any
    facts: ModelFacts

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
        """Attributions, one number a unit of the prompt."""
        return [self.undecidable(r) or attribute_scalar(r, self.scalar(r)) for r in requests]

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The decision's scalar for sets of kept units."""
        return [self.undecidable(r) or ablate_scalar(r, self.scalar(r)) for r in requests]

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        """Hidden states of texts at every layer."""
        return states_of(self, requests)

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        """What each layer would answer."""
        return [lens_of(self, request) for request in requests]

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        """Which states carry the difference between two prompts."""
        return [patch_of(self, request) for request in requests]

    def grouped(self, ordered: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind that no kind of model groups in a way of its own."""
        states = [request for request in ordered if isinstance(request, States)]
        return state_groups(self, states) if states else chunks(ordered, 1)

    @torch.inference_mode()
    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights from one eager pass each; other kernels return none."""
        with eager(self.network):
            return self.seen(requests)


@contextmanager
def eager(network: Any) -> Iterator[None]:
    """Attention by the kernel that gives its weights away."""
    before = network.config._attn_implementation
    network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(before)
