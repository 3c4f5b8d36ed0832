"""Answering a pool of requests: each distinct one once, from the cache where it is there, in batches on disk at once."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.cache import ResponseCache
from audit.models import Failure, Model, Request, Response, answer, encode
from audit.progress import Progress

_NAMES = {
    "Score": "scoring",
    "Generate": "writing",
    "Attend": "attention",
    "Attribute": "attribution",
    "Ablate": "testing explanations",
}


@dataclass
class Answers:
    """Responses so far, and what each cost in seconds of computing."""

    responses: dict[Request, Response] = field(default_factory=dict)
    seconds: dict[Request, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

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
        for batch in _batches(model, pool):
            if all(request in stored for request in batch):
                self.responses.update({request: stored[request] for request in batch})
                self.counts["from_cache"] += len(batch)
            else:
                self._compute(model, cache, batch)
            progress.advance(len(batch))

    def _compute(self, model: Model, cache: ResponseCache, batch: Sequence[Request]) -> None:
        start = time.perf_counter()
        found = attempt(model, batch)
        cache.put(list(zip(batch, found, strict=True)))
        each = (time.perf_counter() - start) / len(batch)
        self.responses.update(zip(batch, found, strict=True))
        self.seconds.update(dict.fromkeys(batch, each))
        self.counts["computed"] += len(batch)


def _batches(model: Model, pool: list[Request]) -> list[list[Request]]:
    """The model's groups; what it cannot group (a prompt that its chat template refuses) or leaves out stands alone."""
    groups = _grouped(model, pool)
    if groups is None:
        fine = [request for request in pool if _grouped(model, [request]) is not None]
        groups = (_grouped(model, fine) if fine else None) or []
    inside = {request for group in groups for request in group}
    return groups + [[request] for request in pool if request not in inside]


def _grouped(model: Model, pool: Sequence[Request]) -> list[list[Request]] | None:
    try:
        return model.batches(pool)
    except Exception:
        return None  # the request itself says why when it is tried


def _storable(response: Response) -> Response:
    """The response, or a failure where it is no response, or holds NaN or numbers that are not plain."""
    try:
        encode(response)
    except (AttributeError, TypeError, ValueError) as error:
        return Failure("failed", f"The model gave what cannot be stored: {error}.")
    return response


def attempt(model: Model, batch: Sequence[Request]) -> list[Response]:
    """The model's responses; where a batch fails, its halves are tried, down to the request that cannot be answered."""
    try:
        found = answer(model, batch)
        if len(found) != len(batch):
            raise RuntimeError(f"the model gave {len(found)} responses to {len(batch)} requests")
        return [_storable(response) for response in found]
    except Exception as error:
        # Out of memory, a kernel without support, a bug: what is left must still be answered, and nothing counted
        # as measured that was not.
        if len(batch) > 1:
            middle = len(batch) // 2
            return attempt(model, batch[:middle]) + attempt(model, batch[middle:])
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        return [Failure("failed", f"{type(error).__name__}: {first}")]
