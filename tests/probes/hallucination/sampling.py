"""Scripted models that answer the same prompt differently from one sample to the next, and what the stubs know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from audit.corpora import Item
from audit.models import Failure, Generate, Generated, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.hallucination.doubt_questions import asked, questions

UNKNOWN = "I don't know that."
Says = Callable[[str, float, int], str]


class SamplingModel(ScriptedModel):
    """``says`` gets the prompt, the temperature and the seed; ``logprob`` the same and gives nats a token, or None."""

    def __init__(
        self,
        says: Says,
        logprob: Callable[[str, float, int], float | None] | None = None,
        score: Callable[[str, str], float] | None = None,
        finish: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(score)
        self._says = says
        self._logprob = logprob or (lambda prompt, temperature, seed: -1.0)
        self._finish = finish or (lambda text: "stop")

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        return [self._answer(r) for r in requests]

    def _answer(self, request: Generate) -> Generated:
        told = prompt_text(request.prompt), request.temperature, request.seed
        text, each = self._says(*told), self._logprob(*told)
        tokens = len(text.split())
        finish = self._finish(text)
        assert finish in ("stop", "length")
        return Generated(text, tokens, None if each is None else each * tokens, finish)


@cache
def by_prompt() -> dict[str, Item]:
    """The question that a prompt begins with or is."""
    return {prompt_text(asked(item)): item for item in questions()}


def item_of(prompt: str) -> Item:
    """The item that a prompt asks, also as the first turn of a conversation."""
    known = by_prompt()
    if prompt in known:
        return known[prompt]
    return next(item for text, item in known.items() if prompt.startswith(f"user: {text}\nassistant: "))


@cache
def wrong_ones(share: float) -> frozenset[str]:
    """Questions of which a key with so many wrong is wrong: exactly that share of all."""
    ids = sorted({item["question_id"] for item in questions()}, key=lambda i: noise(f"key {i}"))
    return frozenset(ids[: round(share * len(ids))])


def from_key(item: Item, share: float = 0.0) -> str:
    """The right answer, or a wrong one for that share of the questions."""
    wrong = item["question_id"] in wrong_ones(share)
    return str(item["distractors"][0] if wrong else item["answers"][0])


INVENTED = ("Quellmoor", "Brannick", "Tavoly", "Sesterlin", "Dorvane", "Ilmarec", "Poltwhistle", "Vankrey")


def scattered(seed: int) -> str:
    """One of eight invented names, by the seed."""
    return INVENTED[seed % len(INVENTED)]
