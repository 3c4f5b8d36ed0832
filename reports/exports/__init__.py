"""The audit in the formats that other tools and other people's forms ask for; each file is named in ``write_exports``."""

from __future__ import annotations

from pathlib import Path

from audit.results import AuditResult, write_text
from reports.exports.code_quality import render_code_quality
from reports.exports.forms import render_gpai_annex, render_test_report
from reports.exports.interchange import render_eval_results, render_toolkit
from reports.exports.junit import render_junit
from reports.exports.modelcard import render_modelcard
from reports.exports.sarif import render_sarif
from reports.exports.summary import render_summary

__all__ = [
    "render_code_quality",
    "render_eval_results",
    "render_gpai_annex",
    "render_junit",
    "render_modelcard",
    "render_sarif",
    "render_summary",
    "render_test_report",
    "render_toolkit",
    "write_exports",
]
EVAL_RESULTS = "eval_results.yaml"


def write_exports(folder: Path, result: AuditResult, config_file: str = "model.yaml") -> list[Path]:
    """Write all exports into a result folder and return their paths.

    ``config_file`` is the file that alerts point at, relative to the root of its repository.
    """
    texts = {
        "junit.xml": render_junit(result),
        "audit.sarif": render_sarif(result, config_file),
        "code-quality.json": render_code_quality(result, config_file),
        "summary.md": render_summary(result),
        "modelcard.md": render_modelcard(result),
        "model_card.json": render_toolkit(result),
        "gpai-annex.md": render_gpai_annex(result),
        "test-report.md": render_test_report(result),
    }
    published = render_eval_results(result)
    if published is not None:
        texts[EVAL_RESULTS] = published
    else:
        (folder / EVAL_RESULTS).unlink(missing_ok=True)
    return [write_text(folder / name, text) for name, text in texts.items()]
