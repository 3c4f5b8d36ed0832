"""Other models that read what the audited one wrote: named in the config, opened once each.

A judge's answers are kept under its own fingerprint, so that a judge whose weights change is asked anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audit.cache import ResponseCache
from audit.execution import Answers
from audit.models import (
    Capability,
    Choose,
    Classified,
    Classify,
    Embed,
    Failure,
    Generate,
    Generated,
    Judge,
    Model,
    ModelError,
    Request,
    Response,
    Score,
    Scored,
)
from audit.models.opening import open_model
from audit.models.options import Options
from audit.progress import Progress

LONGEST_CHOICE = 12  # tokens that a judge without likelihoods may write to name an option
_PINNED = re.compile(r"(?P<id>[^@]+)@(?P<commit>[0-9a-f]{40})")
_WORD = re.compile(r"\w+")


def open_judge(named: str) -> Model:
    """The model of a folder, a file, ``package:NAME/…``, or a hub id with its commit (``org/name@commit``).

    Raises:
        ModelError: where it cannot be opened, or is a hub id without a commit (a judge that changes judges nothing), or an
            address: what leaves the machine is named under the config's ``judges``.
    """
    pinned = _PINNED.fullmatch(named)
    local = named.startswith("package:") or Path(named).expanduser().exists()
    if pinned is None and not local:
        raise ModelError(
            f"{named} is no entry of the config's judges and no folder or file, and a judge from the hub needs its commit: "
            "org/name@<40 digits>."
        )
    source, revision = (pinned["id"], pinned["commit"]) if pinned else (named, None)
    return open_model(source, revision, None, None, Options(), {})


@dataclass
class Judges:
    """The judges of one audit.

    Args:
        cache: the file of kept responses.
        progress: what the user sees.
        opener: opens a judge by its name.
        run: keeps apart the answers of a judge whose weights are not known, which may have changed since an earlier audit.
    """

    cache: Path
    progress: Progress
    opener: Callable[[str], Model] = open_judge
    run: str = ""
    seconds: dict[Request, float] = field(default_factory=dict)
    _opened: dict[str, Model | Failure] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, str]:
        """The SHA-256 of the weights of each judge that was opened, by its name."""
        found = {name: model for name, model in self._opened.items() if not isinstance(model, Failure)}
        return {name: model.facts.weights_sha256 or "unknown" for name, model in found.items()}

    def answer(self, requests: Iterable[Judge]) -> dict[Request, Response]:
        """One response a request; a judge that cannot be opened or asked fails them, in one sentence each."""
        answers: dict[Request, Response] = {}
        by_judge: dict[str, list[Judge]] = {}
        for request in requests:
            by_judge.setdefault(request.judge, []).append(request)
        for name, asked in by_judge.items():
            judge = self._open(name)
            if isinstance(judge, Failure):
                answers.update(dict.fromkeys(asked, judge))
            else:
                answers.update(self._ask(name, judge, asked))
        return answers

    def _open(self, name: str) -> Model | Failure:
        if name not in self._opened:
            try:
                self._opened[name] = self.opener(name)
            except ModelError as error:
                self._opened[name] = Failure("failed", f"The judge {name} could not be opened: {error}")
        return self._opened[name]

    def _ask(self, name: str, judge: Model, asked: list[Judge]) -> dict[Request, Response]:
        answers = Answers()
        parts = {request: asked_of(request.request, judge.capabilities) for request in asked}
        key = judge.fingerprint if judge.facts.weights_sha256 else f"{judge.fingerprint} {self.run}"
        with ResponseCache(self.cache, key, judge.facts.name, judge.facts.weights_sha256) as cache:
            answers.fill(judge, cache, (part for some in parts.values() for part in some), self.progress)
        for request, some in parts.items():
            self.seconds[request] = sum(answers.seconds.get(part, 0.0) for part in some)
        unable = Failure("failed", f"The judge {name} cannot be asked that: its model gives no such answers.")
        return {
            request: read_judge(request.request, some, answers.responses) if some else unable
            for request, some in parts.items()
        }


def asked_of(request: Classify | Embed | Choose, capabilities: frozenset[Capability]) -> list[Request]:
    """What a judge with these capabilities is asked for one request; empty where it cannot answer it."""
    if not isinstance(request, Choose):
        return [request] if request.needs in capabilities else []
    if Capability.SCORE in capabilities:
        return [Score(request.prompt, option) for option in request.options]
    return [Generate(request.prompt, LONGEST_CHOICE)] if Capability.GENERATE in capabilities else []


def read_judge(
    request: Classify | Embed | Choose, asked: Iterable[Request], answers: Mapping[Request, Response]
) -> Response:
    """The answer to a judge's request from those to what it was asked: the options' shares where it was a choice."""
    found = [answers[part] for part in asked]
    failed = next((response for response in found if isinstance(response, Failure)), None)
    if failed is not None or not isinstance(request, Choose):
        return failed or found[0]
    scores = [response.logprob for response in found if isinstance(response, Scored)]
    if len(scores) == len(request.options):
        shares = np.exp(np.array(scores) - max(scores))  # from the largest, so that not all become 0
        return Classified(request.options, tuple(float(s) for s in shares / shares.sum()))
    return _written_choice(request.options, found[0])


def _written_choice(options: tuple[str, ...], response: Response) -> Response:
    """The option that a judge named first in what it wrote, the longest of those that begin alike."""
    text = response.text if isinstance(response, Generated) else ""
    words = [word.lower() for word in _WORD.findall(text)]
    places: dict[str, int] = {}
    for option in sorted(options, key=len):
        wanted = [word.lower() for word in _WORD.findall(option)]
        starts = (i for i in range(len(words) - len(wanted) + 1) if words[i : i + len(wanted)] == wanted)
        place = next(starts, None)
        if place is not None:
            places[option] = place
    if not places:
        return Failure("unparsed", "The judge's answer names none of the options.")
    first = min(places.values())
    chosen = [option for option, place in places.items() if place == first][-1]
    return Classified(options, tuple(float(option == chosen) for option in options))
