"""The life of a run: plan, pool, answer, measure, judge, write. Reports are drawn later, from the folder alone."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.cache import ResponseCache
from audit.config import AuditConfig
from audit.declared import declarations, mismatches
from audit.execution import Answers, Executor, Local
from audit.gates import judge, verdict
from audit.judging import Judges, open_judge
from audit.manifest import (
    WHERE,
    audit_id,
    identity,
    machine,
    package_versions,
    peak_memory,
    python_version,
    tool_version,
)
from audit.models import Failure, Judge, MeterStarter, Model, Request, SaysWhyNot, Spent
from audit.models.energy import CodeCarbonMeter, metered
from audit.models.threads import hardware
from audit.planning import Planned, describe, plan, told
from audit.progress import Progress
from audit.results import (
    AuditResult,
    Finding,
    Manifest,
    Measurement,
    ProbeRun,
    with_examples,
    write_records,
    write_result,
)
from audit.results.withholding import Withholding, hash_key
from audit.runfolder import note_state, open_folder
from probes.base import Context, Outcome, Probe

MOST_ROUNDS = 100  # a probe that still asks something new after so many will never end


@dataclass(frozen=True)
class RunSettings:
    """What a run needs besides config and model.

    ``output`` is the result folder, or None for a new folder below ``audits``. ``resume`` goes on with the last
    unfinished run of the same audit.
    """

    cache: Path
    output: Path | None = None
    data: Path | None = None
    limit: int | None = None
    resume: bool = False
    baseline: AuditResult | None = None
    config_file: str = "model.yaml"
    command: str = "audit run"
    opened_seconds: float = 0.0


@dataclass
class _Work:
    """A probe on its way: what it asked, what it found, or why it stopped."""

    planned: Planned
    stated: set[Request] = field(default_factory=set)
    outcome: Outcome | None = None
    problem: tuple[str, str] | None = None
    seconds: float = 0.0


def run_audit(
    config: AuditConfig,
    model: Model,
    probes: Mapping[str, type[Probe]],
    settings: RunSettings,
    progress: Progress,
    executor: Executor | None = None,
    judge_opener: Callable[[str], Model] = open_judge,
    meter: MeterStarter = CodeCarbonMeter,
) -> tuple[Path, AuditResult]:
    """Audit ``model`` and write the result folder.

    ``executor`` computes the batches, here where None; ``judge_opener`` opens the other models that
    probes' options name, by these names; ``meter`` starts what reads the audit's energy, where a probe asks for it.

    Returns:
        The folder, with ``result.json``, ``manifest.json`` and the records, and what ``result.json`` holds. A probe
        that fails does not stop the others; the verdict then says that the audit is incomplete.

    Raises:
        CacheError: where the cache cannot be opened.
        OSError: where the result folder cannot be written.
    """
    start = time.perf_counter()
    lacks = model.lacks if isinstance(model, SaysWhyNot) else {}
    planned = plan(
        config, probes, model.capabilities, settings.data, settings.limit, lacks, model.facts.dtype, hardware()
    )
    parts = identity(model, planned, config)
    folder, created = open_folder(settings.output, settings.resume, model.facts.name, audit_id(parts))
    progress.say(f"Auditing {model.facts.name} with {len(planned)} probes into {folder}")
    works = [_Work(p, problem=p.problem) for p in planned]
    answers = Answers(executor=executor or Local())
    # Where the weights are not known, they may have changed since an earlier audit: answers are this run's alone.
    lasting = model.facts.weights_sha256 is not None or config.model.endpoint.keep_answers
    run = f"{created} {folder.resolve()}"
    key = model.fingerprint + ("" if lasting else run)
    judges = Judges(settings.cache, progress, judge_opener, run)
    wanted = any(p.probe.metered and p.problem is None for p in planned)
    with (
        metered(meter if wanted else None) as spent,
        ResponseCache(settings.cache, key, model.facts.name, model.facts.weights_sha256) as cache,
    ):
        _work_through(works, model, cache, answers, judges, progress, spent)
    result = _result(config, model, works, settings, parts, created, judges)
    for sentence in mismatches(result.model.declarations):
        progress.say(sentence)
    seconds = time.perf_counter() - start
    timings = {"open_model": round(settings.opened_seconds, 3), "audit": round(seconds, 3)}
    manifest = result.manifest.model_copy(update={"seconds": round(seconds, 3), "timings": timings})
    result = result.model_copy(update={"manifest": manifest})
    withholding = Withholding(hash_key(os.environ))
    result = withholding.result(result)
    _write(folder, result, works, answers, withholding)
    complete = not any(work.problem is not None and work.problem[0] == "failed" for work in works)
    note_state(folder, audit_id(parts), created, complete)
    return folder, result


def _work_through(
    works: Sequence[_Work],
    model: Model,
    cache: ResponseCache,
    answers: Answers,
    judges: Judges,
    progress: Progress,
    spent: Callable[[], Spent | None],
) -> None:
    """Answer and measure all probes, those that follow others after them."""
    pending = [w for w in works if w.problem is None]
    while pending:
        ids = {w.planned.probe.id for w in pending}
        ready = [w for w in pending if not any(w.planned.probe.comes_after(i) for i in ids)]
        if not ready:  # probes that wait for one another; none of them can be first
            for work in pending:
                work.problem = ("failed", "It follows a probe that follows it.")
            return
        earlier = {w.planned.probe.id: w.outcome for w in works if w.outcome is not None}
        for work in ready:
            follows = {i: outcome for i, outcome in earlier.items() if work.planned.probe.comes_after(i)}
            work.planned = replace(work.planned, context=replace(work.planned.context, earlier=follows))
        _answer(ready, model, cache, answers, judges, progress)
        for work in ready:
            if work.planned.probe.metered:
                work.planned = replace(work.planned, context=_with_energy(work.planned.context, spent(), answers))
            _measure(work, answers)
        pending = [w for w in pending if w not in ready]


def _with_energy(context: Context, spent: Spent | None, answers: Answers) -> Context:
    """What the audit used until now, and for how many answers."""
    if spent is not None:
        spent = replace(spent, computed=answers.counts["computed"], from_cache=answers.counts["from_cache"])
    return replace(context, spent=spent)


def _answer(
    works: Sequence[_Work],
    model: Model,
    cache: ResponseCache,
    answers: Answers,
    judges: Judges,
    progress: Progress,
) -> None:
    """Ask each probe what it needs, answer what is new for all together, and ask again until nothing is."""
    for _ in range(MOST_ROUNDS):
        new: dict[Request, None] = {}
        for work in works:
            if work.problem is None:
                new.update(dict.fromkeys(r for r in _stated(work, answers) if r not in answers.responses))
        if not new:
            return
        judged = [request for request in new if isinstance(request, Judge)]
        answers.fill(model, cache, (request for request in new if not isinstance(request, Judge)), progress)
        answers.responses.update(judges.answer(judged))
        answers.seconds.update({request: judges.seconds.get(request, 0.0) for request in judged})
    for work in works:
        if work.problem is None and any(r not in answers.responses for r in _stated(work, answers)):
            work.problem = ("failed", f"It still asks something new after {MOST_ROUNDS} rounds.")


def _stated(work: _Work, answers: Answers) -> Sequence[Request]:
    start = time.perf_counter()
    planned = work.planned
    try:
        stated = list(planned.probe.requests(planned.items, planned.context, answers.responses))
        strange = next((r for r in stated if not isinstance(r, Request)), stated)
        if strange is not stated:
            raise TypeError(f"it stated a {type(strange).__name__}, which is no request")
    except Exception as error:
        # A probe is somebody's code; its failure is reported and must not take the audit down.
        work.problem = ("failed", told(error))
        return ()
    finally:
        work.seconds += time.perf_counter() - start
    work.stated.update(stated)
    return stated


def _measure(work: _Work, answers: Answers) -> None:
    start = time.perf_counter()
    left = len(work.stated & answers.unanswered)
    if work.problem is None and left:
        told_ = f"{answers.stopped} {len(work.stated) - left} of its {len(work.stated)} requests were answered."
        work.problem = ("failed", f"{told_} They are kept; --resume asks for the rest.")
    if work.problem is None:
        planned = work.planned
        try:
            found = planned.probe.measure(planned.items, planned.context, answers.responses)
            _check_metrics(planned.probe.id, found)
            failures = [r for r in (answers.responses[request] for request in work.stated) if isinstance(r, Failure)]
            work.problem = _nothing_answered(failures, len(work.stated))
            findings = with_examples(found.findings, found.measurements, found.records)
            told_why = [_with_cause(m, failures) for m in found.measurements]
            work.outcome = replace(found, measurements=told_why, findings=findings)
        except Exception as error:
            work.problem = ("failed", told(error))
    work.seconds += time.perf_counter() - start
    work.seconds += sum(answers.seconds.get(request, 0.0) for request in work.stated)


def _nothing_answered(failures: Sequence[Failure], stated: int) -> tuple[str, str] | None:
    """The problem of a probe all whose requests failed for a fault of the model: to call that done would hide it."""
    faults = [f for f in failures if f.status in ("failed", "not_a_number")]
    if not stated or len(faults) < stated:
        return None
    return "failed", f"None of its {stated:,} requests could be answered: {_commonest(faults)}"


def _with_cause(m: Measurement, failures: Sequence[Failure]) -> Measurement:
    """A measurement for which nothing could be scored, with the commonest cause."""
    if m.value is not None or not failures or not m.coverage.planned or m.coverage.scored:
        return m
    return m.model_copy(update={"reason": f"{m.reason}. {_commonest(failures)}".replace("..", ".")})


def _commonest(failures: Sequence[Failure]) -> str:
    return Counter(f.reason for f in failures).most_common(1)[0][0]


def _check_metrics(probe: str, found: Outcome) -> None:
    names = [m.metric for m in found.measurements]
    wrong = [n for n in names if not n.startswith(f"{probe}.") or names.count(n) > 1]
    if wrong:
        raise ValueError(f"{wrong[0]} is measured twice or is no metric of {probe}")


def _result(
    config: AuditConfig,
    model: Model,
    works: Sequence[_Work],
    settings: RunSettings,
    parts: Mapping[str, str],
    created: str,
    judges: Judges,
) -> AuditResult:
    runs: list[ProbeRun] = []
    measurements: list[Measurement] = []
    findings: list[Finding] = []
    for work in works:
        status, reason = work.problem or ("done", None)
        records = len(work.outcome.records) if work.outcome else 0
        runs.append(describe(work.planned, status, reason, work.seconds, records))
        if work.outcome:
            measurements += work.outcome.measurements
            findings += work.outcome.findings
    gates = judge(config.gates, measurements, runs, settings.baseline, config.run.confidence)
    stated = [request for work in works for request in work.stated]
    return AuditResult(
        model=model.facts.model_copy(update={"declarations": declarations(config.card)}),
        manifest=Manifest(
            audit_id=audit_id(parts),
            identity=dict(parts),
            tool_version=tool_version(),
            created=created,
            seed=config.run.seed,
            suite=config.suite,
            confidence=config.run.confidence,
            config=config.model_dump(mode="json", exclude_none=True, exclude=WHERE),
            config_file=settings.config_file,
            command=settings.command,
            python=python_version(),
            platform=machine(),
            packages=package_versions(),
            items={w.planned.probe.id: w.planned.items_hash for w in works if w.planned.items},
            requests={"stated": len(stated), "unique": len(set(stated))},
            judges=judges.weights,
        ),
        probes=runs,
        measurements=measurements,
        findings=findings,
        gates=gates,
        verdict=verdict(gates, runs, config.run.on_inconclusive),
    )


def _write(
    folder: Path, result: AuditResult, works: Sequence[_Work], answers: Answers, withholding: Withholding
) -> None:
    """Records first and the result last: a folder with a result is complete."""
    for work in works:
        if work.outcome:
            told = [withholding.record(r, work.outcome.private.get(r.id, ())) for r in work.outcome.records]
            write_records(folder, work.planned.probe.id, told)
    cost: dict[str, float] = {name: answers.counts[name] for name in ("from_cache", "computed")}
    write_result(folder, result, {**cost, "peak_memory_bytes": peak_memory()})
