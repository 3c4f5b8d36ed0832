"""What the engine needs of a model: facts, capabilities, and one method for each capability.

A model implements the small protocols that it can serve and names them in ``capabilities``. The engine groups
requests with ``groups`` and hands each group to ``answer``, which finds the method by the kind of request. Both take
requests that are asked again (``Again``) apart, so that no model need know of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol, TypeVar, runtime_checkable

from audit.models.requests import (
    Ablate,
    Again,
    Attend,
    Attribute,
    Capability,
    Classify,
    Embed,
    Generate,
    Infill,
    Inspect,
    Lens,
    Patch,
    Request,
    Score,
    ScoreTokens,
    States,
    Substitute,
    Tabulate,
    Time,
)
from audit.models.responses import (
    Ablated,
    Attended,
    Attributed,
    Classified,
    Embedded,
    Failure,
    Generated,
    Hidden,
    Inspected,
    Lensed,
    Patched,
    Response,
    Scored,
    Substituted,
    Tabulated,
    Timed,
    TokensScored,
)
from audit.results import ModelFacts

R = TypeVar("R", bound=Request)


class ModelError(Exception):
    """A model that cannot be opened or used; the message is one sentence for the user."""


class Unavailable(Exception):
    """A model that can answer nothing more in this run (a budget is spent, a server is gone); says why in a sentence.

    ``found`` holds what a batch had answered before.
    """

    def __init__(self, reason: str, found: Mapping[Request, Response] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.found = dict(found or {})


@runtime_checkable
class CanScore(Protocol):
    """Log-likelihood of continuations."""

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanScoreTokens(Protocol):
    """Log-likelihood of each token of a text, and its spread over the vocabulary."""

    def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanGenerate(Protocol):
    """Text."""

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """One response a request, in order; a response does not depend on the others in the batch."""
        ...


@runtime_checkable
class CanInfill(Protocol):
    """Pseudo-log-likelihood of masked tokens."""

    def infill(self, requests: Sequence[Infill]) -> list[Scored | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanClassify(Protocol):
    """Class probabilities."""

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanEmbed(Protocol):
    """Vectors."""

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanTabulate(Protocol):
    """A table of cases."""

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanInspect(Protocol):
    """The files that the model was opened from."""

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanTime(Protocol):
    """How long its passes take."""

    def time(self, requests: Sequence[Time]) -> list[Timed | Failure]:
        """One response a request, in order; nothing else is computed meanwhile."""
        ...


@runtime_checkable
class CanAttend(Protocol):
    """Attention weights."""

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanAttribute(Protocol):
    """Attributions and ablations of a decision."""

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """One response a request, in order."""
        ...

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanLookInside(Protocol):
    """Hidden states, what each layer would answer, and which states carry the difference between two prompts."""

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        """One response a request, in order."""
        ...

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        """One response a request, in order."""
        ...

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        """One response a request, in order."""
        ...


@runtime_checkable
class CanSubstitute(Protocol):
    """Words that would move answers, by the gradient."""

    def substitute(self, requests: Sequence[Substitute]) -> list[Substituted | Failure]:
        """One response a request, in order."""
        ...


class Model(Protocol):
    """Any model that can be audited."""

    @property
    def facts(self) -> ModelFacts:
        """Which exact model this is."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of all that a response depends on besides the request: weights, tokenizer, template, dtype, code."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this model can be asked."""
        ...

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind grouped for computing together; the same requests give the same groups."""
        ...


@runtime_checkable
class AnswersApart(Protocol):
    """A model whose response never depends, not even in its last digit, on what it is asked together with.

    Only what is missing of a batch is then asked again; other models compute the whole batch.
    """

    @property
    def answers_apart(self) -> Literal[True]:
        """The mark of such a model."""
        ...


@runtime_checkable
class SaysWhyNot(Protocol):
    """A model that can say why it lacks a capability; others of its kind may have it."""

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """Half a sentence for each capability that the model lacks and has something to say of."""
        ...


