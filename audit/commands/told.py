"""What ``audit run`` tells of a finished audit: in the terminal, as JSON, and to the system of a CI job."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import Result
from audit.yamlfile import ConfigError, read_yaml
from reports.exports.annotations import MOST, command, render_annotations
from reports.risks import OUTLOOK_WORDS

MOST_OF_A_PAGE = 2**20  # bytes of summaries that GitHub takes of one step; it drops the page of one with more
LEFT_OUT = (
    "\n\n*The rest is left out, because GitHub takes no more of one step: see `summary.md` in the result folder.*\n"
)


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
    table = Table(show_header=True, header_style="bold", pad_edge=False, box=None)
    for column in ("Risk", "Outlook", "Finding"):
        table.add_column(column, overflow="fold")
    for finding in result.data.findings:
        # Text objects, because a model's or a group's name may hold rich's markup.
        table.add_row(Text(finding.risk), Text(OUTLOOK_WORDS[finding.outlook]), Text(finding.text))
    console.print(table)
    for gate in result.data.gates:
        console.print(
            f"gate {gate.metric}: {gate.verdict.replace('_', ' ')}. {gate.reason}", markup=False, highlight=False
        )
    for run_ in result.data.probes:
        if run_.status != "done":
            console.print(f"{run_.id}: {run_.status.replace('_', ' ')}. {run_.reason}", markup=False, highlight=False)
    if result.data.manifest.budget is not None:
        console.print(result.data.manifest.budget.text, markup=False, highlight=False)
    if result.verdict.coverage is not None:
        console.print(f"Coverage: {result.verdict.coverage.text}", markup=False, highlight=False)
    console.print(result.verdict.text, markup=False, highlight=False, style="bold")
    # Plain prints: a path that is wrapped or coloured cannot be copied.
    print(f"Card:   {result.card}")
    print(f"Report: {result.report}")


def append_job_summary(result: Result) -> None:
    """Add the summary to the page of a CI job where the system names a file for it.

    What cannot be added is said in one line and changes nothing else: a verdict does not hang on a page.
    """
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        page, text = Path(target), (result.folder / "summary.md").read_text(encoding="utf-8")
        room = MOST_OF_A_PAGE - (page.stat().st_size if page.exists() else 0)
        fits = shortened(text, room)
        with page.open("a", encoding="utf-8", newline="") as file:
            file.write(fits)
        if not fits:
            print("The summary is not on the job's page, which is full.", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"The summary is not on the job's page: {error}.", file=sys.stderr)


def shortened(text: str, room: int) -> str:
    """Whole lines of the text that take at most ``room`` bytes, with a sentence where some are left out."""
    if len(text.encode()) <= room:
        return text
    room -= len(LEFT_OUT.encode())
    kept = b"".join(_fitting(text.encode().splitlines(keepends=True), room))
    return kept.decode() + LEFT_OUT if room >= 0 else ""


def _fitting(lines: Iterable[bytes], room: int) -> Iterator[bytes]:
    for line in lines:
        room -= len(line)
        if room < 0:
            return
        yield line


def annotate(result: Result, file: Path, out: TextIO) -> None:
    """Say to GitHub what is to be shown beside the lines of the config ``file``."""
    try:
        document = read_yaml(file)
    except ConfigError:  # it was there when the audit began
        document = None
    place = in_repository(file)
    for line in render_annotations(result.data, place, lambda keys: document.line(keys) if document else None):
        print(line, file=out)
    out.flush()


def in_repository(file: Path) -> str:
    """The path from the root of the job's checkout, as GitHub wants it; as it was named where it lies elsewhere."""
    root = os.environ.get("GITHUB_WORKSPACE")
    if root and file.resolve().is_relative_to(Path(root).resolve()):
        return file.resolve().relative_to(Path(root).resolve()).as_posix()
    return file.as_posix()


def on_github() -> bool:
    """Whether this runs in a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def no_commands(file: Path, out: TextIO) -> Iterator[None]:
    """In a job of GitHub, nothing that is printed meanwhile is taken for a command.

    Findings and reasons hold what a model or a server wrote, and GitHub reads a command out of any line that begins like
    one. After an error commands stay switched off, because its sentence is printed later; the next step has them again.
    Mistakes in the config ``file`` are told at their lines.
    """
    if not on_github():
        yield
        return
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", file=out, flush=True)
    try:
        yield
    except ConfigError as error:  # its sentences quote nothing but the file
        print(f"::{word}::", file=out)
        for problem in error.problems[:MOST] if Path(error.path) == file else ():
            print(command("error", "Config", problem.message, in_repository(file), problem.line), file=out)
        raise
    print(f"::{word}::", file=out)
