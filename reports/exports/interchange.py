"""The numbers in two formats that other tools load: Model Card Toolkit's JSON and the hub's evaluation results."""

from __future__ import annotations

from typing import Any

import yaml

from audit.results import AuditResult, Measurement, to_json
from reports.exports.modelcard_metadata import licence_text
from reports.exports.text import one_line, sentence

TOOLKIT_VERSION = "0.0.2"
# Metrics that are those of a set on the hub: its id there, and the configuration as the set calls it, where that is known.
HUB_METRICS: dict[str, tuple[str, str]] = {
    "bias.bbq.accuracy_lm_eval": ("oskarvanderwal/bbq", "All"),
    "bias.crows_pairs.pct_stereotype": ("jannalu/crows_pairs_multilingual", "english"),
    "hallucination.truthfulqa.mc1": ("truthfulqa/truthful_qa", "multiple_choice"),
    "hallucination.truthfulqa.mc2": ("truthfulqa/truthful_qa", "multiple_choice"),
}


def render_toolkit(result: AuditResult) -> str:
    """A model card in the JSON of Model Card Toolkit, schema 0.0.2; what cannot be said is left out."""
    model, manifest = result.model, result.manifest
    said = {"name": model.declared.get("owner", ""), "contact": model.declared.get("contact", "")}
    owner = {key: one_line(words) for key, words in said.items() if words.strip()}
    licence = licence_text(result)
    risks = [
        {"name": one_line(sentence(f)), "mitigation_strategy": one_line(f.advice)}
        for f in result.findings
        if f.outlook == "problem_found"
    ]
    card: dict[str, Any] = {
        "schema_version": TOOLKIT_VERSION,
        "model_details": {
            "name": one_line(model.name),
            "overview": f"Audited by fairwitness {one_line(manifest.tool_version)}; {one_line(result.verdict.text)}",
            "owners": [owner] if owner else [],
            "version": {
                "name": one_line(model.revision or model.weights_sha256 or "not pinned"),
                "date": manifest.created[:10],
            },
            "licenses": [{"custom_text": licence}] if licence else [],
            "citations": [
                {"style": "plain", "citation": one_line(p.citation)} for p in result.probes if p.status == "done"
            ],
        },
        "model_parameters": {
            "model_architecture": one_line(model.architecture or "not known"),
            "data": [
                {"name": one_line(p.source), "description": f"used by {p.id}: {p.items} of {p.available} items"}
                for p in result.probes
                if p.status == "done"
            ],
        },
        "quantitative_analysis": {
            "performance_metrics": [_performance(m) for m in result.measurements if m.value is not None],
        },
        "considerations": {
            "use_cases": _said(model.declared.get("intended_use")),
            "limitations": [
                *_said(model.declared.get("out_of_scope")),
                *(
                    {"description": one_line(p.limits)}
                    for p in result.probes
                    if p.status == "done" and p.limits.strip()
                ),
            ],
            "ethical_considerations": risks,
        },
    }
    return to_json(card)


def _said(words: str | None) -> list[dict[str, str]]:
    return [{"description": one_line(words)}] if words and words.strip() else []


def _performance(m: Measurement) -> dict[str, Any]:
    found: dict[str, Any] = {"type": one_line(m.metric.split("[")[0]), "value": m.value}
    if m.slice is not None:
        found["slice"] = one_line(m.slice)
    if m.low is not None and m.high is not None:
        found["confidence_interval"] = {"lower_bound": m.low, "upper_bound": m.high}
    return found


def render_eval_results(result: AuditResult) -> str | None:
    """The hub's ``eval_results.yaml``; None where no metric is one of a set on the hub, asked whole.

    A sample of a set is no result of the set. ``verifyToken`` is the hub's to give and is never written.
    """
    complete = {p.id for p in result.probes if p.status == "done" and p.available and p.items == p.available}
    entries = [
        _hub_entry(result, m, *HUB_METRICS[m.metric])
        for m in result.measurements
        if m.metric in HUB_METRICS and m.value is not None and m.probe in complete
    ]
    if not entries:
        return None
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _hub_entry(result: AuditResult, m: Measurement, dataset: str, task: str) -> dict[str, Any]:
    """One entry, in the form that ``huggingface_hub.parse_eval_result_entries`` reads."""
    interval = "no interval" if m.low is None else f"{m.confidence:.0%} interval {m.low:.4g} to {m.high:.4g}"
    made = f"seed {result.manifest.seed}, fairwitness {one_line(result.manifest.tool_version)}"
    notes = f"{m.metric}, {interval}, n {m.n}, {made}"
    about = {"id": dataset, "task_id": task}
    return {"dataset": about, "value": m.value, "date": result.manifest.created, "notes": notes}
