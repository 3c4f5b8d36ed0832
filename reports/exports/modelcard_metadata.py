"""The YAML block at the head of a Hugging Face model card."""

from __future__ import annotations

from typing import Any

import yaml

from audit.results import AuditResult, Measurement, ProbeRun
from reports.exports.text import one_line

# The identifiers that the hub accepts under ``license``; any other licence is ``other`` with a ``license_name``.
_LICENCE_NAMES = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma
    unknown other
"""
_LICENCES = frozenset(_LICENCE_NAMES.split())
_TASKS = {
    "causal-lm": "text-generation",
    "masked-lm": "fill-mask",
    "seq2seq-lm": "text2text-generation",
    "text-classification": "text-classification",
    "tabular": "tabular-classification",
}
_TRANSFORMERS = frozenset({"transformers", "causal-lm", "masked-lm", "seq2seq-lm", "text-classification"})


def front_matter(result: AuditResult) -> str:
    """The YAML between the two lines of dashes, every value on one line."""
    data = {
        **_licence(result),
        **_library(result),
        "tags": ["responsible-ai", "model-audit", "fairwitness"],
        **_model_index(result),
    }
    # One endless line a value: the hub ends the block at the first line that starts with dashes.
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=2**31).strip()


def licence_text(result: AuditResult) -> str | None:
    """The licence as declared by the owner or, failing that, as found with the model."""
    declared = result.model.declared
    found = declared.get("licence") or declared.get("license") or result.model.licence
    return one_line(found) if found and found.strip() else None


def _licence(result: AuditResult) -> dict[str, Any]:
    text = licence_text(result)
    if text is None:
        return {}
    plain = text.lower().replace("license", "").replace("licence", "")
    identifier = "-".join(plain.split()).removesuffix("-only").removesuffix("-or-later")
    if identifier in _LICENCES:
        return {"license": identifier}
    return {"license": "other", "license_name": text}


def _library(result: AuditResult) -> dict[str, Any]:
    """The library that loads the model, left out where that cannot be told."""
    kind = result.model.kind.lower()
    if "gguf" in kind or result.model.source.lower().endswith(".gguf"):
        return {"library_name": "gguf"}
    return {"library_name": "transformers"} if kind in _TRANSFORMERS else {}


def _task(result: AuditResult) -> str:
    """The hub's name for the model's task, from the config or, failing that, from what the model can be asked."""
    config = result.manifest.config.get("model")
    named = config.get("task") if isinstance(config, dict) else None
    for word in (named, result.model.kind):
        if isinstance(word, str) and word in _TASKS:
            return _TASKS[word]
    return "text-classification" if "classify" in result.model.capabilities else "text-generation"


def _model_index(result: AuditResult) -> dict[str, Any]:
    entries = []
    for probe in result.probes:
        measured = [m for m in result.measurements if m.probe == probe.id and m.value is not None]
        if measured:
            entries.append(_entry(result, probe, measured))
    if not entries:
        return {}
    return {"model-index": [{"name": one_line(result.model.name) or "unnamed model", "results": entries}]}


def _entry(result: AuditResult, probe: ProbeRun, measured: list[Measurement]) -> dict[str, Any]:
    dataset: dict[str, Any] = {"type": one_line(probe.id), "name": one_line(probe.source) or one_line(probe.title)}
    if probe.id in result.manifest.items:
        dataset["revision"] = one_line(result.manifest.items[probe.id])
    dataset["args"] = {"items": probe.items, "available": probe.available, "licence": one_line(probe.licence)}
    return {
        "task": {"type": _task(result), "name": one_line(probe.title)},
        "dataset": dataset,
        "metrics": [_metric(m, result.manifest.seed) for m in measured],
    }


def _metric(m: Measurement, seed: int) -> dict[str, Any]:
    """One metric; the format has no place for an interval or n, so these go under ``args``.

    ``verified`` is the hub's to set and is never written.
    """
    args = {"ci": [m.low, m.high], "confidence": m.confidence, "n": m.n, "seed": seed}
    return {"type": one_line(m.metric), "value": m.value, "name": one_line(m.label) or one_line(m.metric), "args": args}
