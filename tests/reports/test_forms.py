"""The documents for people who must show evidence, and the formats of other tools: filled truly, and safe with any text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from markdown_it import MarkdownIt

from audit.declared import CardConfig, GpaiConfig
from audit.results import AuditResult
from probes.registry import find_probes
from reports.exports import (
    render_eval_results,
    render_gpai_annex,
    render_test_report,
    render_toolkit,
    write_exports,
)
from reports.exports.forms import FORM
from reports.exports.interchange import HUB_METRICS
from tests.reports import fixtures
from tests.reports.makers import model, probe, rate
from tests.reports.test_mapping import CLAIMS

# Model Card Toolkit's schema 0.0.2 in our own words: which keys there are, and of which type.
_TEXT: dict[str, Any] = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": _object(**properties)}


_BOUNDS = _object(lower_bound={"type": "number"}, upper_bound={"type": "number"})
TOOLKIT = _object(
    schema_version={"const": "0.0.2"},
    model_details=_object(
        name=_TEXT,
        overview=_TEXT,
        owners=_list(name=_TEXT, contact=_TEXT),
        version=_object(name=_TEXT, date={"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}),
        licenses=_list(custom_text=_TEXT),
        citations=_list(style=_TEXT, citation=_TEXT),
    ),
    model_parameters=_object(model_architecture=_TEXT, data=_list(name=_TEXT, description=_TEXT)),
    quantitative_analysis=_object(
        performance_metrics=_list(type=_TEXT, value={"type": "number"}, slice=_TEXT, confidence_interval=_BOUNDS)
    ),
    considerations=_object(
        use_cases=_list(description=_TEXT),
        limitations=_list(description=_TEXT),
        ethical_considerations=_list(name=_TEXT, mitigation_strategy=_TEXT),
    ),
)
ALLOWED = {
    "h1",
    "h2",
    "p",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "li",
    "strong",
    "em",
    "code",
}  # what our own Markdown becomes
CASES = [fixtures.typical, fixtures.hostile, fixtures.nothing_tested, fixtures.one_crashed]


@pytest.mark.parametrize("make", CASES)
def test_the_toolkit_can_load_the_card(make: Any) -> None:
    result = make().result
    card = json.loads(render_toolkit(result))
    jsonschema.validate(card, TOOLKIT)
    metrics = card["quantitative_analysis"]["performance_metrics"]
    assert [m["value"] for m in metrics] == [m.value for m in result.measurements if m.value is not None]
    assert render_toolkit(result) == render_toolkit(result)


def _whole(result: AuditResult, items: int) -> AuditResult:
    run = probe("hallucination.truthfulqa", items=items, available=817)
    return result.model_copy(
        update={"probes": [run], "measurements": [rate("hallucination.truthfulqa.mc1", 200, 817, "x")]}
    )


def test_a_sample_of_a_set_is_no_result_of_the_set() -> None:
    result = fixtures.typical().result
    assert render_eval_results(_whole(result, 60)) is None
    text = render_eval_results(_whole(result, 817))
    assert text is not None
    entry = parse_eval_result_entries(yaml.safe_load(text))[0]
    assert (entry.dataset_id, entry.value) == ("truthfulqa/truthful_qa", pytest.approx(200 / 817))
    assert entry.verify_token is None
    assert "interval" in str(entry.notes)
    assert "n 817" in str(entry.notes)


def test_every_metric_of_a_set_on_the_hub_is_one_that_a_probe_has() -> None:
    known = {f"{name}.{metric.name}" for name, kind in find_probes().items() for metric in kind.metrics}
    assert set(HUB_METRICS) <= known


@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("render", [render_gpai_annex, render_test_report])
def test_text_of_a_model_stays_text(make: Any, render: Any) -> None:
    text = render(make().result)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert set(re.findall(r"<([a-z0-9]+)", html)) <= ALLOWED
    assert "\u202e" not in text
    assert not CLAIMS.search(text.split("## Annex")[0].split("## Results")[0])


def test_what_nobody_said_is_shown_as_missing_and_what_is_measured_as_measured() -> None:
    result = fixtures.typical().result
    bare = result.model_copy(update={"model": model(declared={}, declarations=[], weights_sha256="ab" * 32)})
    text = render_gpai_annex(bare)
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert "*not provided*" in rows["Legal name of the provider"]
    assert "*not provided*" in rows["Measures to detect identifiable biases"]
    assert "ab" * 32 in rows["Model authenticity"]
    assert "the model's files" in rows["Model authenticity"]
    told = result.model_copy(update={"model": model(declared={"owner": "Acme *Ltd*"}, declarations=[])})
    line = next(line for line in render_gpai_annex(told).splitlines() if line.startswith("| Legal name"))
    assert line.endswith("| declared |")
    assert "Acme &#42;Ltd&#42;" in line


def test_energy_may_be_an_estimate_and_that_of_the_audit_is_none_of_use() -> None:
    result = fixtures.typical().result
    told = [
        rate(f"footprint.energy.{name}", 1, 2, name).model_copy(update={"probe": "footprint.energy", "label": name})
        for name in ("prefill_energy", "decode_energy", "prefill_co2", "audit_energy")
    ]
    text = render_gpai_annex(result.model_copy(update={"measurements": told}))
    line = next(line for line in text.splitlines() if line.startswith("| In use"))
    assert "measured or estimated" in line.rsplit("|", 2)[1]
    assert all(name in line.replace("&#95;", "_") for name in ("prefill_energy", "decode_energy"))
    assert "audit" not in line.split("|")[2]
    assert "co2" not in line
    assert line.count("95% interval") == 2


def test_every_declared_field_of_the_form_can_be_declared() -> None:
    """What a form asks for and no key of ``model.yaml`` can hold would be missing for ever."""
    known = {*CardConfig.model_fields, *(f"gpai.{key}" for key in GpaiConfig.model_fields)}
    fields = [field for group in FORM.values() for field in group]
    assert {key for field in fields for key in field.declared} <= known
    said = {f"gpai.{key}": f"words on {key}" for key in GpaiConfig.model_fields}
    text = render_gpai_annex(fixtures.typical().result.model_copy(update={"model": model(declared=said)}))
    assert [words for words in said.values() if words not in text.replace("&#95;", "_")] == []


def test_the_report_of_tests_has_log_groups_and_a_place_to_sign() -> None:
    result = fixtures.typical().result
    text = render_test_report(result)
    for run in result.probes:
        assert f"`{run.id}`" in text
    sliced = next(m for m in result.measurements if m.slice is not None and m.probe.startswith("bias."))
    assert str(sliced.slice) in text.split("## Results for persons and groups")[1]
    signed = text.split("## Signed by the responsible persons")[1]
    assert "| Name | Role | Organisation | Date | Signature |" in signed
    assert result.manifest.audit_id in text


def test_a_crash_is_in_the_log_with_its_reason() -> None:
    case = fixtures.one_crashed()
    failed = next(run for run in case.result.probes if run.status == "failed")
    line = next(line for line in render_test_report(case.result).splitlines() if f"`{failed.id}` | failed" in line)
    assert str(failed.reason)[:20] in line


def test_old_results_of_a_set_do_not_stay(tmp_path: Path) -> None:
    result = fixtures.typical().result
    write_exports(tmp_path, _whole(result, 817))
    assert (tmp_path / "eval_results.yaml").exists()
    write_exports(tmp_path, _whole(result, 60))
    assert not (tmp_path / "eval_results.yaml").exists()
