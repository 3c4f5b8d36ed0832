"""Other models that read what the audited one wrote: text classifiers that probes' options name, opened once each.

A judge's answers are kept under its own fingerprint, so that a folder whose weights change is asked anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from audit.cache import ResponseCache
from audit.execution import Answers
from audit.models import Capability, Classify, Failure, Judge, Model, ModelError, Request, Response
from audit.models.opening import open_model
from audit.models.options import Options
from audit.progress import Progress

_PINNED = re.compile(r"(?P<id>[^@]+)@(?P<commit>[0-9a-f]{40})")


def open_judge(named: str) -> Model:
    """The text classifier of a folder, or of a hub id with its commit (``org/name@commit``).

    Raises:
        ModelError: where it cannot be opened, or is a hub id without a commit: a judge that changes judges nothing.
    """
    pinned = _PINNED.fullmatch(named)
    if pinned is None and not Path(named).expanduser().is_dir():
        raise ModelError(f"{named} is no folder, and a judge from the hub needs its commit: org/name@<40 digits>.")
    source, revision = (pinned["id"], pinned["commit"]) if pinned else (named, None)
    return open_model(source, revision, None, "text-classification", Options(), {})


@dataclass
class Judges:
    """The judges of one audit.

    Args:
        cache: the file of kept responses.
        progress: what the user sees.
        opener: opens a judge by its name.
    """

    cache: Path
    progress: Progress
    opener: Callable[[str], Model] = open_judge
    seconds: dict[Request, float] = field(default_factory=dict)
    _opened: dict[str, Model | Failure] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, str]:
        """The SHA-256 of the weights of each judge that was opened, by its name."""
        found = {name: model for name, model in self._opened.items() if not isinstance(model, Failure)}
        return {name: model.facts.weights_sha256 or "unknown" for name, model in found.items()}

    def answer(self, requests: Iterable[Judge]) -> dict[Request, Response]:
        """One response a request; a judge that cannot be opened fails them, in one sentence each."""
        answers: dict[Request, Response] = {}
        by_judge: dict[str, list[Judge]] = {}
        for request in requests:
            by_judge.setdefault(request.judge, []).append(request)
        for name, asked in by_judge.items():
            judge = self._open(name)
            if isinstance(judge, Failure):
                answers.update(dict.fromkeys(asked, judge))
            else:
                answers.update(self._ask(judge, asked))
        return answers

    def _open(self, name: str) -> Model | Failure:
        if name not in self._opened:
            try:
                judge = self.opener(name)
                able = Capability.CLASSIFY in judge.capabilities
                self._opened[name] = judge if able else Failure("failed", f"The judge {name} is no text classifier.")
            except ModelError as error:
                self._opened[name] = Failure("failed", f"The judge {name} could not be opened: {error}")
        return self._opened[name]

    def _ask(self, judge: Model, asked: list[Judge]) -> dict[Request, Response]:
        answers = Answers()
        texts = {request: Classify(request.text) for request in asked}
        with ResponseCache(self.cache, judge.fingerprint, judge.facts.name, judge.facts.weights_sha256) as cache:
            answers.fill(judge, cache, texts.values(), self.progress)
        self.seconds.update({request: answers.seconds.get(text, 0.0) for request, text in texts.items()})
        return {request: answers.responses[text] for request, text in texts.items()}
