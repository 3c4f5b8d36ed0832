"""Makes the golden result and its card: ``python tests/reports/golden/make.py``, then read the diff before committing.

A small audit of the scripted model, with times, versions and machine replaced by fixed ones.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from audit.config import AuditConfig
from audit.engine import RunSettings, run_audit
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from audit.results import AuditResult, Record, read_records, read_result, to_json
from probes.registry import find_probes
from reports.card import render_card

# What is measured of the machine, and says so, is another thing on each machine.
PROBES = {name: probe for name, probe in find_probes().items() if probe.risk != "footprint"}
FOLDER = Path(__file__).parent
CONFIG = {
    "model": {"source": "script"},
    "suite": "quick",
    "gates": {"misinformation.claims.flip_rate": {"at_most": 0.9}},
}
FIXED = {
    "created": "2026-01-01T00:00:00Z",
    "seconds": 1.0,
    "timings": {},
    "packages": {},
    "python": "3",
    "platform": "any",
    "tool_version": "0",
    "audit_id": "0" * 64,
    "identity": {},
}


def audited() -> tuple[str, AuditResult, dict[str, list[Record]]]:
    """The small audit: the content of ``result.json``, and what it holds, with its records."""
    config = AuditConfig.model_validate(CONFIG)
    with tempfile.TemporaryDirectory() as temporary:
        settings = RunSettings(cache=Path(temporary) / "cache.sqlite", output=Path(temporary) / "out", limit=6)
        folder, _ = run_audit(config, ScriptedModel(), PROBES, settings, Silent())
        path = folder / "result.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["manifest"] |= FIXED
        for probe in content["probes"]:
            probe["seconds"] = 0.0
        path.write_text(to_json(content), encoding="utf-8")
        result = read_result(folder)
        records = {probe.id: read_records(folder, probe.id) for probe in result.probes}
        return to_json(content), result, records


def golden() -> tuple[str, str]:
    """``result.json`` and the card of the small audit."""
    content, result, records = audited()
    return content, render_card(result, records)


if __name__ == "__main__":
    made, card = golden()
    (FOLDER / "result.json").write_text(made, encoding="utf-8")
    (FOLDER / "card.html").write_text(card, encoding="utf-8")
