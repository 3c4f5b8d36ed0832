"""What can be asked of a model whose weights are open, whatever its kind, on a few hooks that each kind fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from audit.models.explain import Scalar, ablate_scalar, attribute_scalar
from audit.models.forced import Forced
from audit.models.gradients import attribute_gradients
from audit.models.requests import GRADIENT_METHODS, Ablate, Attend, Attribute, Decision, Prompt
from audit.models.responses import Ablated, Attended, Attributed, Failure


class WhiteBox(ABC):
    """Base of the kinds of models that are opened from weights.

    Attributes:
        network: the transformers model, in evaluation mode.
        encoder: what turns prompts and answers into tokens, with its ``tokenizer``.
    """

    network: Any
    encoder: Any

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
    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""

    @abstractmethod
    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights, called while eager kernels are in use."""

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """Attributions, one number a unit of the prompt."""
        return [self.undecidable(r) or self._attributed(r) for r in requests]

    def _attributed(self, r: Attribute) -> Attributed | Failure:
        return attribute_gradients(r, self) if r.method in GRADIENT_METHODS else attribute_scalar(r, self.scalar(r))

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The decision's scalar for sets of kept units."""
        return [self.undecidable(r) or ablate_scalar(r, self.scalar(r)) for r in requests]

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