def groups(model: Model, requests: Sequence[Request]) -> list[list[Request]]:
    """The model's own groups of requests of one kind; of those asked again, as the way of each wants it."""
    again = _all(requests, Again)
    if not again:
        return model.batches(requests)
    found: list[list[Request]] = []
    for way, kind in dict.fromkeys((r.way, type(r.request)) for r in sorted(again, key=lambda r: r.way)):
        within = {r.request: r for r in again if r.way == way and type(r.request) is kind}
        for group in model.batches(list(within)):
            asked: list[Request] = [within[request] for request in group if isinstance(request, kind)]
            if way == "alone":
                found += [[request] for request in asked]
            else:
                found.append(asked[::-1] if way == "reversed" else asked)
    return found


_FILLER = "The lamp on the stairs was lit before the rain began, and nobody in the house had gone out again."


def in_company(batch: Sequence[Again]) -> list[Request]:
    """What is asked together to answer a group of one way: the requests within, and others among those ``reversed``.

    The others are one for each three, and one; they differ in length, so that padding and packing change as well.
    """
    asked: list[Request] = [again.request for again in batch]
    if batch[0].way != "reversed":
        return asked
    for i in range(1 + len(batch) // 3):
        text = " ".join([_FILLER] * (1 + i % 4)) + f" ({i + 1})"
        request = batch[3 * i % len(batch)].request
        asked.insert(4 * i, replace(request, prompt=text))
    return asked


def _answer_again(model: Model, batch: Sequence[Again]) -> list[Response]:
    asked = in_company(batch)
    try:
        found = dict(zip(asked, answer(model, asked), strict=True))
    except Unavailable as stop:
        kept: dict[Request, Response] = {r: stop.found[r.request] for r in batch if r.request in stop.found}
        raise Unavailable(stop.reason, kept) from None
    return [found[again.request] for again in batch]


def answer(model: Model, batch: Sequence[Request]) -> list[Response]:
    """The model's responses to a batch of requests of one kind, in order.

    Raises:
        TypeError: where the model lacks the capability; the engine asks only for what the model has.
    """
    first = batch[0]
    if isinstance(first, Again):
        return _answer_again(model, _all(batch, Again))
    if isinstance(first, Score) and isinstance(model, CanScore):
        return list(model.score(_all(batch, Score)))
    if isinstance(first, ScoreTokens) and isinstance(model, CanScoreTokens):
        return list(model.score_tokens(_all(batch, ScoreTokens)))
    if isinstance(first, Generate) and isinstance(model, CanGenerate):
        return list(model.generate(_all(batch, Generate)))
    if isinstance(first, Infill) and isinstance(model, CanInfill):
        return list(model.infill(_all(batch, Infill)))
    if isinstance(first, Classify) and isinstance(model, CanClassify):
        return list(model.classify(_all(batch, Classify)))
    if isinstance(first, Embed) and isinstance(model, CanEmbed):
        return list(model.embed(_all(batch, Embed)))
    if isinstance(first, Tabulate) and isinstance(model, CanTabulate):
        return list(model.tabulate(_all(batch, Tabulate)))
    if isinstance(first, Inspect) and isinstance(model, CanInspect):
        return list(model.inspect(_all(batch, Inspect)))
    if isinstance(first, Time) and isinstance(model, CanTime):
        return list(model.time(_all(batch, Time)))
    if isinstance(first, Attend) and isinstance(model, CanAttend):
        return list(model.attend(_all(batch, Attend)))
    if isinstance(first, Attribute) and isinstance(model, CanAttribute):
        return list(model.attribute(_all(batch, Attribute)))
    if isinstance(first, Ablate) and isinstance(model, CanAttribute):
        return list(model.ablate(_all(batch, Ablate)))
    if isinstance(first, Substitute) and isinstance(model, CanSubstitute):
        return list(model.substitute(_all(batch, Substitute)))
    if isinstance(model, CanLookInside):
        if isinstance(first, States):
            return list(model.states(_all(batch, States)))
        if isinstance(first, Lens):
            return list(model.lens(_all(batch, Lens)))
        if isinstance(first, Patch):
            return list(model.patch(_all(batch, Patch)))
    raise TypeError(f"{type(model).__name__} cannot answer {type(first).__name__} requests")


def _all(batch: Iterable[Request], kind: type[R]) -> list[R]:
    requests = [request for request in batch if isinstance(request, kind)]
    return requests


def chunks(requests: Sequence[Request], size: int) -> list[list[Request]]:
    """Requests in groups of at most ``size``, in order."""
    return [list(requests[start : start + size]) for start in range(0, len(requests), size)]
