"""The life of a run: plan, pool, answer, measure, judge, write. Reports are drawn later, from the folder alone."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit.baselines import Against, Opened
from audit.cache import ResponseCache
from audit.config import AuditConfig
from audit.declared import declarations, mismatches
from audit.durations import seconds_of
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
from audit.models import Failure, MeterStarter, Model, SaysWhyNot, Spent
from audit.models.energy import CodeCarbonMeter, metered
from audit.models.threads import hardware
from audit.planning import describe, plan, told
from audit.progress import Progress
from audit.results import (
    AuditResult,
    Budget,
    Finding,
    Manifest,
    Measurement,
    ProbeRun,
    Record,
    with_examples,
    write_records,
    write_result,
)
from audit.results.withholding import Withholding, hash_key
from audit.rounds import Pool, Work
from audit.runfolder import note_state, open_folder
from audit.timeboxing import Timebox
from probes.base import Context, Outcome, Probe


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
    baseline: Opened | None = None
    config_file: str = "model.yaml"
    command: str = "audit run"
    opened_seconds: float = 0.0


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
    given = None if config.run.budget is None else seconds_of(config.run.budget)
    # What a time lets an audit draw is not known yet; it is found again by what was asked for.
    asked = audit_id(parts if given is None else {**parts, "budget": str(given)})
    folder, created = open_folder(settings.output, settings.resume, model.facts.name, asked)
    progress.say(f"Auditing {model.facts.name} with {len(planned)} probes into {folder}")
    works = [Work(p, problem=p.problem) for p in planned]
    answers = Answers(executor=executor or Local(), sparing=given is not None)
    run = f"{created} {folder.resolve()}"
    judges = Judges(settings.cache, progress, judge_opener, run)
    wanted = any(p.probe.metered and p.problem is None for p in planned)
    with (
        metered(meter if wanted else None) as spent,
        _kept(config, model, settings.cache, run) as cache,
    ):
        pool = Pool(model, cache, answers, judges, progress)
        gone = settings.opened_seconds + time.perf_counter() - start
        box = None if given is None else Timebox(given, gone, pool)
        _work_through(works, pool, box, spent)
    if box is not None:
        parts = identity(model, [work.planned for work in works], config)
    withholding = Withholding(hash_key(os.environ))
    result = _result(config, model, works, settings, parts, created, judges, withholding)
    for sentence in mismatches(result.model.declarations):
        progress.say(sentence)
    opened, seconds = settings.opened_seconds, time.perf_counter() - start
    result = _timed(result, opened, seconds, None if box is None else box.told(works, planned, opened + seconds))
    result = withholding.result(result)
    _write(folder, result, works, answers, withholding)
    complete = not any(work.problem is not None and work.problem[0] == "failed" for work in works)
    note_state(folder, asked, created, complete)
    return folder, result


def _kept(config: AuditConfig, model: Model, path: Path, run: str) -> ResponseCache:
    """The answers that are kept. Where the weights are not known, they may have changed since an earlier audit: answers are
    then this run's alone."""
    lasting = model.facts.weights_sha256 is not None or config.model.endpoint.keep_answers
    key = model.fingerprint + ("" if lasting else run)
    return ResponseCache(path, key, model.facts.name, model.facts.weights_sha256)


def _work_through(works: Sequence[Work], pool: Pool, box: Timebox | None, spent: Callable[[], Spent | None]) -> None:
    """Answer and measure all probes, those that follow others after them; ``box`` chooses how much they draw."""
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
        if box is not None:
            box.fit(ready, [w for w in pending if w not in ready])
        pool.answer(ready)
        for work in ready:
            if work.planned.probe.metered:
                work.planned = replace(work.planned, context=_with_energy(work.planned.context, spent(), pool.answers))
            _measure(work, pool.answers)
        pending = [w for w in pending if w not in ready]


def _with_energy(context: Context, spent: Spent | None, answers: Answers) -> Context:
    """What the audit used until now, and for how many answers."""
    if spent is not None:
        spent = replace(spent, computed=answers.counts["computed"], from_cache=answers.counts["from_cache"])
    return replace(context, spent=spent)


def _measure(work: Work, answers: Answers) -> None:
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
        except (Exception, SystemExit) as error:  # sys.exit(0) in a probe would pass the audit
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
    works: Sequence[Work],
    settings: RunSettings,
    parts: Mapping[str, str],
    created: str,
    judges: Judges,
    withholding: Withholding,
) -> AuditResult:
    runs: list[ProbeRun] = []
    measurements: list[Measurement] = []
    findings: list[Finding] = []
    for work in works:
        status, reason = work.problem or ("done", None)
        statuses = [record.status for record in work.outcome.records] if work.outcome else []
        runs.append(describe(work.planned, status, reason, work.seconds, statuses))
        if work.outcome:
            measurements += work.outcome.measurements
            findings += work.outcome.findings
    against = _against(config, works, settings, parts, judges, withholding)
    gates = judge(config.gates, measurements, runs, against, config.run.confidence)
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
            items=_items(works),
            requests={"stated": len(stated), "unique": len(set(stated))},
            judges=judges.weights,
            baseline=settings.baseline.told if settings.baseline is not None else None,
        ),
        probes=runs,
        measurements=measurements,
        findings=findings,
        gates=gates,
        verdict=verdict(gates, runs, config.run.on_inconclusive),
    )


def _timed(result: AuditResult, opened: float, seconds: float, budget: Budget | None) -> AuditResult:
    """The result with how long it took, and what became of the time that it was to be fitted to."""
    timings = {"open_model": round(opened, 3), "audit": round(seconds, 3)}
    update = {"seconds": round(seconds, 3), "timings": timings, "budget": budget}
    return result.model_copy(update={"manifest": result.manifest.model_copy(update=update)})


def _items(works: Sequence[Work]) -> dict[str, str]:
    return {w.planned.probe.id: w.planned.items_hash for w in works if w.planned.items}


def _against(
    config: AuditConfig,
    works: Sequence[Work],
    settings: RunSettings,
    parts: Mapping[str, str],
    judges: Judges,
    withholding: Withholding,
) -> Against | None:
    """The baseline against this audit, whose records are compared as they will be written."""
    if settings.baseline is None:
        return None
    outcomes = {w.planned.probe.id: w.outcome for w in works if w.outcome is not None}

    def records(probe: str) -> list[Record]:
        return [withholding.record(record) for record in outcomes[probe].records] if probe in outcomes else []

    asked = config.model_dump(mode="json", exclude_none=True, exclude=WHERE)
    return Against(settings.baseline.baseline, records, asked, _items(works), parts.get("code"), judges.weights)


def _write(
    folder: Path, result: AuditResult, works: Sequence[Work], answers: Answers, withholding: Withholding
) -> None:
    """Records first and the result last: a folder with a result is complete."""
    for work in works:
        if work.outcome:
            told = [withholding.record(r, work.outcome.private.get(r.id, ())) for r in work.outcome.records]
            write_records(folder, work.planned.probe.id, told)
    cost: dict[str, float] = {name: answers.counts[name] for name in ("from_cache", "computed")}
    write_result(folder, result, {**cost, "peak_memory_bytes": peak_memory()})
