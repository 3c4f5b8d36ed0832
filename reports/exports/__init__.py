"""The audit in the formats that other tools read: JUnit XML, SARIF, a job summary, a Hugging Face model card."""

from __future__ import annotations

from pathlib import Path

from audit.results import AuditResult, write_text
from reports.exports.junit import render_junit
from reports.exports.modelcard import render_modelcard
from reports.exports.sarif import render_sarif
from reports.exports.summary import render_summary

__all__ = ["render_junit", "render_modelcard", "render_sarif", "render_summary", "write_exports"]


def write_exports(folder: Path, result: AuditResult, config_file: str = "model.yaml") -> list[Path]:
    """Write all exports into a result folder and return their paths.

    ``config_file`` is the file that SARIF results point at, relative to the root of its repository.
    """
    texts = {
        "junit.xml": render_junit(result),
        "audit.sarif": render_sarif(result, config_file),
        "summary.md": render_summary(result),
        "modelcard.md": render_modelcard(result),
    }
    return [write_text(folder / name, text) for name, text in texts.items()]
