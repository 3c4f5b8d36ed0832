"""The parts of Ray that the executor uses, in this process: methods run when they are waited for, and may kill."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class Gone(Exception):
    """What Ray raises for a call to an actor that is lost."""


class Killed(BaseException):
    """Raised inside an actor's method: the process is gone, nothing comes back."""


class Ref:
    """A result to come."""

    def __init__(self, actor: Actor, call: Callable[[], Any]) -> None:
        self.actor, self.call = actor, call
        self.value: Any = None
        self.error: Exception | None = None
        self.settled = False

    def settle(self) -> None:
        if self.settled:
            return
        self.settled = True
        if self.actor.dead:
            self.error = Gone("The actor died before it was called.")
            return
        try:
            self.value = self.call()
        except Killed:
            self.actor.dead = True
            self.error = Gone("The actor died.\nIts process was killed.")
        except Exception as error:
            self.error = Gone(f"{type(error).__name__}: {error}")


class Actor:
    """An instance whose methods are called by ``actor.method.remote(...)``."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.instance, name)
        return SimpleNamespace(remote=lambda *a: Ref(self, lambda: method(*a)))


class FakeRay:
    """``random``: which of several results comes first."""

    exceptions = SimpleNamespace(RayError=Gone)

    def __init__(self, seed: int = 0, gpus: int = 0, full: bool = False) -> None:
        self._random = random.Random(seed)
        self._gpus = gpus
        self._full = full
        self.actors: list[Actor] = []
        self.options: list[dict[str, Any]] = []

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0, **({"GPU": float(self._gpus)} if self._gpus else {})}

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options.append(options)

        def hire(kind: type) -> Actor:
            self.actors.append(Actor(kind()))
            return self.actors[-1]

        return lambda kind: SimpleNamespace(remote=lambda: hire(kind))

    def wait(self, refs: Sequence[Ref], num_returns: int = 1, timeout: float | None = None) -> tuple[Any, Any]:
        if self._full:
            return [], list(refs)
        assert refs, "waits for nothing, for ever"
        chosen = self._random.choice(list(refs))
        chosen.settle()
        return [chosen], [ref for ref in refs if ref is not chosen]

    def get(self, ref: Ref) -> Any:
        ref.settle()
        if ref.error:
            raise ref.error
        return ref.value

    def kill(self, actor: Actor) -> None:
        actor.dead = True
