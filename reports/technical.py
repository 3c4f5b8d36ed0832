"""The technical report: every number, every prompt and every answer, for the people who build or check models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.results.folder import to_json
from audit.results.schema import AuditResult, Finding, Measurement, ProbeRun, Record
from reports.charts import Chart, dot_whisker
from reports.claims import Part, parts_of
from reports.declared import declared_in
from reports.document import document
from reports.evidence import anchor, by_concern, ordered, packed
from reports.explained import SCRIPTS as EXPLAINING
from reports.explained import STYLES, explained
from reports.languages import SOURCE
from reports.mapping import evidence as provisions
from reports.text import cleaned, slug

LONGEST_TEXT = 4000
PLAIN_RECORDS = 20
MOST_NAMED = 3
SCRIPTS = (EXPLAINING[0], "records.js", *EXPLAINING[1:], "downloads.js")


@dataclass(frozen=True)
class ProbeView:
    """One probe with all that was measured."""

    run: ProbeRun
    measurements: list[Measurement]
    charts: list[Chart]
    findings: list[tuple[Finding, list[str]]]
    advice: list[str]
    worst: list[tuple[str, Record, list[Part]]]
    records: int


def _charts(number: int, run: ProbeRun, measurements: Sequence[Measurement]) -> list[Chart]:
    """One chart for the whole values of each unit, then one for each metric that was sliced."""
    families: dict[str, list[Measurement]] = {}
    for m in measurements:
        if m.slice is None:
            families.setdefault(f"{run.title} ({m.unit})", []).append(m)
    for m in measurements:
        if m.slice is not None:
            base = m.metric.split("[")[0]
            whole = [o for o in measurements if o.metric == base]
            families.setdefault(f"{m.label} ({base}, {m.unit})", whole).append(m)
    drawn = (
        dot_whisker(f"chart-{number}-{index}-{slug(run.id)}", title, family)
        for index, (title, family) in enumerate(families.items())
    )
    return [chart for chart in drawn if chart is not None]


def _named(finding: Finding, own: Sequence[Record]) -> list[str]:
    """The places of the records that a finding names."""
    places = {record.id: anchor(record) for record in own}
    return [places[name] for name in finding.records[:MOST_NAMED] if name in places]


def _probe_views(
    shown: AuditResult, findings: Sequence[Finding], records: Mapping[str, Sequence[Record]]
) -> list[ProbeView]:
    views = []
    for position, run in enumerate(shown.probes):
        measurements = [m for m in shown.measurements if m.probe == run.id]
        own = records.get(run.id, ())
        worst = [
            (anchor(record), cleaned(record, LONGEST_TEXT), parts_of(record, LONGEST_TEXT))
            for record in by_concern(own)[:PLAIN_RECORDS]
        ]
        # The ids of records are compared as they are stored, not as they are shown.
        said = [(f, _named(raw, own)) for f, raw in zip(shown.findings, findings, strict=True) if f.probe == run.id]
        advice = list(dict.fromkeys(f.advice for f, _ in said if f.advice))
        charts = _charts(position, run, measurements)
        views.append(ProbeView(run, measurements, charts, said, advice, worst, len(own)))
    return views


def render_report(
    result: AuditResult,
    records: Mapping[str, Sequence[Record]],
    languages: Sequence[str] = (SOURCE,),
) -> str:
    """The whole ``report.html``, in all these languages; the same result always gives the same bytes.

    Raises:
        ValueError: for a language without a catalogue.
    """
    shown = cleaned(result, LONGEST_TEXT)
    every = ordered(result, records)
    content = {
        "result": shown,
        "model": shown.model,
        "manifest": shown.manifest,
        "config": to_json(shown.manifest.config),
        "probes": _probe_views(shown, result.findings, records),
        "gates": [(gate, shown.measurement(gate.metric)) for gate in shown.gates],
        "views": explained(every),
        "linked": True,
        "total": len(every),
        "evidence": packed(every),
        "declared": declared_in(shown.model),
        "law": provisions(shown),
        "raw": result.model_dump(mode="json"),
    }
    return document("report.html", content, languages, STYLES, SCRIPTS)
