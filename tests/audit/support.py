"""What the tests of the engine share: small probes, a counting model, results made by hand, one call for an audit."""

from __future__ import annotations

import gc
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from pydantic import Field

from audit.config import AuditConfig
from audit.corpora import Item
from audit.engine import RunSettings, run_audit
from audit.metrics import rate
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
    Lens,
    Lensed,
    Model,
    Patch,
    Patched,
    Request,
    Responses,
    Score,
    Scored,
    ScoreTokens,
    States,
    Substitute,
    Substituted,
    Tabulate,
    Tabulated,
    Time,
    Timed,
    TokensScored,
)
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from audit.results import (
    RESULT_FILE,
    AuditResult,
    Coverage,
    Finding,
    Manifest,
    Measurement,
    ModelFacts,
    ProbeRun,
    Record,
    Verdict,
)
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, options_of
from tests.probes.stand_ins import DATA


@contextmanager
def without_collecting() -> Iterator[None]:
    """A fifth of a second each where torch is loaded; for tests in which the code under test collects on purpose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda *_: 0)
        yield


class TookTooLong(BaseException):
    """Not an ``Exception``, for the code under test catches those."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop what hangs, with a failure."""

    def stop(*_: object) -> None:
        raise TookTooLong

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TookTooLong:
        pytest.fail(f"still not finished after {seconds} seconds")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TinyOptions(ProbeOptions):
    """Options of the tiny probes."""

    successes: int = Field(0, ge=0, description="How many of the items count as successes.")


