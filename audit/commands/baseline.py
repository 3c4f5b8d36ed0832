"""``audit baseline``: a result made small, to be committed and compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.api import load
from audit.commands.completing import metric_names, probe_ids
from audit.commands.ends import USAGE, stop
from audit.later import later
from audit.results import baseline_text, read_records, write_text

if TYPE_CHECKING:
    from audit import baselines
else:
    baselines = later("audit.baselines")


def baseline_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.", show_default=False)],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write.")] = Path("baseline.json"),
    probe: Annotated[
        list[str] | None, typer.Option(help="Only this probe; can be given again.", autocompletion=probe_ids)
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Only this metric, by its full name; can be given again.", autocompletion=metric_names),
    ] = None,
    slices: Annotated[bool, typer.Option("--slices", help="All slices too, not only those that gates name.")] = False,
) -> None:
    """Write the small file for --baseline.

    Example: audit baseline audits/old
    """
    opened = load(result)
    if output.is_dir():
        stop(f"{output} is a folder; name a file.", USAGE)
    there = {m.metric for m in opened.data.measurements}
    probes = {p.id for p in opened.data.probes}
    wrong = [f"The result has no probe {name}." for name in probe or () if name not in probes]
    wrong += [f"The result has no metric {name}." for name in metric or () if name not in there]
    if wrong:
        stop("\n".join(wrong), USAGE)
    wanted = set(metric or (there if slices else baselines.main_metrics(opened.data)))
    chosen = {m.metric for m in opened.data.measurements if m.metric in wanted and (not probe or m.probe in probe)}
    made = baselines.baseline_of(opened.data, lambda name: read_records(opened.folder, name), chosen)
    if not made.measurements:
        stop("None of the metrics has a value: there is nothing to compare with.", USAGE)
    text = baseline_text(made)
    try:
        write_text(output, text)
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror}.", USAGE)
    paired = sum(m.adds is not None for m in made.measurements)
    print(f"Wrote {output}: {len(made.measurements):,} numbers, {len(text.encode()) / 1000:,.0f} kB.")
    print(f"{paired:,} of them can be compared record by record, the others through their intervals.")
