"""The audit on one page of a CI job, as Markdown: ``cat summary.md >> "$GITHUB_STEP_SUMMARY"``."""

from __future__ import annotations

from audit.results import AuditResult, Finding
from reports.exports.markdown import code, inline, table
from reports.exports.tables import OUTLOOKS, coverage_notes, gate_table
from reports.exports.text import SEVERITY_ORDER, sentence

_TEXT_LIMIT = 600
_MOST_NOTES = 20
_ALWAYS_NAMED = ("bias", "hallucination", "misinformation", "explainability")
_VERDICTS = {
    "met": "✅ Every gate met",
    "not_met": "❌ A gate is not met",
    "not_established": "❔ A gate is not established",
    "no_gates": "No gates were set",
    "incomplete": "❌ The audit is incomplete",
}


def render_summary(result: AuditResult) -> str:
    """The verdict, the gates, the findings by risk, what was not tested, and where to read more."""
    lines = [f"# Audit of {inline(result.model.name, 200)}", ""]
    lines += [f"**{_verdict(result)}.** {inline(result.verdict.text, _TEXT_LIMIT)}", ""]
    if result.verdict.coverage is not None:
        lines += [f"Coverage of all probes: {result.verdict.coverage.text}", ""]
    lines += [_what_was_audited(result), ""]
    lines += _budget(result)
    lines += ["## Gates", "", *_gates(result), ""]
    lines += ["## Findings by risk", "", *_findings(result)]
    lines += ["## Not tested", "", *_not_tested(result), ""]
    lines += ["## Coverage", "", *_coverage(result), ""]
    lines += ["## Where to read more", "", *_files(), ""]
    return "\n".join(lines)


def _verdict(result: AuditResult) -> str:
    if result.verdict.exit_status == 4:
        return "❌ A gate is not established, and the config counts that as a failure"
    return _VERDICTS[result.verdict.status]


def _what_was_audited(result: AuditResult) -> str:
    model, manifest = result.model, result.manifest
    revision = f"revision {code(model.revision)}" if model.revision else "no revision named"
    pinned = "" if model.pinned else " **The model is not pinned: these numbers may be of other weights tomorrow.**"
    return (
        f"Model {code(model.source)}, {revision}. Suite {code(manifest.suite)}, seed {manifest.seed}, "
        f"fairwitness {inline(manifest.tool_version)}, {inline(manifest.created)}.{pinned}"
    )


def _budget(result: AuditResult) -> list[str]:
    """What a time that the audit was fitted to left out."""
    budget = result.manifest.budget
    if budget is None:
        return []
    rows = [
        [code(one.probe), f"{one.drawn} of {one.would_draw}", f"{one.kinds} of {one.kinds_there}", f"{one.wider:.1f}"]
        for one in budget.cut
    ]
    if not rows:
        return [budget.text, ""]
    heads = ["Probe", "Items drawn", "Kinds of items", "Intervals about so many times as wide"]
    return [
        budget.text,
        "",
        "<details><summary>How much each probe drew</summary>",
        "",
        *table(heads, rows),
        "",
        "</details>",
        "",
    ]


def _gates(result: AuditResult) -> list[str]:
    if not result.gates:
        return ["No gates were set, so this audit measures without passing or failing the model."]
    return gate_table(result)


def _findings(result: AuditResult) -> list[str]:
    if not result.findings:
        return ["No findings were written.", ""]
    lines: list[str] = []
    for risk in dict.fromkeys(finding.risk for finding in result.findings):
        found = [finding for finding in result.findings if finding.risk == risk]
        lines += [f"### {inline(risk.replace('_', ' ').capitalize(), 200)}", ""]
        lines += [_finding(finding) for finding in sorted(found, key=lambda f: SEVERITY_ORDER[f.severity])]
        lines.append("")
    return lines


def _finding(finding: Finding) -> str:
    severity = f" ({finding.severity})" if finding.outlook == "problem_found" and finding.severity != "none" else ""
    advice = f" {inline(finding.advice, _TEXT_LIMIT)}" if finding.advice else ""
    return f"- **{OUTLOOKS[finding.outlook]}{severity}:** {inline(sentence(finding), _TEXT_LIMIT)}{advice}"


def _not_tested(result: AuditResult) -> list[str]:
    words = {"not_applicable": "not applicable to this model", "failed": "failed"}
    rows: list[list[str]] = [
        [f"{inline(probe.title, 200)} {code(probe.id)}", words[probe.status], inline(probe.reason or "", _TEXT_LIMIT)]
        for probe in result.probes
        if probe.status != "done"
    ]
    rows += [
        [f"{inline(m.label, 200)} {code(m.metric)}", "no value", inline(m.reason or "", _TEXT_LIMIT)]
        for m in result.measurements
        if m.value is None and m.slice is None
    ]
    asked = {probe.risk for probe in result.probes}
    rows += [
        [risk.capitalize(), "not asked", "No probe of this run asks about it."]
        for risk in _ALWAYS_NAMED
        if risk not in asked
    ]
    if rows:
        return table(["What", "Outcome", "Why"], rows)
    return ["Every probe that was asked for ran. What no probe asks about is not tested."]


def _coverage(result: AuditResult) -> list[str]:
    notes = coverage_notes(result)
    notes += [
        f"{code(probe.id)}: {probe.items} of {probe.available} items of its source were drawn."
        for probe in result.probes
        if probe.status == "done" and probe.items < probe.available
    ]
    lines = [f"- {note}" for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        lines.append(f"- {len(notes) - _MOST_NOTES} more such notes are in `report.html`.")
    if not lines and any(probe.status == "done" for probe in result.probes):
        return ["Every planned item was scored, and every source was used whole."]
    return lines or ["No item was scored: nothing about this model was tested."]


def _files() -> list[str]:
    return [
        "In the result folder:",
        "",
        "- `card.html`: the model card, to read in five minutes",
        "- `report.html`: the technical report, down to every prompt and answer",
        "- `modelcard.md`: the same results as a Hugging Face model card",
        "- `result.json` and `records/`: the numbers and the evidence behind them",
    ]
