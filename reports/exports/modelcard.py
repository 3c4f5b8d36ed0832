"""The audit as a Hugging Face model card: the hub's YAML block and the sections of its template."""

from __future__ import annotations

from audit.results import AuditResult, Finding, ProbeRun
from reports.declared import STATUS_WORDS, Said, count_sentence, declared_in, evidence_words
from reports.exports.markdown import code, inline, table
from reports.exports.modelcard_metadata import front_matter, licence_text
from reports.exports.tables import DIRECTIONS, OUTLOOKS, coverage_notes, gate_table, measurement_table
from reports.exports.text import SEVERITY_ORDER, sentence

MISSING = "[More Information Needed]"
_EXPLAINABILITY = "explainability"
_AWARE = "Users (both direct and downstream) should be made aware of the risks, biases and limitations of the model."


class _Declared:
    """What the owner declares; remembers what was used, so that the rest can be listed."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts = facts
        self._used: set[str] = set()

    def get(self, *keys: str) -> str:
        """The first of these facts that is declared, marked as such; the template's words where none is."""
        self._used.update(keys)
        found = next((self._facts[key] for key in keys if self._facts.get(key, "").strip()), None)
        return MISSING if found is None else f"{inline(found)} *(declared)*"

    def rest(self) -> list[str]:
        """The declared facts that no section asked for."""
        others = [key for key in self._facts if key not in self._used and self._facts[key].strip()]
        return [f"- **{inline(key)}:** {inline(self._facts[key])} *(declared)*" for key in others]


def render_modelcard(result: AuditResult) -> str:
    """A README.md for the hub: declared facts as declared, measured ones as measured, the missing as missing."""
    declared = _Declared(result.model.declared)
    declared.get("name")
    sections = [
        ["---", front_matter(result), "---", ""],
        _head(result),
        _details(result, declared),
        _uses(declared),
        _risks(result),
        ["## How to Get Started with the Model", "", declared.get("get_started", "how_to_start"), ""],
        _training(declared),
        _evaluation(result),
        _examination(result),
        _impact(declared),
        _declarations(result),
        _technical(result, declared),
        _closing(result, declared),
    ]
    return "\n".join(line for section in sections for line in section)


def _head(result: AuditResult) -> list[str]:
    manifest = result.manifest
    return [
        f"# Model Card for {inline(result.model.name)}",
        "",
        "What is marked *(declared)* is the word of the model's owner and was not checked. The numbers were measured "
        f"by fairwitness {inline(manifest.tool_version)} on {inline(manifest.created)} with seed {manifest.seed}; "
        "they say what was tried and found, not that the model is free of anything else.",
        "",
    ]


def _details(result: AuditResult, declared: _Declared) -> list[str]:
    model = result.model
    licence = licence_text(result)
    stated = declared.get("licence", "license")
    revision = f"revision {code(model.revision)}" if model.revision else "no revision named"
    pinned = "pinned" if model.pinned else "not pinned: the weights behind it may change"
    lines = ["## Model Details", "", "### Model Description", "", declared.get("description", "overview"), ""]
    lines += [
        f"- **Developed by:** {declared.get('owner', 'developers', 'developed_by')}",
        f"- **Funded by:** {declared.get('funded_by')}",
        f"- **Shared by:** {declared.get('shared_by')}",
        f"- **Model type:** {inline(model.architecture) if model.architecture else declared.get('model_type')}",
        f"- **Language(s) (NLP):** {declared.get('language', 'languages')}",
        f"- **License:** {inline(licence) if licence and stated == MISSING else stated}",
        f"- **Finetuned from model:** {declared.get('base_model')}",
        f"- **Audited:** {code(model.source)}, {revision} ({pinned})",
    ]
    if model.weights_sha256:
        lines.append(f"- **SHA-256 of the weights:** {code(model.weights_sha256)}")
    if model.remote_code:
        lines.append("- **Remote code:** code that came with the model was run")
    lines += [f"- **Note:** {inline(note)}" for note in model.notes]
    lines += ["", "### Model Sources", ""]
    lines += [f"- **{key.capitalize()}:** {declared.get(key)}" for key in ("repository", "paper", "demo")]
    return [*lines, ""]


