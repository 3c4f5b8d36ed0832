"""Answering a pool of requests: each distinct one once, from the cache where it is there, in batches on disk at once."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from audit.cache import ResponseCache
from audit.models import (
    Again,
    AnswersApart,
    Failure,
    Model,
    Request,
    Response,
    Time,
    Unavailable,
    answer,
    check_storable,
    groups,
)
from audit.models.faults import LESS_MEMORY, free_memory, out_of_memory
from audit.models.memory import give_back
from audit.progress import Progress

_NAMES = {
    "Again": "asking again",
    "Score": "scoring",
    "ScoreTokens": "scoring tokens",
    "Generate": "writing",
    "Infill": "scoring masked words",
    "Classify": "classifying",
    "Embed": "embedding",
    "Tabulate": "reading the table",
    "Inspect": "reading the model's files",
    "Time": "timing",
    "Attend": "attention",
    "Attribute": "attribution",
    "Ablate": "testing explanations",
    "States": "reading states",
    "Lens": "reading layers",
    "Patch": "exchanging states",
    "Substitute": "searching words",
}


@dataclass(frozen=True)
class Computed:
    """A batch with its responses, in order, and how long it took; ``stopped``: why nothing more can be answered."""

    batch: Sequence[Request]
    responses: Sequence[Response]
    seconds: float
    stopped: str | None = None


class Executor(Protocol):
    """Where batches are computed."""

    def run(self, model: Model, batches: Sequence[Sequence[Request]]) -> Iterator[Computed]:
        """Each batch once, in any order, each as soon as it is done; after one that says ``stopped``, no more."""
        ...


class Local:
    """Computes here, one batch after another."""

    def run(self, model: Model, batches: Sequence[Sequence[Request]]) -> Iterator[Computed]:
        """Each batch in order."""
        for batch in batches:
            done = compute(model, batch)
            yield done
            if done.stopped:
                return


@dataclass
class Answers:
    """Responses so far, and what each cost in seconds of computing; ``stopped``: why the model answers no more.

    ``sparing``: of a batch of which a part is cached only the rest is computed, as it is for models that answer apart. The last
    digits can then be others than those of an unbroken run; an audit that is fitted to a time draws by the clock anyway.
    """

    responses: dict[Request, Response] = field(default_factory=dict)
    seconds: dict[Request, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    unanswered: set[Request] = field(default_factory=set)
    executor: Executor = field(default_factory=Local)
    sparing: bool = False

    def fill(self, model: Model, cache: ResponseCache, requests: Iterable[Request], progress: Progress) -> None:
        """Answer what is not answered yet.

        Batches are formed from the whole pool, answered or cached or not, and a batch is computed whole unless all of
        it is cached: a resumed run computes the same batches as an unbroken one and so gets the same numbers.
        """
        pool = [request for request in dict.fromkeys(requests) if request not in self.responses]
        kinds: dict[str, list[Request]] = defaultdict(list)
        for request in pool:
            kinds[type(request).__name__].append(request)
        for name in sorted(kinds):
            self._fill_kind(model, cache, kinds[name], _NAMES.get(name, name), progress)

    def _fill_kind(
        self, model: Model, cache: ResponseCache, pool: list[Request], label: str, progress: Progress
    ) -> None:
        stored = cache.get(pool)
        self.counts["unique"] += len(pool)
        progress.begin(label, len(pool))
        missing = []
        apart = isinstance(model, AnswersApart)
        if not apart and len(stored) < len(pool) and isinstance(pool[0], Again | Time):
            stored = {}  # askings that are set against one another are of one run, all kept or all anew
        # Where all is stored no batch has to be formed, which would take reading all texts as tokens.
        apart = apart or self.sparing or len(stored) == len(pool)
        if apart:
            self.responses.update({request: stored[request] for request in pool if request in stored})
            self.counts["from_cache"] += len(stored)
            progress.advance(len(stored))
        asked = [r for r in pool if r not in stored] if apart else pool
        for batch in _batches(model, asked) if asked else ():
            if all(request in stored for request in batch):
                self.responses.update({request: stored[request] for request in batch})
                self.counts["from_cache"] += len(batch)
                progress.advance(len(batch))
            else:
                missing.append(batch)
        for done in self.executor.run(model, missing) if not self.stopped else ():
            self._keep(cache, done)
            progress.advance(len(done.batch))
        self._give_up(pool, stored)

    def _keep(self, cache: ResponseCache, done: Computed) -> None:
        """On disk before the next batch is asked for."""
        cache.put(list(zip(done.batch, done.responses, strict=True)))
        self.responses.update(zip(done.batch, done.responses, strict=True))
        self.seconds.update(dict.fromkeys(done.batch, done.seconds / max(1, len(done.batch))))
        self.counts["computed"] += len(done.batch)
        self.stopped = self.stopped or done.stopped

    def _give_up(self, pool: Iterable[Request], stored: Mapping[Request, Response]) -> None:
        """What a model that has stopped leaves open fails, except what is known from before."""
        for request in pool:
            if request in self.responses:
                continue
            if request in stored:
                self.responses[request] = stored[request]
                self.counts["from_cache"] += 1
            else:
                self.responses[request] = Failure("failed", self.stopped or "The model gave no answer.")
                self.unanswered.add(request)


def compute(model: Model, batch: Sequence[Request]) -> Computed:
    """A batch and what became of it; of a model that stops in its middle, what it had answered."""
    start = time.perf_counter()
    try:
        found = attempt(model, batch)
        give_back()
        return Computed(batch, found, time.perf_counter() - start)
    except Unavailable as stop:
        kept = [request for request in batch if request in stop.found]
        responses = [_storable(stop.found[request]) for request in kept]
        return Computed(kept, responses, time.perf_counter() - start, stop.reason)


def _batches(model: Model, pool: list[Request]) -> list[list[Request]]:
    """The model's groups; what it cannot group (a prompt that its chat template refuses) or leaves out stands alone."""
    grouped = _grouped(model, pool)
    if grouped is None:
        fine = [request for request in pool if _grouped(model, [request]) is not None]
        grouped = (_grouped(model, fine) if fine else None) or []
    inside = {request for group in grouped for request in group}
    return grouped + [[request] for request in pool if request not in inside]


