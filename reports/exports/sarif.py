"""The gates, findings and failed probes of an audit as SARIF 2.1.0, for code-scanning pages.

A model has no source line, so every result points at the audit's config file, where its gates are written.
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote

from audit.results import AuditResult, Finding, GateResult, Measurement, ProbeRun, Severity, to_json
from reports.exports.text import (
    GATE_WORDS,
    INCOMPLETE,
    fails,
    fingerprint,
    gate_told,
    observations,
    one_line,
    probe_of,
    sentence,
    stopped_outside,
    visible,
)

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_Level = Literal["error", "warning", "note"]
_LEVELS: dict[Severity, _Level] = {"high": "error", "medium": "warning", "low": "note", "none": "note"}
_NOT_EXECUTED = (2, 3)
_SEMANTIC_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def render_sarif(result: AuditResult, config_file: str = "model.yaml") -> str:
    """A SARIF log with one run: what failed, what could not be established, what was found."""
    location = _location(config_file)
    rules: dict[str, dict[str, Any]] = {}
    entries: list[dict[str, Any]] = []

    def add(rule: dict[str, Any], entry: dict[str, Any]) -> None:
        rules.setdefault(rule["id"], rule)
        index = list(rules).index(rule["id"])
        entries.append({"ruleId": rule["id"], "ruleIndex": index, "locations": [location], **entry})

    for gate in result.gates:
        if gate.verdict != "met":
            add(_metric_rule(result, gate.metric), _gate_entry(result, gate))
        else:
            rule = _metric_rule(result, gate.metric)
            rules.setdefault(rule["id"], rule)
    for probe in result.probes:
        if probe.status == "failed":
            add(_probe_rule(probe.id, probe), _failure_entry(result, probe))
    if stopped_outside(result):
        add(_rule(INCOMPLETE, "The audit is incomplete", None), _incomplete_entry(result))
    for finding in result.findings:
        if finding.outlook == "problem_found":
            owner = next((probe for probe in result.probes if probe.id == finding.probe), None)
            add(_probe_rule(finding.probe, owner), _finding_entry(result, finding))
    run = {
        "tool": {"driver": _driver(result, list(rules.values()))},
        "automationDetails": {"id": f"fairwitness/{one_line(result.model.name)}/{one_line(result.manifest.audit_id)}"},
        "invocations": [_invocation(result)],
        "results": entries,
        "properties": _run_properties(result),
    }
    return to_json({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _message(text: str) -> dict[str, str]:
    """A message in which the text of a model can form neither a placeholder nor an embedded link."""
    plain = visible(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": plain or "(no text)"}


def _location(config_file: str) -> dict[str, Any]:
    path = (config_file or "model.yaml").replace("\\", "/")
    uri = quote(path, safe="/", errors="replace")
    if path.startswith("/"):
        uri = "file://" + "/" + uri.lstrip("/")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}


def _driver(result: AuditResult, rules: list[dict[str, Any]]) -> dict[str, Any]:
    version = one_line(result.manifest.tool_version) or "unknown"
    driver: dict[str, Any] = {"name": "fairwitness", "version": version, "rules": rules}
    if _SEMANTIC_VERSION.fullmatch(version):
        driver["semanticVersion"] = version
    return driver


def _metric_rule(result: AuditResult, metric: str) -> dict[str, Any]:
    measurement = result.measurement(metric)
    return _rule(metric, measurement.label if measurement else metric, probe_of(result, metric))


def _probe_rule(probe_id: str, probe: ProbeRun | None) -> dict[str, Any]:
    return _rule(probe_id, probe.title if probe else probe_id, probe)


def _rule(rule_id: str, title: str, probe: ProbeRun | None) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": one_line(rule_id),
        "shortDescription": _message(one_line(title)),
        "properties": {"tags": ["responsible-ai"]},
    }
    if probe is not None:
        rule["fullDescription"] = _message(probe.purpose)
        method = f"Method: {probe.method}\nSource: {probe.citation}\nWhat it cannot show: {probe.limits}"
        rule["help"] = _message(method)
        rule["properties"] = {"tags": sorted({"responsible-ai", one_line(probe.risk)}), "probe": one_line(probe.id)}
    return rule


def _gate_entry(result: AuditResult, gate: GateResult) -> dict[str, Any]:
    n = observations(result, gate.metric)
    text = f"Gate {GATE_WORDS[gate.verdict]}: {gate_told(result, gate)}"
    values = {"value": gate.value, "low": gate.low, "high": gate.high, "n": n}
    level: _Level = "error" if fails(result, gate) else "warning"
    more: dict[str, Any] = {
        "rule": gate.rule,
        "threshold": gate.threshold,
        "confidence": gate.confidence,
        "verdict": gate.verdict,
    }
    more |= {"coverage": gate.coverage.model_dump()} if gate.coverage else {}
    return _entry(result, level, text, ["gate", gate.metric, gate.rule], {**values, **more})


def _failure_entry(result: AuditResult, probe: ProbeRun) -> dict[str, Any]:
    text = f"The probe failed, so nothing is known about what it asks: {probe.purpose} {probe.reason}"
    values = {"value": None, "low": None, "high": None, "n": 0}
    return _entry(result, "error", text, ["probe", probe.id], values)


def _incomplete_entry(result: AuditResult) -> dict[str, Any]:
    """Without it, code scanning would take an audit that tested nothing for one that found nothing."""
    values = {"value": None, "low": None, "high": None, "n": 0}
    return _entry(result, "error", result.verdict.text, ["audit", INCOMPLETE], values)


def _finding_entry(result: AuditResult, finding: Finding) -> dict[str, Any]:
    found = [result.measurement(metric) for metric in finding.measurements]
    numbers = [_numbers(measurement) for measurement in found if measurement is not None]
    first = numbers[0] if numbers else {"value": None, "low": None, "high": None, "n": None}
    properties = {**first, "measurements": numbers, "severity": finding.severity, "risk": one_line(finding.risk)}
    text = f"{sentence(finding)} {finding.advice}"
    return _entry(result, _LEVELS[finding.severity], text, ["finding", finding.probe, finding.id], properties)


def _numbers(measurement: Measurement) -> dict[str, Any]:
    return {
        "metric": one_line(measurement.metric),
        "value": measurement.value,
        "low": measurement.low,
        "high": measurement.high,
        "n": measurement.n,
        "unit": one_line(measurement.unit),
    }


def _entry(
    result: AuditResult, level: _Level, text: str, identity: list[str], properties: dict[str, Any]
) -> dict[str, Any]:
    # The identity leaves the numbers out, so that one alert lives on from run to run. The second key is the one that
    # GitHub compares; it would otherwise hash line 1 of the config file and take all results of a rule for one.
    mark = fingerprint(result, identity)
    prints = {"fairwitness/v1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"}
    return {"level": level, "message": _message(text), "partialFingerprints": prints, "properties": properties}


def _invocation(result: AuditResult) -> dict[str, Any]:
    status = result.verdict.exit_status
    untested = [probe for probe in result.probes if probe.status == "not_applicable"]
    notes = [
        {"level": "note", "message": _message(f"{probe.id} was not applicable: {probe.reason}")} for probe in untested
    ]
    return {
        "executionSuccessful": status not in _NOT_EXECUTED,
        "exitCode": status,
        "exitCodeDescription": visible(result.verdict.text),
        "toolExecutionNotifications": notes,
    }


def _run_properties(result: AuditResult) -> dict[str, Any]:
    model, manifest = result.model, result.manifest
    facts = {"model": model.name, "source": model.source, "created": manifest.created, "verdict": result.verdict.status}
    cover = result.verdict.coverage
    counted = {"coverage": cover.model_dump()} if cover is not None else {}
    return {**{key: one_line(value) for key, value in facts.items()}, "seed": manifest.seed, **counted}
