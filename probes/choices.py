"""Which of several continuations a model finds likeliest: the rule behind every question with given answers.

A continuation without a score leaves the question without one: to take the likeliest of the rest would let a model be
right because its other answers failed. Equal likelihoods are a tie, and a tie is never right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.models import Failure, Prompt, Response, Responses, Score, Scored
from audit.results import ItemStatus


@dataclass(frozen=True)
class Choice:
    """The continuations of a prompt with their log-likelihoods.

    ``logprobs`` and ``tokens`` are in the order of the continuations and empty unless ``status`` is ``scored``.
    ``best`` is the place of the likeliest, None where there is a tie or no score.
    """

    status: ItemStatus
    logprobs: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    best: int | None = None

    @property
    def tied(self) -> bool:
        """Whether two or more are equally the likeliest."""
        return self.status == "scored" and self.best is None


def asked(prompt: Prompt, continuations: Sequence[str]) -> list[Score]:
    """The requests behind a choice, in order."""
    return [Score(prompt, continuation) for continuation in continuations]


def chosen(requests: Sequence[Score], answers: Responses) -> Choice:
    """The choice between the continuations of these requests, by summed log-likelihood.

    Raises:
        KeyError: where a request has no answer yet.
    """
    found = [answers[request] for request in requests]
    missing = next((answer for answer in found if not isinstance(answer, Scored)), None)
    if missing is not None or not found:
        return Choice(status_of(missing))
    scored = [answer for answer in found if isinstance(answer, Scored)]
    logprobs = tuple(answer.logprob for answer in scored)
    highest = max(logprobs)
    best = logprobs.index(highest) if logprobs.count(highest) == 1 else None
    return Choice("scored", logprobs, tuple(answer.tokens for answer in scored), best)


def status_of(answer: Response | None) -> ItemStatus:
    """What a response that is no score counts as in the coverage."""
    return answer.status if isinstance(answer, Failure) else "failed"
