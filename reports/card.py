"""The model card: one page for a person who decides about a model and knows no statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.results.mitigation import Mitigation
from audit.results.schema import AuditResult, Finding, Measurement, Record
from reports.amounts import kind
from reports.claims import Part, parts_of
from reports.declared import declared_in
from reports.document import document
from reports.evidence import anchor
from reports.flagged import Shown, shown_decision
from reports.languages import SOURCE
from reports.mapping import evidence as provisions
from reports.mitigation import in_box
from reports.risks import RiskView, groups_seen, nist_checklist, numbers_behind, risk_views, worst_record
from reports.text import cleaned

LONGEST_TEXT = 1200
MOST_FINDINGS = 5
MOST_NUMBERS = 2
MOST_GATES = 60


@dataclass(frozen=True)
class Told:
    """A finding with the numbers that carry it; ``place`` is where the technical report has the others."""

    finding: Finding
    numbers: list[Measurement]
    more: int
    place: str


@dataclass(frozen=True)
class Section:
    """One risk as the card shows it; ``advice`` holds each piece of advice once, ``parts`` the example's answer.

    ``explained`` is the one decision whose explanation the card shows, under the risk of explainability. ``groups``: those
    for which a problem was seen, as they are called in the records.
    """

    view: RiskView
    findings: list[Told]
    more: int
    advice: list[str]
    example: Record | None
    anchor: str | None
    parts: list[Part]
    explained: Shown | None
    groups: list[str]


def _section(
    shown: AuditResult, view: RiskView, example: Record | None, explained: Shown | None, groups: list[str]
) -> Section:
    places = {run.id: f"probe-{number}" for number, run in enumerate(shown.probes, start=1)}
    findings = [
        Told(f, *numbers_behind(f, shown, MOST_NUMBERS), places[f.probe]) for f in view.findings[:MOST_FINDINGS]
    ]
    return Section(
        view=view,
        findings=findings,
        more=max(len(view.findings) - MOST_FINDINGS, 0),
        advice=list(dict.fromkeys(told.finding.advice for told in findings if told.finding.advice)),
        example=None if example is None else cleaned(example, LONGEST_TEXT),
        anchor=None if example is None else anchor(example),
        parts=[] if example is None else parts_of(example, LONGEST_TEXT),
        explained=explained,
        groups=groups,
    )


def _explained(view: RiskView, records: Mapping[str, Sequence[Record]]) -> Shown | None:
    if view.key != "explainability":
        return None
    return shown_decision([record for probe in view.done for record in records.get(probe.id, ())])


def render_card(
    result: AuditResult,
    records: Mapping[str, Sequence[Record]],
    mitigation: Mitigation | None = None,
    languages: Sequence[str] = (SOURCE,),
) -> str:
    """The whole ``card.html``; the same result always gives the same bytes.

    ``mitigation``: the remedies that were tried for this audit, of which the section on bias then tells.
    ``languages``: the page holds them all, and a switch where they are several.

    Raises:
        ValueError: for a language without a catalogue.
    """
    box = in_box(mitigation)
    shown = cleaned(result, LONGEST_TEXT)
    risks = [
        _section(shown, view, worst_record(raw, records), _explained(raw, records), groups_seen(raw, result, records))
        for raw, view in zip(risk_views(result), risk_views(shown), strict=True)
    ]
    carried = [m for risk in risks for told in risk.findings for m in told.numbers]
    content = {
        "result": shown,
        "model": shown.model,
        "manifest": shown.manifest,
        "risks": risks,
        "problems": sum(risk.view.outlook == "problem_found" for risk in risks),
        "odds": any(kind(m.unit) == "odds" and m.value is not None for m in carried),
        "gates": [(gate, shown.measurement(gate.metric)) for gate in shown.gates[:MOST_GATES]],
        "gates_left_out": max(len(shown.gates) - MOST_GATES, 0),
        "nist": nist_checklist(shown),
        "declared": declared_in(shown.model),
        "law": provisions(shown),
        "remedies": box,
    }
    styles = ("base.css", "card.css", "tokens.css", *(("mitigation.css",) if box else ()))
    return document("card.html", content, languages, styles)
