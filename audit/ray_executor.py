"""Batches on the workers of a Ray cluster: each worker holds a copy of the model, batches are handed out one at a time.

The driver opens no model. What it must know of the model, and how requests are grouped, it asks a worker. A worker
that is lost (killed, out of memory) is replaced and its batch computed again by another; finished batches are cached by
the driver as they come, so nothing is lost and nothing counts twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from audit.cluster import connected, share_of_gpus
from audit.execution import Computed
from audit.models import Capability, Failure, Model, ModelError, Request
from audit.models.endpoint.model import is_endpoint
from audit.replica import Opening, Replica, Surroundings, computed, software
from audit.results import ModelFacts

WORKERS = 2
TRIES = 3  # workers that one batch may cost
MOST_LOSSES = 10  # in a row, without a batch done between them
PLACE_SECONDS = 300.0  # for a place on the cluster; one that grows by need takes minutes
_NOT_TIMED = "workers of a cluster share their machines, and which of them computes a batch is left open"
Say = Callable[[str], None]


@dataclass
class _Worker:
    """An actor; ``opening``: the answer that is awaited, None once the model is open there; ``process``: its id."""

    actor: Any
    opening: Any
    process: int = 0


@dataclass
class _Job:
    """A batch and how many workers it has cost."""

    batch: Sequence[Request]
    lost: int = 0


class RayModel:
    """The model that the workers hold, as the engine sees it: facts and groups, no answers."""

    def __init__(self, pool: RayExecutor, told: dict[str, Any]) -> None:
        self.facts = ModelFacts.model_validate(told["facts"])
        self.fingerprint: str = told["fingerprint"]
        self.capabilities = frozenset(Capability(name) for name in told["capabilities"]) - {Capability.TIME}
        why_not = {Capability.TIME: _NOT_TIMED, **told["lacks"]}
        self.lacks = {Capability(name): why for name, why in why_not.items()}
        self._pool = pool

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The groups that the model makes, asked of a worker."""
        return self._pool.groups(list(requests))


class RayModelApart(RayModel):
    """One whose responses do not depend on what they are asked together with."""

    answers_apart: Literal[True] = True


