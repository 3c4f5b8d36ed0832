"""The gates and probes of an audit as JUnit XML, for the test tabs of CI systems.

The structure is the common part of the Ant schema and of the Jenkins one, plus ``skipped``, which every reader of
JUnit XML knows.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from audit.results import AuditResult, Coverage, GateResult, ProbeRun
from reports.exports.text import (
    GATE_WORDS,
    INCOMPLETE,
    condition,
    count,
    fails,
    measured,
    observations,
    one_line,
    probe_of,
    settles,
    stopped_outside,
    visible,
    whole,
)


def render_junit(result: AuditResult) -> str:
    """One suite with a test case for each gate, one with a test case for each probe."""
    root = ET.Element("testsuites")
    gates = [_gate_case(result, gate) for gate in result.gates]
    probes = [_probe_case(probe) for probe in result.probes]
    if stopped_outside(result):
        probes.append(_incomplete_case(result))
    _add_suite(root, 0, "audit gates", gates, result)
    _add_suite(root, 1, "audit probes", probes, result)
    ET.indent(root, space=" ")
    # Written by hand: ElementTree would name the machine's own encoding.
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: ET.Element, index: int, name: str, cases: list[ET.Element], result: AuditResult) -> None:
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "id": str(index),
            "package": "fairwitness",
            "hostname": "localhost",  # the schema's own word where the host is not known; a result names no machine
            "tests": str(len(cases)),
            "failures": str(_count(cases, "failure")),
            "errors": str(_count(cases, "error")),
            "skipped": str(_count(cases, "skipped")),
            "time": whole(sum(float(case.attrib["time"]) for case in cases)),
        },
    )
    timestamp = _timestamp(result.manifest.created)
    if timestamp is not None:
        suite.set("timestamp", timestamp)
    properties = ET.SubElement(suite, "properties")
    for key, value in _facts(result).items():
        ET.SubElement(properties, "property", {"name": key, "value": one_line(value)})
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = visible(result.verdict.text)
    ET.SubElement(suite, "system-err")


def _gate_case(result: AuditResult, gate: GateResult) -> ET.Element:
    probe = probe_of(result, gate.metric)
    case = _case(f"{gate.metric} {condition(gate)}", f"gates.{probe.id if probe else 'unknown'}", 0.0)
    if gate.verdict == "met":
        return case
    details = [
        gate.reason,
        f"Measured: {measured(gate)}, n {count(observations(result, gate.metric))}",
        f"Condition: {condition(gate)}",
        *([f"Coverage: {gate.coverage.text}"] if gate.coverage else []),
        f"Verdict: {GATE_WORDS[gate.verdict]}. {settles(gate)}".rstrip(),
    ]
    return _outcome(
        case, "failure" if fails(result, gate) else "skipped", f"gate.{gate.verdict}", gate.reason, "\n".join(details)
    )


def _probe_case(probe: ProbeRun) -> ET.Element:
    case = _case(probe.id, f"probes.{probe.risk}", probe.seconds)
    if probe.status == "done":
        return case
    tag = "error" if probe.status == "failed" else "skipped"
    reason = probe.reason or ""
    return _outcome(case, tag, f"probe.{probe.status}", reason, f"{probe.title}\n{probe.purpose}\n{reason}")


def _incomplete_case(result: AuditResult) -> ET.Element:
    """Without it, an audit that stopped for a reason outside its probes would read as all green."""
    case = _case("audit complete", "probes.audit", 0.0)
    return _outcome(case, "error", INCOMPLETE, result.verdict.text, result.verdict.text)


def _case(name: str, classname: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", {"name": one_line(name), "classname": one_line(classname), "time": whole(seconds)})


def _outcome(case: ET.Element, tag: str, kind: str, message: str, text: str) -> ET.Element:
    child = ET.SubElement(case, tag, {"type": kind, "message": one_line(message)})
    child.text = visible(text)
    return case


def _count(cases: list[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _facts(result: AuditResult) -> dict[str, str]:
    return {
        "model": result.model.name,
        "source": result.model.source,
        "revision": result.model.revision or "not pinned",
        "audit_id": result.manifest.audit_id,
        "tool_version": result.manifest.tool_version,
        "suite": result.manifest.suite,
        "seed": str(result.manifest.seed),
        "verdict": result.verdict.status,
        **_coverage(result.verdict.coverage),
    }


def _coverage(coverage: Coverage | None) -> dict[str, str]:
    """What became of all that was planned, in words and part by part; nothing of a result that does not tell it."""
    if coverage is None:
        return {}
    return {"coverage": coverage.text, **{f"coverage.{part}": str(n) for part, n in coverage.model_dump().items()}}


def _timestamp(created: str) -> str | None:
    """The manifest's time as the schema wants it, in UTC without a zone; None where it cannot be read."""
    try:
        moment = datetime.fromisoformat(created)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else None
