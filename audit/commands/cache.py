"""``audit cache``: what is kept on this machine."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.commands.ends import USAGE, stop
from audit.models.place import cache_folder
from audit.results import to_json
from audit.upkeep import Kept, cutoff, inventory, remove, select


def cache_command(
    prune: Annotated[bool, typer.Option("--prune", help="Show what a clean-up would remove.")] = False,
    older_than: Annotated[
        int | None, typer.Option(metavar="DAYS", min=0, help="Only what was not used for so many days.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="HASH", help="Only this model; the hash's beginning.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is kept.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show or remove what is kept on this machine.

    Example: audit cache --prune --all
    """
    chosen = everything or older_than is not None or model is not None
    if prune and not chosen:
        stop("Say what to remove: --older-than DAYS, --model HASH or --all.", USAGE)
    if not prune and (chosen or yes):
        stop("--older-than, --model, --all and --yes go with --prune.", USAGE)
    if everything and (older_than is not None or model is not None):
        stop("--all removes everything; leave out --older-than and --model.", USAGE)
    folder, before = cache_folder(), cutoff(int(time.time()), older_than)
    try:
        kept = select(folder, before, model) if prune else inventory(folder)
    except ValueError as error:
        stop(str(error), USAGE)
    gave_back = remove(folder, kept, before) if prune and yes else True
    said = "Kept" if not prune else "Removed" if yes else "Would be removed, with --yes"
    if as_json:
        removed = {"removed": prune and yes, "space_given_back": gave_back} if prune else {}
        found = [{**asdict(k), "path": str(k.path)} for k in kept]
        print(to_json({"folder": str(folder), "bytes": sum(k.size for k in kept), "kept": found, **removed}), end="")
        return
    _show_kept(kept)
    print(f"{said}: {_bytes(sum(k.size for k in kept)) if kept else 'nothing'} in {folder}")
    if not gave_back:
        print("Another audit is writing to the file of answers: its free space is used again, but not given back yet.")


def _show_kept(kept: list[Kept]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("What", no_wrap=True)
    table.add_column("Model", overflow="fold")
    table.add_column("Hash", no_wrap=True)
    for column in ("Answers", "Size", "First used", "Last used"):
        table.add_column(column, justify="right", no_wrap=True)
    for k in kept:
        times = [datetime.fromtimestamp(t, UTC).date().isoformat() if t else "-" for t in (k.first_used, k.last_used)]
        table.add_row(k.kind, Text(k.name), k.key[:12], f"{k.count:,}" if k.count else "-", _bytes(k.size), *times)
    if kept:
        Console().print(table)


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