def _uses(declared: _Declared) -> list[str]:
    return [
        *("## Uses", "", "### Direct Use", "", declared.get("intended_use", "direct_use"), ""),
        *("### Downstream Use", "", declared.get("downstream_use"), ""),
        *("### Out-of-Scope Use", "", declared.get("out_of_scope", "out_of_scope_use"), ""),
    ]


def _risks(result: AuditResult) -> list[str]:
    found = [finding for finding in result.findings if finding.risk != _EXPLAINABILITY]
    lines = ["## Bias, Risks, and Limitations", "", *(_findings(found) or [MISSING]), ""]
    untested = [f"- {_probe(p)}: {inline(p.reason or '')}" for p in result.probes if p.status != "done"]
    if untested:
        lines += ["What was asked for but not tested:", "", *untested, ""]
    limits = [f"- {_probe(p)}: {inline(p.limits)}" for p in result.probes if p.status == "done" and p.limits.strip()]
    if limits:
        lines += ["What the tests cannot show:", "", *limits, ""]
    advice = dict.fromkeys(f.advice for f in result.findings if f.advice.strip() and f.outlook != "no_problem_found")
    return [*lines, "### Recommendations", "", _AWARE, "", *(f"- {inline(text)}" for text in advice), ""]


def _training(declared: _Declared) -> list[str]:
    return [
        *("## Training Details", "", "### Training Data", "", declared.get("training_data"), ""),
        *("### Training Procedure", "", declared.get("training_procedure"), ""),
        *("#### Preprocessing", "", declared.get("preprocessing"), ""),
        *("#### Training Hyperparameters", "", f"- **Training regime:** {declared.get('training_regime')}", ""),
        *("#### Speeds, Sizes, Times", "", declared.get("speeds_sizes_times"), ""),
    ]


def _evaluation(result: AuditResult) -> list[str]:
    done = [probe for probe in result.probes if probe.status == "done"]
    shown = [probe for probe in done if probe.risk != _EXPLAINABILITY]
    data = [f"- {_probe(p)}: {inline(p.source)} ({inline(p.licence)}), {p.items} of {p.available} items" for p in done]
    factors = _factors(result)
    read = {DIRECTIONS[m.direction] for m in result.measurements}
    ways = sorted({inline(m.interval) for m in result.measurements if m.interval})
    lines = ["## Evaluation", "", "### Testing Data, Factors & Metrics", "", "#### Testing Data", ""]
    lines += [*(data or [MISSING]), "", "#### Factors", "", *(factors or [MISSING]), "", "#### Metrics", ""]
    lines += [f"- {_probe(p)}: {inline(p.method)} ({inline(p.citation)})" for p in done] or [MISSING]
    if read:
        lines += ["", f"Read them as their rows say ({', '.join(sorted(read))})."]
    if ways:
        lines += ["", f"Intervals: {'; '.join(ways)}."]
    lines += ["", "### Results", "", *(_results(result, shown) or [MISSING, ""]), "#### Summary", ""]
    lines += [inline(result.verdict.text), "", *(gate_table(result) if result.gates else ["No gates were set."]), ""]
    notes = coverage_notes(result)
    return lines + (["Items that are missing from the numbers:", "", *(f"- {n}" for n in notes), ""] if notes else [])


def _factors(result: AuditResult) -> list[str]:
    lines = []
    for probe in result.probes:
        slices = dict.fromkeys(m.slice for m in result.measurements if m.probe == probe.id and m.slice)
        if slices:
            lines.append(f"- {_probe(probe)}: {', '.join(inline(name) for name in slices)}")
    return lines


def _results(result: AuditResult, probes: list[ProbeRun]) -> list[str]:
    lines: list[str] = []
    for probe in probes:
        measured = [m for m in result.measurements if m.probe == probe.id]
        if measured:
            lines += [f"#### {inline(probe.title)}", "", *measurement_table(measured), ""]
    return lines


