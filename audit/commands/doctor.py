"""``audit doctor``: what is installed, which device, what each extra would add, and what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.checkup import Checkup, checkup, version_of
from audit.commands.ends import INCOMPLETE
from audit.results import to_json


def doctor_command(
    try_imports: Annotated[
        bool, typer.Option("--try-imports", help="Also import each installed extra; takes a while.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what is installed, and what each extra would add.

    Also which device is used, and what is wrong. Ends with 0 where audits can run here, otherwise with 3.

    Example: audit doctor
    """
    found = checkup(try_imports)
    if as_json:
        print(to_json({"can_audit": found.can_audit, **asdict(found)}), end="")
    else:
        _tell(found)
    raise typer.Exit(0 if found.can_audit else INCOMPLETE)


def tell_version(asked: bool) -> None:
    """Print which version this is, and end."""
    if asked:
        print("fairwitness", version_of("fairwitness") or "is not installed")
        raise typer.Exit


def _tell(found: Checkup) -> None:
    console = Console(highlight=False)
    rows = [
        ("fairwitness", f"{found.version}, {'no' if found.probes is None else found.probes} probes"),
        ("Python", f"{found.python} on {found.platform}"),
    ]
    if (machine := found.machine) is not None:
        rows += [
            ("torch", f"{machine.torch}, processor code {machine.instructions}"),
            ("Device", f"{machine.used}; there is {', '.join(machine.devices)}"),
            ("Machine", f"{machine.hardware}, {machine.memory / 1e9:.1f} GB of memory"),
        ]
    kept = "not known" if found.cache_bytes is None else f"{found.cache_bytes / 1e6:,.1f} MB kept"
    free = "not known" if found.disk_free is None else f"{found.disk_free / 1e9:,.1f} GB free"
    rows += [
        ("Cache", f"{found.cache} ({kept}, {free})"),
        ("Demo model", "installed" if found.demo_model else "absent"),
    ]
    _lines(console, rows)
    console.print("\nExtras", style="bold")
    _table(
        console,
        [
            (e.name, f"{f'installed ({e.version or e.module})' if e.installed else e.command}: {e.adds}")
            for e in found.extras
        ],
    )
    console.print("\nEnvironment", style="bold")
    _lines(console, [(name, value) for name, value in found.environment.items() if value is not None])
    unset = ", ".join(name for name, value in found.environment.items() if value is None)
    if unset:
        console.print(Text(f"Not set: {unset}"), soft_wrap=True)
    print()
    for wrong in found.wrong:
        print(f"{'Wrong' if wrong.fatal else 'Note'}: {wrong.text}")
    print("Audits can run here." if found.can_audit else "No audit can run here until what is wrong is put right.")


def _lines(console: Console, rows: list[tuple[str, str]]) -> None:
    """Paths and versions, which are copied: a line stays one line, which only the terminal may wrap."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        console.print(Text(f"{name:<{width}}  {text}"), soft_wrap=True)


def _table(console: Console, rows: list[tuple[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name), Text(text))
    console.print(table)
