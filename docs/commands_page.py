"""Writes ``commands.md``: the help of every command, as a terminal of 80 columns shows it.

``--check`` writes nothing and ends with status 1 where the page is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main
from probe_pages import DOCS, write_or_check
from typer.testing import CliRunner

from audit.cli import app

PAGE = DOCS / "commands.md"
NOTE = "<!-- Written by docs/commands_page.py; change the code instead. -->"
COLUMNS = "80"


def tree(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """What is typed for the command and for all below it."""
    yield name
    for below, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*name, below))


def lines(name: tuple[str, ...]) -> list[str]:
    """One command: its name as a heading, and its help."""
    environment = {"COLUMNS": COLUMNS, "NO_COLOR": "1", "TERM": "dumb"}
    done = CliRunner().invoke(app, [*name, "--help"], env=environment, prog_name="audit")
    told = re.sub(r"\x1b\[[0-9;]*m", "", done.output).strip("\n").splitlines()
    shown = [line.rstrip() for line in told]
    while shown and not shown[0]:
        shown.pop(0)
    return [f"## {' '.join(('audit', *name))}", "", "```text", *shown, "```", ""]


def main() -> int:
    """Write or check the page; the exit status."""
    found = [line for name in tree(typer.main.get_command(app)) for line in lines(name)]
    return write_or_check(__doc__, {PAGE: ("", found[:-1])}, NOTE)


if __name__ == "__main__":
    raise SystemExit(main())
