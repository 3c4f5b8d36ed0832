"""The decision behind a record, from a prompt of the models' kind to a stored one and back."""

from __future__ import annotations

from audit.models import Classified, Message, Prompt
from audit.results import Asked, Turn


def asked(prompt: Prompt, answer: str, contrast: str | None = None) -> Asked:
    """What a record keeps of a decision, so that it can be explained: why this answer, rather than the contrast."""
    turns = prompt if isinstance(prompt, str) else [Turn(role=m.role, content=m.content) for m in prompt]
    return Asked(prompt=turns, answer=answer, contrast=contrast)


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