class RayExecutor:
    """A crew of workers.

    Args:
        ray: the library, connected.
        opening: which model the workers open.
        workers: how many at most.
        say: told when a worker is lost or cannot be used.
        replica: what a worker runs.

    Raises:
        ModelError: where no worker finds a place, or the model cannot be opened there.
    """

    def __init__(self, ray: Any, opening: Opening, workers: int, say: Say, replica: type[Replica] = Replica) -> None:
        self._ray = ray
        self._opening = opening
        self._surroundings = Surroundings.here()
        self._say = say
        options = opening.options
        spread = options.device_map is not None or options.backend == "vllm"
        gpus = share_of_gpus(ray, workers, not options.device.startswith(("cpu", "mps")), spread)
        self._need = f"1 CPU and {gpus} GPU" if gpus else "1 CPU"
        self._remote = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(replica)
        self._crew: list[_Worker] = []
        self._losses = 0
        self._reason = ""
        self._known: dict[str, Any] | None = None
        try:
            told = self._first()
            self._crew += [self._hire() for _ in range(workers - 1)]
        except BaseException:
            self.close()
            raise
        self.model: Model = (RayModelApart if told["apart"] else RayModel)(self, told)

    @property
    def processes(self) -> list[int]:
        """Ids of the processes, on whichever machines, that have told theirs."""
        return [worker.process for worker in self._crew if worker.process]

    def close(self) -> None:
        """Let all workers go."""
        for worker in self._crew:
            self._ray.kill(worker.actor)
        self._crew = []

    def run(self, model: Model, batches: Sequence[Sequence[Request]]) -> Iterator[Computed]:
        """Each batch once, as soon as it is done; an answer that a lost worker owed is asked of another."""
        queue = deque(_Job(batch) for batch in batches)
        busy: dict[Any, tuple[_Worker, _Job]] = {}
        while queue or busy:
            if self._losses >= MOST_LOSSES or not self._crew:
                yield Computed((), (), 0.0, self._given_up())
                return
            idle = [w for w in self._crew if w.opening is None and all(w is not b for b, _ in busy.values())]
            for worker in idle[: len(queue)]:
                job = queue.popleft()
                busy[worker.actor.compute.remote(job.batch)] = worker, job
            done = self._next([*busy, *(w.opening for w in self._crew if w.opening is not None)] if queue else [*busy])
            if done not in busy:
                self._opened(next(w for w in self._crew if w.opening == done))
                continue
            worker, job = busy.pop(done)
            try:
                found = computed(job.batch, self._ray.get(done))
            except (self._ray.exceptions.RayError, ValueError) as error:
                self._lose(worker, error)
                job.lost += 1
                if job.lost < TRIES:
                    queue.appendleft(job)
                    continue
                reason = f"It cost {job.lost} workers, each lost while it computed this; {self._reason}."
                found = Computed(job.batch, [Failure("failed", reason)] * len(job.batch), 0.0)
            else:
                self._losses = 0
            yield found
            if found.stopped:
                return

    def groups(self, requests: Sequence[Request]) -> list[list[Request]]:
        """How the model groups requests.

        Raises:
            RuntimeError: where it cannot group them, or no worker is left to ask.
        """
        while self._crew and self._losses < MOST_LOSSES:
            worker = next((w for w in self._crew if w.opening is None), None)
            if worker is None:
                done = self._next([w.opening for w in self._crew])
                self._opened(next(w for w in self._crew if w.opening == done))
                continue
            try:
                found = self._ray.get(worker.actor.batches.remote(requests))
            except self._ray.exceptions.RayError as error:
                self._lose(worker, error)
                continue
            if isinstance(found, str):
                raise RuntimeError(found)
            return [[requests[place] for place in group] for group in found]
        raise RuntimeError(self._given_up())

    def _first(self) -> dict[str, Any]:
        """What the first worker tells of the model."""
        worker = self._hire()
        self._crew.append(worker)
        placed = worker.actor.ping.remote()
        if not self._ray.wait([placed], num_returns=1, timeout=PLACE_SECONDS)[0]:
            raise ModelError(f"The Ray cluster has no place for a worker ({self._need}) after {PLACE_SECONDS:.0f} s.")
        try:
            worker.process = self._ray.get(placed)
            told: dict[str, Any] = self._ray.get(worker.opening)
        except self._ray.exceptions.RayError as error:
            raise ModelError(
                f"A worker of Ray could not open the model: {_first_line(error)} (fairwitness and enough memory are "
                "needed on every machine of the cluster)."
            ) from None
        if "error" in told:
            raise ModelError(told["error"])
        wrong = _differences(told["software"])
        if wrong:
            raise ModelError(f"The workers of Ray have other software than this machine: {wrong}. Install the same.")
        worker.opening = None
        self._known = told
        return told

    def _hire(self) -> _Worker:
        actor = self._remote.remote()
        return _Worker(actor, actor.open.remote(self._opening, self._surroundings))

    def _next(self, awaited: Sequence[Any]) -> Any:
        return self._ray.wait(list(awaited), num_returns=1)[0][0]

    def _opened(self, worker: _Worker) -> None:
        """A further worker is ready, or of no use."""
        try:
            told = self._ray.get(worker.opening)
        except self._ray.exceptions.RayError as error:
            self._lose(worker, error)
            return
        worker.opening = None
        known = self._known or {}
        wrong = told.get("error") or _differences(told["software"])
        if not wrong and told["fingerprint"] != known.get("fingerprint"):
            wrong = "its copy of the model is another (weights, number format, kernels or kind of device)"
        if wrong:
            # Another in its place would most likely end on the same machine.
            self._say(f"A worker is not used: {wrong}.")
            self._dismiss(worker)

    def _lose(self, worker: _Worker, error: Exception) -> None:
        """A worker is gone; another takes its place."""
        self._losses += 1
        self._reason = f"the last one: {_first_line(error)}"
        self._say(f"A worker was lost ({_first_line(error)}); another takes over its work.")
        self._dismiss(worker)
        self._crew.append(self._hire())

    def _dismiss(self, worker: _Worker) -> None:
        self._crew = [w for w in self._crew if w is not worker]
        self._ray.kill(worker.actor)

    def _given_up(self) -> str:
        if not self._crew:
            return "No worker of Ray is left that has the model."
        return f"{self._losses} workers of Ray were lost one after another, {self._reason}."


@contextmanager
def ray_executor(opening: Opening, workers: int | None, address: str | None, say: Say) -> Iterator[RayExecutor]:
    """A crew on the cluster at ``address``, let go at the end.

    Raises:
        ModelError: where Ray, the cluster, a place on it or the model is missing, or the model is an endpoint.
    """
    if is_endpoint(opening.source):
        raise ModelError(
            f"{opening.source} is an endpoint, whose budget one process must keep; use executor: local, and "
            "model.endpoint.concurrency for requests at once."
        )
    with connected(address) as ray:
        executor = RayExecutor(ray, opening, workers or WORKERS, say)
        try:
            yield executor
        finally:
            executor.close()


def _differences(theirs: dict[str, str]) -> str:
    """Which versions differ from those here, as text; empty where none do."""
    ours = software()
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return ", ".join(f"{name} {theirs.get(name, 'missing')} instead of {ours.get(name, 'none')}" for name in names)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
