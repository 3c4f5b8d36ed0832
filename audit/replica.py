"""What a worker does, whatever starts it: opens a model as the driver would, groups requests, computes batches.

Answers leave it as plain values: responses as the JSON text that the cache holds as well. Nothing here knows Ray.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.execution import Computed, compute
from audit.manifest import code_identity, package_versions, tool_version
from audit.models import AnswersApart, Model, ModelError, Request, SaysWhyNot, decode, encode
from audit.models.opening import open_model, quiet_libraries
from audit.models.options import Options
from audit.models.threads import threads, use_threads


@dataclass(frozen=True)
class Opening:
    """The arguments of ``open_model``."""

    source: str
    revision: str | None
    adapter: str | None
    task: str | None
    options: Options
    declared: dict[str, str]


@dataclass(frozen=True)
class Surroundings:
    """What another process must share with this one for equal results."""

    folder: str
    cache: str | None
    threads: int

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        return cls(str(Path.cwd()), os.environ.get("FAIRWITNESS_CACHE"), threads())

    def enter(self) -> None:
        """Take them over: relative paths mean the same, sums are made in the same order."""
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        if self.cache is not None:
            os.environ["FAIRWITNESS_CACHE"] = self.cache
        use_threads(self.threads)
        quiet_libraries()


def software() -> dict[str, str]:
    """Versions of what can change a number; two checkouts of one version are told apart by their code."""
    return {"fairwitness": tool_version(), "the code of fairwitness": code_identity()[:12], **package_versions()}


class Replica:
    """A model in a worker's process."""

    def __init__(self) -> None:
        self._model: Model | None = None

    def ping(self) -> int:
        """Id of the process."""
        return os.getpid()

    def open(self, opening: Opening, surroundings: Surroundings) -> dict[str, Any]:
        """Open the model; what the driver must know of it, or ``error``: why it cannot be opened."""
        surroundings.enter()
        try:
            model = open_model(
                opening.source, opening.revision, opening.adapter, opening.task, opening.options, opening.declared
            )
        except ModelError as error:
            return {"error": str(error)}
        self._model = model
        return {
            "facts": model.facts.model_dump(mode="json"),
            "fingerprint": model.fingerprint,
            "capabilities": sorted(model.capabilities),
            "lacks": dict(model.lacks) if isinstance(model, SaysWhyNot) else {},
            "apart": isinstance(model, AnswersApart),
            "software": software(),
        }

    def batches(self, requests: Sequence[Request]) -> list[list[int]] | str:
        """The model's groups, as places in ``requests``; text where it cannot group them."""
        places = {request: i for i, request in enumerate(requests)}
        try:
            return [[places[request] for request in group] for group in self._opened().batches(requests)]
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def compute(self, batch: Sequence[Request]) -> dict[str, Any]:
        """A batch: places in it, responses as text, seconds, and why the model answers no more where it stops."""
        done = compute(self._opened(), batch)
        places = {request: i for i, request in enumerate(batch)}
        return {
            "places": [places[request] for request in done.batch],
            "responses": [encode(response) for response in done.responses],
            "seconds": done.seconds,
            "stopped": done.stopped,
        }

    def _opened(self) -> Model:
        if self._model is None:
            raise RuntimeError("the model is not open")
        return self._model


def computed(batch: Sequence[Request], found: dict[str, Any]) -> Computed:
    """What :meth:`Replica.compute` gave for ``batch``, as if it had been computed here.

    Raises:
        ValueError: where a response is none.
    """
    kept = [batch[place] for place in found["places"]]
    return Computed(kept, [decode(text) for text in found["responses"]], found["seconds"], found["stopped"])
