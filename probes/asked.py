"""The decision behind a record, from a prompt of the models' kind to a stored one and back."""

from __future__ import annotations

from collections.abc import Sequence

from audit.models import Classified, Message, Prompt, Score
from audit.results import Asked, Turn


def stated(prompt: Prompt, answer: str, contrast: str | None = None) -> Asked:
    """What a record keeps of a decision, so that it can be explained: why this answer, rather than the contrast."""
    turns = prompt if isinstance(prompt, str) else [Turn(role=m.role, content=m.content) for m in prompt]
    return Asked(prompt=turns, answer=answer, contrast=contrast)


def preferred(options: Sequence[Score], log_odds: float | None = None, logprobs: Sequence[float] = ()) -> Asked | None:
    """The likeliest continuation of a prompt rather than the next; None where they were not scored.

    Args:
        options: the continuations, each after the same prompt.
        log_odds: of two continuations, log p(first) - log p(second).
        logprobs: otherwise, one a continuation.
    """
    values = list(logprobs) if log_odds is None else [log_odds, 0.0]
    if not options or len(values) != len(options):
        return None
    order = sorted(range(len(options)), key=lambda i: -values[i])
    second = options[order[1]].continuation if len(order) > 1 else None
    return stated(options[0].prompt, options[order[0]].continuation, second)


def as_written(prompt: Prompt, text: str | None) -> Asked | None:
    """What a model wrote after a prompt; None where it wrote nothing."""
    if not text:
        return None
    joins = isinstance(prompt, str) and not prompt[-1:].isspace()
    return stated(prompt, f" {text}" if joins else text)


def prompt_of(decision: Asked) -> Prompt:
    """The prompt of a stored decision."""
    if isinstance(decision.prompt, str):
        return decision.prompt
    return tuple(Message(turn.role, turn.content) for turn in decision.prompt)


def likeliest(found: Classified) -> tuple[str, str | None]:
    """The two likeliest classes of a classifier, the likelier first; None where it has one class only."""
    order = sorted(range(len(found.labels)), key=lambda c: -found.probabilities[c])
    names = [found.labels[c] for c in order[:2]]
    return names[0], names[1] if len(names) > 1 else None