def _examination(result: AuditResult) -> list[str]:
    probes = [probe for probe in result.probes if probe.risk == _EXPLAINABILITY]
    lines = ["## Model Examination", ""]
    if not probes:
        return [*lines, MISSING, ""]
    found = _findings([finding for finding in result.findings if finding.risk == _EXPLAINABILITY])
    lines += [*found, ""] if found else []
    lines += [f"- {_probe(p)} was not tested: {inline(p.reason or '')}" for p in probes if p.status != "done"]
    if lines[-1]:
        lines.append("")
    return lines + _results(result, probes)


def _impact(declared: _Declared) -> list[str]:
    keys = {
        "Hardware Type": "hardware_type",
        "Hours used": "hours_used",
        "Cloud Provider": "cloud_provider",
        "Compute Region": "cloud_region",
        "Carbon Emitted": "co2_emitted",
    }
    return ["## Environmental Impact", "", *(f"- **{k}:** {declared.get(v)}" for k, v in keys.items()), ""]


def _declarations(result: AuditResult) -> list[str]:
    """Every subject that the owner is asked about, the missing ones too."""
    declared = declared_in(result.model)
    rows = [
        [
            inline(said.name),
            STATUS_WORDS[said.declaration.status],
            inline(said.declaration.text or ""),
            _evidence(said),
        ]
        for said in declared.everything
    ]
    return [
        *("## What the Owner Declares", "", f"Not measured by us. {count_sentence(declared)}", ""),
        *(*table(["Subject", "Status", "In the owner's words", "Evidence"], rows), ""),
    ]


def _evidence(said: Said) -> str:
    found = said.declaration.evidence
    if found is None:
        return ""
    named = [code(part) for part in (found.link, found.file) if part]
    hashed = [f"SHA-256 {code(found.sha256)}"] if found.sha256 else []
    return " ".join([*named, *hashed, *evidence_words(said.declaration)])


def _technical(result: AuditResult, declared: _Declared) -> list[str]:
    model = result.model
    facts = {
        "Architecture": inline(model.architecture) if model.architecture else None,
        "Parameters": None if model.parameters is None else str(model.parameters),
        "Context length": None if model.context_length is None else str(model.context_length),
        "Number format in the audit": inline(model.dtype) if model.dtype else None,
    }
    known = [f"- **{key}:** {value}" for key, value in facts.items() if value is not None]
    return [
        *("## Technical Specifications", "", "### Model Architecture and Objective", "", *(known or [MISSING]), ""),
        *("### Compute Infrastructure", "", declared.get("compute_infrastructure"), ""),
        *("#### Hardware", "", declared.get("hardware"), "", "#### Software", "", declared.get("software"), ""),
    ]


def _closing(result: AuditResult, declared: _Declared) -> list[str]:
    manifest = result.manifest
    lines = ["## Citation", "", "**BibTeX:**", "", declared.get("citation_bibtex", "citation"), ""]
    lines += ["**APA:**", "", declared.get("citation_apa"), "", "## Glossary", "", declared.get("glossary"), ""]
    authors, contact = declared.get("authors", "model_card_authors"), declared.get("contact")
    lines += ["## More Information", "", *declared.rest()]
    lines += [
        f"- **Audit:** {code(manifest.audit_id)}, suite {code(manifest.suite)}, seed {manifest.seed}",
        f"- **To repeat it:** {code(manifest.command)}",
        f"- **Ran on:** {inline(manifest.platform)}, Python {inline(manifest.python)}",
    ]
    return [*lines, "", "## Model Card Authors", "", authors, "", "## Model Card Contact", "", contact, ""]


def _findings(findings: list[Finding]) -> list[str]:
    ordered = sorted(findings, key=lambda finding: SEVERITY_ORDER[finding.severity])
    return [f"- **{OUTLOOKS[f.outlook]}:** {inline(sentence(f))}" for f in ordered]


def _probe(probe: ProbeRun) -> str:
    return f"{inline(probe.title)} {code(probe.id)}"
