"""What ``reproducibility.rerun`` asks, and each later answer beside the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.corpora import Item
from audit.models import (
    Again,
    Capability,
    Generate,
    Generated,
    Prompt,
    Responses,
    Score,
    Scored,
    Way,
    prompt_text,
    user,
)
from audit.models.rounding import tolerance
from audit.results import Asked, ItemStatus, Record
from probes.asked import as_written, stated
from probes.base import derived_seed

Kind = Literal["likelihood", "greedy", "sampled"]
WAYS: tuple[Way, ...] = ("same", "alone", "reversed")


@dataclass(frozen=True)
class Settings:
    """How it is asked and compared; ``able``: what of likelihoods and writing the model can be asked."""

    able: frozenset[Capability]
    tokens: int
    temperature: float
    seed: int
    tolerance: float | None
    number_format: str | None

    def allowed(self, value: float) -> float:
        """How far a log-likelihood of this value may move, in nats."""
        return tolerance(self.number_format, value, self.tolerance)


@dataclass(frozen=True)
class Ask:
    """One request of an item, to be asked in every way; ``name`` tells it from the item's others."""

    item: Item
    kind: Kind
    name: str
    request: Score | Generate

    @property
    def askings(self) -> list[Again]:
        """The request in each way, the first asking first."""
        return [self.asked("first"), *(self.asked(way) for way in WAYS)]

    def asked(self, way: Way) -> Again:
        """The request in one way."""
        return Again(self.request, way)


@dataclass(frozen=True)
class Comparison:
    """The answer of a later asking beside that of the first.

    ``first`` and ``again`` are log-likelihoods in nats or texts, None where there is none; ``same`` is None then as well.
    """

    ask: Ask
    way: Way
    status: ItemStatus
    first: float | str | None = None
    again: float | str | None = None
    same: bool | None = None

    @property
    def difference(self) -> float:
        """How far a log-likelihood moved, in nats; 0 for texts and where there is none."""
        if isinstance(self.first, float) and isinstance(self.again, float):
            return abs(self.again - self.first)
        return 0.0


def asks(items: Sequence[Item], settings: Settings) -> list[Ask]:
    """Every request of the items that the model can be asked."""
    return [ask for item in items for ask in _of_item(item, settings) if ask.request.needs in settings.able]


def _of_item(item: Item, settings: Settings) -> Iterator[Ask]:
    prompt: Prompt = user(item["prompt"]) if item["form"] == "chat" else item["prompt"]
    for place, ending in enumerate(item["endings"]):
        yield Ask(item, "likelihood", f"ending-{place + 1}", Score(prompt, ending))
    if item["kind"] == "prompt":
        seed = derived_seed(settings.seed, item["id"])
        yield Ask(item, "greedy", "greedy", Generate(prompt, settings.tokens))
        yield Ask(item, "sampled", "sampled", Generate(prompt, settings.tokens, settings.temperature, seed))


def comparisons(asked: Sequence[Ask], answers: Responses, settings: Settings) -> list[Comparison]:
    """Each later answer beside the first."""
    return [_compared(ask, way, answers, settings) for ask in asked for way in WAYS]


def _compared(ask: Ask, way: Way, answers: Responses, settings: Settings) -> Comparison:
    first, again = answers[ask.asked("first")], answers[ask.asked(way)]
    for response in (first, again):
        if not isinstance(response, Scored | Generated):
            return Comparison(ask, way, getattr(response, "status", "failed"))
    if isinstance(first, Scored) and isinstance(again, Scored):
        one, two = first.logprob, again.logprob
        return Comparison(ask, way, "scored", one, two, abs(one - two) <= settings.allowed(one))
    if isinstance(first, Generated) and isinstance(again, Generated):
        return Comparison(ask, way, "scored", first.text, again.text, first.text == again.text)
    return Comparison(ask, way, "failed")


def record(c: Comparison, probe: str, source: str) -> Record:
    """The evidence of one comparison."""
    item, request = c.ask.item, c.ask.request
    shown = prompt_text(request.prompt) + (request.continuation if isinstance(request, Score) else "")
    likely = isinstance(c.first, float) and isinstance(c.again, float)
    moved = c.same is False
    return Record(
        id=f"{item['id']}/{c.ask.name}/{c.way}",
        probe=probe,
        item=item["id"],
        source=source,
        cluster=item["id"],
        tags={"kind": c.ask.kind, "way": c.way, "form": item["form"]},
        input=shown,
        output=None if c.again is None else _told(c.again),
        expected=None if c.first is None else _told(c.first),
        scores={"log_likelihood": float(c.first), "again": float(c.again), "difference": c.difference}
        if likely and c.first is not None and c.again is not None
        else {},
        status=c.status,
        outcome=None if c.same is None else "moved" if moved else "same",
        concern=(min(1.0, 0.5 + c.difference / 10) if likely else 0.7) if moved else 0.0,
        seed=request.seed if isinstance(request, Generate) and request.temperature else None,
        asked=_asked(c),
    )


def _told(answer: float | str) -> str:
    return answer if isinstance(answer, str) else f"{answer:.6f} nats"


def _asked(c: Comparison) -> Asked | None:
    request = c.ask.request
    if c.status != "scored":
        return None
    if isinstance(request, Score):
        return stated(request.prompt, request.continuation)
    return as_written(request.prompt, c.again if isinstance(c.again, str) else None)
