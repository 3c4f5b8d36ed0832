"""A model with an instruction in front of everything that it is asked: what a system prompt would make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from audit.models.base import CanGenerate, CanScore, Model
from audit.models.requests import Capability, Generate, Message, Prompt, Request, Score
from audit.models.responses import Failure, Generated, Scored

_CAPABILITIES = frozenset({Capability.SCORE, Capability.GENERATE})


class Instructed:
    """Another model, asked after an instruction.

    A conversation gets the instruction as its system message, before what stands in one already; raw text gets it as
    a paragraph in front. Only scores and text can be asked, because only they are defined for the longer prompt.

    Args:
        model: what answers.
        instruction: one or a few sentences.
    """

    def __init__(self, model: Model, instruction: str) -> None:
        self._model = model
        self._instruction = instruction
        self.capabilities = model.capabilities & _CAPABILITIES
        self.facts = model.facts.model_copy(
            update={"notes": [*model.facts.notes, f"Asked after the instruction: {instruction}"]}
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the model's and the instruction."""
        return hashlib.sha256(f"instructed:{self._model.fingerprint}:{self._instruction}".encode()).hexdigest()

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The model's own groups of what it is really asked."""
        original = {self._after(request): request for request in requests}
        return [[original[request] for request in batch] for batch in self._model.batches(list(original))]

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """As the model scores after the instruction."""
        return cast(CanScore, self._model).score([cast(Score, self._after(r)) for r in requests])

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """As the model writes after the instruction."""
        return cast(CanGenerate, self._model).generate([cast(Generate, self._after(r)) for r in requests])

    def _after(self, request: Request) -> Request:
        if not isinstance(request, Score | Generate):
            raise TypeError(f"a {type(request).__name__} request cannot be asked after an instruction")
        return replace(request, prompt=instructed(request.prompt, self._instruction))


def instructed(prompt: Prompt, instruction: str) -> Prompt:
    """The prompt with the instruction in front."""
    if isinstance(prompt, str):
        return f"{instruction}\n\n{prompt}"
    if prompt and prompt[0].role == "system":
        return (Message("system", f"{instruction}\n{prompt[0].content}"), *prompt[1:])
    return (Message("system", instruction), *prompt)
