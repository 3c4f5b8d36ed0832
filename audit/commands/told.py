"""What ``audit run`` tells of a finished audit: in the terminal, as JSON, on the page of a CI job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import Result


def short(result: Result) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "folder": str(result.folder),
        "card": str(result.card),
        "report": str(result.report),
        "verdict": result.verdict.model_dump(mode="json"),
        "gates": [g.model_dump(mode="json") for g in result.data.gates],
        "findings": [
            {"id": f.id, "outlook": f.outlook, "severity": f.severity, "text": f.text} for f in result.data.findings
        ],
    }


def tell(result: Result) -> None:
    """Findings, gates, probes that did not run, the verdict, and where the pages lie."""
    console = Console()
    words = {
        "problem_found": "problem found",
        "no_problem_found": "no problem found in what we tested",
        "unclear": "unclear: too little evidence",
        "not_tested": "not tested",
    }
    table = Table(show_header=True, header_style="bold", pad_edge=False, box=None)
    for column in ("Risk", "Outlook", "Finding"):
        table.add_column(column, overflow="fold")
    for finding in result.data.findings:
        # Text objects, because a model's or a group's name may hold rich's markup.
        table.add_row(Text(finding.risk), Text(words[finding.outlook]), Text(finding.text))
    console.print(table)
    for gate in result.data.gates:
        console.print(
            f"gate {gate.metric}: {gate.verdict.replace('_', ' ')}. {gate.reason}", markup=False, highlight=False
        )
    for run_ in result.data.probes:
        if run_.status != "done":
            console.print(f"{run_.id}: {run_.status.replace('_', ' ')}. {run_.reason}", markup=False, highlight=False)
    if result.verdict.coverage is not None:
        console.print(f"Coverage: {result.verdict.coverage.text}", markup=False, highlight=False)
    console.print(result.verdict.text, markup=False, highlight=False, style="bold")
    # Plain prints: a path that is wrapped or coloured cannot be copied.
    print(f"Card:   {result.card}")
    print(f"Report: {result.report}")


def append_job_summary(result: Result) -> None:
    """Add the summary to the page of a CI job where the system names a file for it."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if target:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write((result.folder / "summary.md").read_text(encoding="utf-8"))
