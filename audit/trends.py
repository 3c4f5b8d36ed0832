"""Results over time: the audits of each model in a folder, what changed between them, and how its gated metrics went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.comparison import compare, why_missing
from audit.results import (
    RESULT_FILE,
    AuditResult,
    Difference,
    LeftOut,
    Occasion,
    Point,
    Record,
    ResultError,
    Series,
    Trend,
    questions_changed,
    read_records,
    read_result,
    what_changed,
)


@dataclass(frozen=True)
class Found:
    """A result and the folder that it lies in; ``name`` is the folder below the one that was searched."""

    folder: Path
    name: str
    result: AuditResult


def gather(folder: Path) -> tuple[list[Found], list[LeftOut]]:
    """All results below a folder, and those that cannot be read, each with one sentence.

    A copy of a result (of one audit id and moment) is left out as well, for it is no second audit.
    """
    found: dict[tuple[str, str], Found] = {}
    left: list[LeftOut] = []
    for path in sorted(folder.rglob(RESULT_FILE)):
        name = path.parent.relative_to(folder).as_posix()
        try:
            result = read_result(path)
        except ResultError as error:
            left.append(LeftOut(folder=name, reason=str(error)))
            continue
        key = (result.manifest.audit_id, result.manifest.created)
        if key in found:
            left.append(LeftOut(folder=name, reason=f"It is a copy of {found[key].name}."))
        else:
            found[key] = Found(path.parent, name, result)
    return list(found.values()), left


def trends(found: Sequence[Found], metrics: Collection[str] = ()) -> list[Trend]:
    """One trend for each model's name, the names in order, the audits of each from the oldest to the newest.

    Args:
        found: the results.
        metrics: full names of metrics besides the gated ones of the newest audit.
    """
    names = sorted({f.result.model.name for f in found})
    return [_trend(name, [f for f in found if f.result.model.name == name], metrics) for name in names]


def _trend(name: str, found: Sequence[Found], metrics: Collection[str]) -> Trend:
    ordered = sorted(found, key=lambda f: (f.result.manifest.created, f.name))
    results = [f.result for f in ordered]
    known = {m.metric for result in results for m in result.measurements}
    gated = [gate.metric for gate in results[-1].gates]
    chosen = list(dict.fromkeys([*gated, *(metric for metric in metrics if metric in known)]))
    changes = _last_changes(ordered, chosen)
    before: list[AuditResult | None] = [None, *results[:-1]]
    return Trend(
        model=name,
        audits=tuple(_occasion(f, earlier) for f, earlier in zip(ordered, before, strict=True)),
        series=tuple(_series(metric, results, changes.get(metric)) for metric in chosen),
    )


def _last_changes(ordered: Sequence[Found], metrics: Collection[str]) -> dict[str, Difference]:
    """The last audit against the one before, for these metrics together."""
    if len(ordered) < 2 or not metrics:
        return {}
    pair = ordered[-2:]

    def records(place: int, probe: str) -> Sequence[Record]:
        return read_records(pair[place].folder, probe)

    compared = compare([f.result for f in pair], records, metrics)
    return {row.metric: difference for row in compared.rows for difference in row.differences if difference is not None}


def _occasion(found: Found, before: AuditResult | None) -> Occasion:
    manifest = found.result.manifest
    return Occasion(
        folder=found.name,
        created=manifest.created,
        audit_id=manifest.audit_id,
        suite=manifest.suite,
        seed=manifest.seed,
        confidence=manifest.confidence,
        tool_version=manifest.tool_version,
        changes=() if before is None else what_changed(before, found.result),
    )


def _series(metric: str, results: Sequence[AuditResult], change: Difference | None) -> Series:
    """One metric over all audits; what it is called, and which way is good, is as in the newest that measured it."""
    found = [result.measurement(metric) for result in results]
    latest = next((m for m in reversed(found) if m is not None), None)
    probe = latest.probe if latest else _probe_of(metric, results)
    last: AuditResult | None = None
    points = []
    for result, m in zip(results, found, strict=True):
        points.append(
            Point(
                measurement=m,
                reason=why_missing(result, metric, probe),
                gates=tuple(gate for gate in result.gates if gate.metric == metric),
                questions=None if last is None else questions_changed(last, result, probe),
            )
        )
        last = result if probe in result.manifest.items else last
    return Series(
        metric=metric,
        label=latest.label if latest else metric,
        slice=latest.slice if latest else None,
        unit=latest.unit if latest else "",
        direction=latest.direction if latest else "descriptive",
        points=tuple(points),
        change=change,
    )


def _probe_of(metric: str, results: Sequence[AuditResult]) -> str:
    """The id of the probe that a metric of that name is of, measured or not."""
    known = {run.id for result in results for run in result.probes}
    return max((name for name in known if metric.startswith(f"{name}.")), key=len, default=metric)