class Tiny(Probe):
    """Asks one score an item; its rate is as many successes as the option says."""

    id = "tiny.rate"
    title = "Tiny"
    risk = "bias"
    purpose = "Tests only."
    method = "Counts."
    citation = "None."
    limits = "All."
    capabilities = frozenset({Capability.SCORE})
    options = TinyOptions
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("rate", "A rate", "rate", "lower_is_better", "Successes."),)
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 40, "standard": 100, "full": None}

    def items(self, data: Path | None) -> list[Item]:
        return [{"id": f"{i:03}", "text": f"Text number {i}."} for i in range(200)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        return [Score(item["text"], " yes") for item in items]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        found = [answers[request] for request in self.requests(items, context, answers)]
        statuses = [f.status if isinstance(f, Failure) else "scored" for f in found]
        scored = statuses.count("scored")
        successes = min(options_of(context, TinyOptions).successes, scored)
        estimate = rate([1] * successes + [0] * (scored - successes), None, context.confidence)
        measured = self.measurement("rate", estimate, coverage(statuses), chance=0.5)
        records = [
            Record(
                id=item["id"],
                probe=self.id,
                item=item["id"],
                source=self.source,
                cluster=item["id"],
                input=item["text"],
                scores={"logprob": answer.logprob if isinstance(answer, Scored) else None},
                status=status,
                note=answer.reason if isinstance(answer, Failure) else None,
            )
            for item, answer, status in zip(items, found, statuses, strict=True)
        ]
        return Outcome(records, [measured], [self.finding(measured)])

    def finding(self, measured: Measurement) -> Finding:
        return Finding(
            id=f"{self.id}.rate",
            probe=self.id,
            risk=self.risk,
            outlook="unclear",
            severity="none",
            template="The rate was {share}.",
            values={"share": str(measured.value)},
            advice="None.",
            measurements=[measured.metric],
        )


def tiny(name: str, **members: Any) -> type[Tiny]:
    """A tiny probe of its own id, with other members."""
    return type(name.title().replace(".", ""), (Tiny,), {"id": name, **members})


class CountingModel(ScriptedModel):
    """Counts every request that it answers, and how many at a time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: Counter[Request] = Counter()
        self.sizes: list[int] = []

    def _count(self, requests: Sequence[Request]) -> None:
        self.asked.update(requests)
        self.sizes.append(len(requests))

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self._count(requests)
        return super().score(requests)

    def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
        self._count(requests)
        return super().score_tokens(requests)

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        self._count(requests)
        return super().generate(requests)

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        self._count(requests)
        return super().classify(requests)

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        self._count(requests)
        return super().embed(requests)

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        self._count(requests)
        return super().tabulate(requests)

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        self._count(requests)
        return super().inspect(requests)

    def time(self, requests: Sequence[Time]) -> list[Timed | Failure]:
        self._count(requests)
        return super().time(requests)

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        self._count(requests)
        return super().attend(requests)

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        self._count(requests)
        return super().attribute(requests)

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        self._count(requests)
        return super().ablate(requests)

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        self._count(requests)
        return super().states(requests)

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        self._count(requests)
        return super().lens(requests)

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        self._count(requests)
        return super().patch(requests)

    def substitute(self, requests: Sequence[Substitute]) -> list[Substituted | Failure]:
        self._count(requests)
        return [Failure("failed", "The script has no weights.") for _ in requests]


M = TypeVar("M", bound=ScriptedModel)


def with_known_weights(model: M) -> M:
    """A model of which later audits may use the answers: what it is made of is known and cannot have changed."""
    model.facts = model.facts.model_copy(update={"weights_sha256": "0" * 64})
    return model


def config(**blocks: Any) -> AuditConfig:
    """A checked config; the model's source is not used."""
    return AuditConfig.model_validate({"model": {"source": "script"}, **blocks})


def catalogue_of(*probes: type[Probe]) -> dict[str, type[Probe]]:
    """Probes by their ids, as the registry gives them."""
    return {probe.id: probe for probe in probes}


def audit(
    folder: Path,
    catalogue: Mapping[str, type[Probe]] | Sequence[type[Probe]],
    model: Model | None = None,
    *,
    cache: Path | None = None,
    progress: Any = None,
    settings: Mapping[str, Any] | None = None,
    **blocks: Any,
) -> AuditResult:
    """An audit into ``folder / "result"``, with its cache beside it unless another is given."""
    found = catalogue if isinstance(catalogue, Mapping) else catalogue_of(*catalogue)
    given = {"output": folder / "result", "data": DATA, **(settings or {})}
    chosen = RunSettings(cache=cache or folder / "cache.sqlite", **given)
    return run_audit(config(**blocks), model or ScriptedModel(), found, chosen, progress or Silent())[1]


def timeless(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``result.json`` without what two runs of one audit may differ in: times."""
    stripped = json.loads(json.dumps(content))
    for name in ("created", "seconds", "timings"):
        del stripped["manifest"][name]
    for probe in stripped["probes"]:
        del probe["seconds"]
    return dict(stripped)


def stored(folder: Path) -> dict[str, Any]:
    """``result.json`` without times, and the bytes of all records, as one value to compare."""
    content = timeless(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))
    return {"result": content, "records": {p.name: p.read_bytes() for p in sorted((folder / "records").iterdir())}}


def statuses(result: AuditResult) -> dict[str, str]:
    """Status of each probe by its id."""
    return {probe.id: probe.status for probe in result.probes}


def reasons(result: AuditResult) -> dict[str, str | None]:
    """Reason of each probe by its id."""
    return {probe.id: probe.reason for probe in result.probes}


def measurement(metric: str = "tiny.rate.rate", **changes: Any) -> Measurement:
    """A rate of one half."""
    fields: dict[str, Any] = {
        "metric": metric,
        "probe": "tiny.rate",
        "label": "A rate",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "n": 100,
        "unit": "rate",
        "direction": "lower_is_better",
        "coverage": Coverage(planned=100, scored=100),
    }
    return Measurement(**{**fields, **changes})


def probe_run(name: str = "tiny.rate", status: str = "done", reason: str | None = None, **changes: Any) -> ProbeRun:
    """How one probe went."""
    told = ("title", "risk", "purpose", "method", "citation", "limits", "source", "licence")
    fields: dict[str, Any] = {"id": name, **dict.fromkeys(told, "text"), "capabilities": ["score"]}
    return ProbeRun.model_validate({**fields, "status": status, "reason": reason, **changes})


def record(name: str = "1", **changes: Any) -> Record:
    """One piece of evidence."""
    fields: dict[str, Any] = {"id": name, "probe": "tiny.rate", "item": "1", "source": "tests", "cluster": "1"}
    return Record(**{**fields, "input": "Text.", **changes})


def result_of(*measurements: Measurement, name: str = "scripted", **changes: Any) -> AuditResult:
    """An audit with these measurements."""
    manifest = Manifest(
        audit_id="0" * 64,
        tool_version="0",
        created="2026-01-01T00:00:00Z",
        seed=0,
        suite="quick",
        confidence=0.95,
        config={},
        command="audit run model.yaml",
        python="3.11",
        platform="Linux",
        packages={},
    )
    fields: dict[str, Any] = {
        "model": ModelFacts(name=name, source="script", kind="scripted", pinned=True),
        "manifest": manifest,
        "probes": [probe_run()],
        "measurements": list(measurements),
        "findings": [],
        "gates": [],
        "verdict": Verdict(status="no_gates", exit_status=0, text="No gates were set."),
    }
    return AuditResult(**{**fields, **changes})
