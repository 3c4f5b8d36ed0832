"""Two documents for people who must show evidence under the EU AI Act, filled as far as an audit can fill them.

What the form of the General-Purpose AI Code of Practice asks for (Transparency chapter, July 2025, as read in secondary copies
in November 2026) is filled from what was measured, from what the model's files say and from what its owner declares; the form
itself has no place for results of tests, which is why they follow as an annex. The report of tests follows point 2(g) of
Annex IV: data, metrics, groups, and test logs that are dated and signed. Neither says that a law is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audit.results import AuditResult, Finding, Measurement, ModelFacts, ProbeRun
from reports.exports.markdown import code, inline, table
from reports.exports.tables import OUTLOOKS, coverage_notes, gate_table, measurement_table
from reports.exports.text import SEVERITY_ORDER, interval, number, percent, sentence

MISSING = "*not provided*"
_SIGNED = ["Name", "Role", "Organisation", "Date", "Signature"]
_LIMIT = 600
_USES = ("footprint.energy.prefill_energy", "footprint.energy.decode_energy")
# A machine without counters has nothing but estimates; the finding in the annex tells which parts are which.
_ENERGY = "this audit, measured or estimated: see the finding of footprint.energy"


@dataclass(frozen=True)
class _Field:
    """One field of the form: what fills it from the model, and the declared keys that fill it otherwise."""

    name: str
    measured: Callable[[ModelFacts], str | None] = lambda model: None
    declared: tuple[str, ...] = ()


def _authenticity(model: ModelFacts) -> str | None:
    parts = [f"SHA-256 of the weights {code(model.weights_sha256)}"] if model.weights_sha256 else []
    parts += [f"revision {code(model.revision)}"] if model.revision else []
    return "; ".join(parts) or None


def _parameters(model: ModelFacts) -> str | None:
    """To two significant figures, as the form asks."""
    return (
        None if model.parameters is None else f"{float(f'{model.parameters:.1e}'):,.0f} (counted: {model.parameters:,})"
    )


def _longest(model: ModelFacts) -> str | None:
    return (
        None if model.context_length is None else f"text; at most {model.context_length:,} tokens in and out together"
    )


FORM: dict[str, tuple[_Field, ...]] = {
    "1. General information": (
        _Field("Legal name of the provider", declared=("owner",)),
        _Field("Model name and version", lambda m: inline(m.name), ("name",)),
        _Field("Model authenticity", _authenticity),
        _Field("Release date", declared=("gpai.release_date",)),
        _Field("Union market release date", declared=("gpai.union_market_release_date",)),
        _Field("Model dependencies", declared=("gpai.dependencies",)),
    ),
    "2. Model properties": (
        _Field("Architecture", lambda m: inline(m.architecture) if m.architecture else None),
        _Field("Design specifications", declared=("gpai.design",)),
        _Field("Modalities and largest input and output", _longest),
        _Field("Total number of parameters", _parameters),
    ),
    "3. Methods of distribution and licences": (
        _Field("Distribution", lambda m: code(m.source)),
        _Field("Licence", lambda m: inline(m.licence) if m.licence else None, ("licence",)),
    ),
    "4. Use": (
        _Field("Acceptable use policy", declared=("gpai.acceptable_use",)),
        _Field("Intended uses", declared=("intended_use",)),
        _Field("Restricted uses", declared=("out_of_scope",)),
        _Field("Types of systems it may be part of", declared=("gpai.systems",)),
        _Field("Technical means for integration", declared=("gpai.integration",)),
        _Field("Required hardware and software", declared=("gpai.hardware_software",)),
    ),
    "5. Training process": (
        _Field("Design of the training process", declared=("gpai.training_process",)),
        _Field("Rationale of its decisions", declared=("gpai.training_rationale",)),
    ),
    "6. Data used for training, testing and validation": (
        _Field("Type and provenance", declared=("training_data", "data_provenance")),
        _Field("How the data were obtained and curated", declared=("gpai.data_curation",)),
        _Field("Number of data points and their characteristics", declared=("gpai.data_characteristics",)),
        _Field("Measures to detect unsuitable data", declared=("gpai.data_suitability",)),
        _Field("Measures to detect identifiable biases", declared=("gpai.data_bias",)),
    ),
    "7. Computational resources during training": (
        _Field("Time, amount and method of computing it", declared=("gpai.training_compute",)),
    ),
    "8. Energy consumption": (
        _Field("In training", declared=("gpai.training_energy",)),
        _Field("In use", declared=("gpai.inference_energy",)),
    ),
}


def render_gpai_annex(result: AuditResult) -> str:
    """The fields of the Model Documentation Form, each with where its content comes from, and the results as an annex."""
    lines = [
        f"# Model Documentation Form: {inline(result.model.name, 200)}",
        "",
        "Fields after the Transparency chapter of the General-Purpose AI Code of Practice (July 2025), as read in secondary "
        "copies on 2026-11-23. Each is filled from what was measured or read from the model's files, or from what its owner "
        "declares; nobody checked what is declared. Check the fields against the official form before you hand this in. "
        "This is evidence that may be useful; it does not say that a duty is met.",
        "",
    ]
    for title, fields in FORM.items():
        lines += [f"## {title}", "", *table(["Field", "Content", "From"], _rows(result, fields)), ""]
    lines += ["## Annex: results of tests", "", *_annex(result)]
    return "\n".join(lines)


def _rows(result: AuditResult, fields: tuple[_Field, ...]) -> Iterator[list[str]]:
    for field in fields:
        found = field.measured(result.model)
        energy = _energy(result) if field.name == "In use" else None
        said = [words for key in field.declared if (words := _declared(result.model, key))]
        if found or energy:
            yield [field.name, found or energy or "", _ENERGY if energy else "the model's files"]
        elif said:
            yield [field.name, "; ".join(inline(words, _LIMIT) for words in said), "declared"]
        else:
            yield [field.name, MISSING, ""]


def _declared(model: ModelFacts, key: str) -> str | None:
    """The owner's words under a key of the card, or of its longer declarations."""
    words = model.declared.get(key) or next((d.text for d in model.declarations if d.field == key), None)
    return words if words and words.strip() else None