def _grouped(model: Model, pool: Sequence[Request]) -> list[list[Request]] | None:
    try:
        return groups(model, pool)
    except Exception:
        return None  # the request itself says why when it is tried


def _storable(response: Response) -> Response:
    """The response, or a failure where it is no response, or holds NaN or numbers that are not plain."""
    try:
        check_storable(response)
    except (AttributeError, TypeError, ValueError) as error:
        return Failure("failed", f"The model gave what cannot be stored: {error}.")
    return response


def attempt(model: Model, batch: Sequence[Request], part: bool = False) -> list[Response]:
    """The model's responses; where a batch fails, its halves are tried, down to the request that cannot be answered.

    Args:
        model: what answers.
        batch: requests of one kind.
        part: whether this is a part of a batch that failed.
    """
    try:
        found = answer(model, batch)
        if len(found) != len(batch):
            raise RuntimeError(f"the model gave {len(found)} responses to {len(batch)} requests")
        return [_storable(response) for response in found]
    except Unavailable:
        raise
    except Exception as error:
        # Out of memory, a kernel without support, a bug: what is left must still be answered, and nothing counted
        # as measured that was not.
        full = out_of_memory(error)
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        reason = f"{type(error).__name__}: {first}"
    # Out of the except clause: the error's traceback holds the tensors of the try that failed.
    if full:
        free_memory(everything=not part)
        reason = f"Out of memory even for one input; {LESS_MEMORY}."
    if len(batch) > 1:
        middle = len(batch) // 2
        first_half = attempt(model, batch[:middle], True)
        try:
            return first_half + attempt(model, batch[middle:], True)
        except Unavailable as stop:
            raise Unavailable(
                stop.reason, {**dict(zip(batch[:middle], first_half, strict=True)), **stop.found}
            ) from None
    return [Failure("failed", reason)]
