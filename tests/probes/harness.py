"""Runs one probe on one model in memory: draw, ask until nothing is new, measure. And the models that fail on purpose."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.judging import asked_of, read_judge
from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Capability,
    Classified,
    Classify,
    Embed,
    Embedded,
    Failure,
    Generate,
    Generated,
    Hidden,
    Inspect,
    Inspected,
    Judge,
    Lens,
    Lensed,
    Model,
    Patch,
    Patched,
    Request,
    Response,
    Score,
    Scored,
    ScoreTokens,
    States,
    Tabulate,
    Tabulated,
    Time,
    Timed,
    TokensScored,
    answer,
    groups,
)
from audit.models.scripted import ScriptedModel
from audit.results import Finding, Measurement, to_json
from probes.base import Context, Outcome, Probe, ProbeOptions, Suite, derived_seed
from tests.probes.stand_ins import DATA

PUBLISHED = "FAIRWITNESS_DATA"  # the environment variable that names a folder of published items
ROUNDS = 10  # a probe that still has new questions after so many rounds will never end


def published(file: str) -> Path:
    """The folder of published items, which holds ``file``; the test is skipped where there is none."""
    folder = os.environ.get(PUBLISHED)
    if not folder or not (Path(folder) / file).is_file():
        pytest.skip(f"{PUBLISHED} names no folder with {file}")
    return Path(folder)


def context_of(
    kind: type[Probe],
    seed: int = 0,
    options: Mapping[str, Any] | ProbeOptions | None = None,
    earlier: Mapping[str, Outcome] | None = None,
    capabilities: frozenset[Capability] = frozenset(),
    suite: Suite = "quick",
) -> Context:
    """What the engine would give the probe, at 95% confidence."""
    made = options if isinstance(options, ProbeOptions) else kind.options.model_validate(dict(options or {}))
    return Context(derived_seed(seed, kind.id), 0.95, made, dict(earlier or {}), capabilities, suite=suite)


def run_probe(
    probe_class: type[Probe],
    model: Model,
    limit: int | None = None,
    options: Mapping[str, Any] | ProbeOptions | None = None,
    seed: int = 0,
    earlier: Mapping[str, Outcome] | None = None,
    judges: Mapping[str, Model] | None = None,
    suite: Suite = "quick",
) -> Outcome:
    """The outcome of one probe, as the engine would get it but without a cache; ``limit`` None takes all items."""
    probe = probe_class()
    context = context_of(probe_class, seed, options, earlier, model.capabilities, suite)
    items = probe.drawn(probe.items(DATA), limit, context.seed)
    answers: dict[Request, Response] = {}
    for _ in range(ROUNDS):
        new = [r for r in dict.fromkeys(probe.requests(items, context, answers)) if r not in answers]
        if not new:
            return probe.measure(items, context, answers)
        judged = [r for r in new if isinstance(r, Judge)]
        ask(model, [r for r in new if not isinstance(r, Judge)], answers)
        for request in judged:
            judge = (judges or {})[request.judge]
            asked, found = asked_of(request.request, judge.capabilities), dict[Request, Response]()
            ask(judge, asked, found)
            answers[request] = read_judge(request.request, asked, found)
    raise AssertionError(f"{probe.id} still asks for more after {ROUNDS} rounds")


def ask(model: Model, requests: Sequence[Request], answers: dict[Request, Response]) -> None:
    """Add the model's answers, kind by kind, in the model's own batches."""
    kinds: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        kinds[type(request).__name__].append(request)
    for name in sorted(kinds):
        for batch in groups(model, kinds[name]):
            found = answer(model, batch)
            assert len(found) == len(batch)
            answers.update(zip(batch, found, strict=True))


def dumped(outcome: Outcome) -> str:
    """The outcome as stable JSON text, for comparing bytes."""
    parts = (outcome.records, outcome.measurements, outcome.findings)
    return to_json([[x.model_dump(mode="json") for x in part] for part in parts])


def number(outcome: Outcome, name: str, part: str | None = None) -> Measurement:
    """The one measurement of that name, without the probe's id, and slice."""
    wanted = [m for m in outcome.measurements if m.metric == f"{m.probe}.{name}" + (f"[{part}]" if part else "")]
    assert len(wanted) == 1, f"{len(wanted)} measurements {name} [{part}]"
    return wanted[0]


def value(measurement: Measurement) -> float:
    """Its value, which must be there."""
    assert measurement.value is not None, measurement.reason
    return measurement.value


def interval(measurement: Measurement) -> tuple[float, float]:
    """Its interval, which must be there."""
    assert measurement.low is not None, measurement.interval
    assert measurement.high is not None
    return measurement.low, measurement.high


def finding(outcome: Outcome, name: str) -> Finding:
    """The one finding of that id, without the probe's id."""
    wanted = [f for f in outcome.findings if f.id == f"{f.probe}.{name}"]
    assert len(wanted) == 1, [f.id for f in outcome.findings]
    return wanted[0]


def outlooks(outcome: Outcome) -> dict[str, str]:
    """Outlook of each finding by its id."""
    return {f.id: f.outlook for f in outcome.findings}


def problems(outcome: Outcome) -> list[str]:
    """Ids, without the probe's, of what was flagged."""
    return [f.id.removeprefix(f"{f.probe}.") for f in outcome.findings if f.outlook == "problem_found"]


class FailingModel(ScriptedModel):
    """Claims every capability and answers nothing."""

    failure = Failure("failed", "The model is out of order.")

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        return [self.failure for _ in requests]

    def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
        return [self.failure for _ in requests]

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        return [self.failure for _ in requests]

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        return [self.failure for _ in requests]

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self.failure for _ in requests]

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        return [self.failure for _ in requests]

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        return [self.failure for _ in requests]

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        return [self.failure for _ in requests]

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        return [self.failure for _ in requests]

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        return [self.failure for _ in requests]

    def time(self, requests: Sequence[Time]) -> list[Timed | Failure]:
        return [self.failure for _ in requests]

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        return [self.failure for _ in requests]

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        return [self.failure for _ in requests]

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        return [self.failure for _ in requests]