def _energy(result: AuditResult) -> str | None:
    """Energy of reading and writing, where the audit tells it; that of the audit itself is none of the model's use."""
    known = [m for m in result.measurements if m.metric in _USES and m.value is not None]
    return "; ".join(f"{inline(m.label)}: {number(m.value)} {inline(m.unit)} ({_range(m)})" for m in known) or None


def _range(m: Measurement) -> str:
    return f"{percent(m.confidence)} interval {interval(m.low, m.high)}, n {m.n}"


def _annex(result: AuditResult) -> list[str]:
    manifest = result.manifest
    return [
        f"Audit {code(manifest.audit_id)} of {inline(manifest.created)}, fairwitness {inline(manifest.tool_version)}, suite "
        f"{code(manifest.suite)}, seed {manifest.seed}.",
        "",
        *(_findings(result.findings) or ["No findings were written.", ""]),
        *measurement_table([m for m in result.measurements if m.slice is None]),
        "",
    ]


def _findings(findings: list[Finding]) -> list[str]:
    ordered = sorted(findings, key=lambda f: SEVERITY_ORDER[f.severity])
    lines = [f"- **{OUTLOOKS[f.outlook]}** ({code(f.probe)}): {inline(sentence(f), _LIMIT)}" for f in ordered]
    return [*lines, ""] if lines else []


def render_test_report(result: AuditResult) -> str:
    """The report of tests after Annex IV, point 2(g): what was tested, with which data and metrics, and what was found."""
    manifest, model = result.manifest, result.model
    done = [probe for probe in result.probes if probe.status == "done"]
    whole = [m for m in result.measurements if m.slice is None]
    lines = [
        f"# Report of tests: {inline(model.name, 200)}",
        "",
        "Ordered after point 2(g) of Annex IV of Regulation (EU) 2024/1689. Evidence that may be useful for it; whether the "
        "provision applies and is met is for the provider to establish.",
        "",
        *("## What was tested", "", *_subject(result), ""),
        *("## Test log", "", *_log(result), ""),
        *("## Data that were used", "", *(_data(probe, manifest.items) for probe in done), ""),
        *("## Metrics, and why these", "", *(_why(probe) for probe in done), ""),
        *("## Results", "", *measurement_table(whole), ""),
        *("## Results for persons and groups", "", *_groups(result), ""),
        *("## Findings", "", *(_findings(result.findings) or ["No findings were written.", ""])),
        *("## Conditions that were set beforehand", ""),
        *(gate_table(result) if result.gates else ["None were set."]),
        *("", "## What is missing from the numbers", "", *_gaps(result), ""),
        *("## Signed by the responsible persons", "", *table(_SIGNED, [[" "] * len(_SIGNED)] * 2), ""),
    ]
    return "\n".join(lines)


def _subject(result: AuditResult) -> list[str]:
    model, manifest = result.model, result.manifest
    facts = {
        "Source": code(model.source),
        "Revision": code(model.revision) if model.revision else "none named",
        "SHA-256 of the weights": code(model.weights_sha256) if model.weights_sha256 else "not visible to us",
        "Intended purpose (declared)": inline(_declared(model, "intended_use") or "", _LIMIT) or MISSING,
        "Date of the tests": inline(manifest.created),
        "Audit id": code(manifest.audit_id),
        "Made with": f"fairwitness {inline(manifest.tool_version)}, Python {inline(manifest.python)}",
        "Repeat with": code(manifest.command),
    }
    return table(["What", "Value"], ([key, value] for key, value in facts.items()))


def _log(result: AuditResult) -> list[str]:
    rows = [
        [
            code(probe.id),
            probe.status.replace("_", " "),
            f"{probe.items:,} of {probe.available:,}",
            f"{probe.records:,}",
            inline(probe.reason or "", _LIMIT),
        ]
        for probe in result.probes
    ]
    return table(["Test", "How it went", "Items", "Records", "Why"], rows)


def _data(probe: ProbeRun, hashes: dict[str, str]) -> str:
    pinned = f", SHA-256 of the items {code(hashes[probe.id])}" if probe.id in hashes else ""
    return f"- {code(probe.id)}: {inline(probe.source, _LIMIT)} ({inline(probe.licence)}){pinned}"


def _why(probe: ProbeRun) -> str:
    asked = f"- {code(probe.id)}: {inline(probe.purpose)} {inline(probe.method)}"
    return f"{asked} Source: {inline(probe.citation)}. Limits: {inline(probe.limits)}"


def _groups(result: AuditResult) -> list[str]:
    """Numbers of single groups: the slices of the tests for bias."""
    tests = {probe.id for probe in result.probes if probe.risk == "bias"}
    sliced: list[Measurement] = [m for m in result.measurements if m.slice is not None and m.probe in tests]
    return measurement_table(sliced) if sliced else ["No number was taken for single groups."]


def _gaps(result: AuditResult) -> list[str]:
    notes = [f"- {note}" for note in coverage_notes(result)]
    return notes or ["Every planned item was scored."]
