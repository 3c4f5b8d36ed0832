"""The gates, findings and failed probes of an audit as a Code Quality report, which GitLab shows in a merge request.

As in the SARIF log, every entry points at the config file, and its fingerprint leaves the numbers out, so that a merge
request shows what is new and not what moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from audit.results import AuditResult, Severity, to_json
from reports.exports.text import (
    GATE_WORDS,
    INCOMPLETE,
    fails,
    fingerprint,
    gate_told,
    one_line,
    sentence,
    stopped_outside,
)

_Grade = Literal["blocker", "critical", "major", "minor", "info"]
_GRADES: dict[Severity, _Grade] = {"high": "major", "medium": "minor", "low": "info", "none": "info"}
_TEXT_LIMIT = 1000


def render_code_quality(result: AuditResult, config_file: str = "model.yaml") -> str:
    """A list with what is not met, not established, failed or found; empty where there is none of these."""
    path = (config_file or "model.yaml").replace("\\", "/")
    return to_json(
        [
            {
                "description": one_line(text, _TEXT_LIMIT) or "(no text)",
                "check_name": one_line(name) or "(no name)",
                "fingerprint": fingerprint(result, identity),
                "severity": grade,
                "location": {"path": one_line(path), "lines": {"begin": 1}},
            }
            for name, grade, text, identity in _entries(result)
        ]
    )


def _entries(result: AuditResult) -> Iterator[tuple[str, _Grade, str, list[str]]]:
    """The name of the check, how grave it is, what is said of it, and what it is told from others by."""
    for gate in result.gates:
        if gate.verdict != "met":
            grade: _Grade = "critical" if fails(result, gate) else "minor"
            text = f"Gate {GATE_WORDS[gate.verdict]}: {gate_told(result, gate)}"
            yield gate.metric, grade, text, ["gate", gate.metric, gate.rule]
    for probe in result.probes:
        if probe.status == "failed":
            yield probe.id, "critical", f"The probe {probe.id} failed: {probe.reason}", ["probe", probe.id]
    if stopped_outside(result):
        yield INCOMPLETE, "critical", result.verdict.text, ["audit", INCOMPLETE]
    for finding in result.findings:
        if finding.outlook == "problem_found":
            identity = ["finding", finding.probe, finding.id]
            yield finding.probe, _GRADES[finding.severity], f"{sentence(finding)} {finding.advice}", identity
