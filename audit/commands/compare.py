"""``audit compare``: several results side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import MOST_COMPARED, Result, draw_comparison, load
from audit.commands.completing import metric_names
from audit.commands.ends import USAGE, stop
from audit.commands.pages import chosen_languages, link, page_path, printable
from audit.later import later
from audit.results import Compared, Comparison, Difference, Measurement, Record, read_records, to_json

if TYPE_CHECKING:
    from audit import comparison
else:
    comparison = later("audit.comparison")

MARKS = {
    "better": " * better",
    "worse": " * worse",
    "higher": " * higher",
    "lower": " * lower",
    "no_difference_shown": "",
    "cannot_be_compared": "",
}


def compare_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT RESULT...", help="Two or more result folders.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; audits/comparison-<time>.html by default.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Only this metric, by its full name; can be given again.", autocompletion=metric_names),
    ] = None,
    lang: Annotated[str, typer.Option(help="Languages of the page, separated by commas; the first shows.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; a page only with --output.")] = False,
) -> None:
    """Set results side by side, each against the first.

    Example: audit compare old new
    """
    if len(results) < 2:
        stop("Give at least two results to compare.", USAGE)
    if len(results) > MOST_COMPARED:
        stop(f"At most {MOST_COMPARED} results can be compared at once.", USAGE)
    chosen = chosen_languages(lang)
    opened = [load(path) for path in results]
    _check(results, opened, metric or [])
    page = page_path(output, "comparison") if output is not None or not as_json else None

    def records(place: int, probe: str) -> Sequence[Record]:
        return read_records(opened[place].folder, probe)

    made = comparison.compare([r.data for r in opened], records, metric or [])
    if page is not None:
        cards = [link(page, r.card) for r in opened]
        draw_comparison(page, [r.data for r in opened], [str(path) for path in results], made, chosen, cards)
    if as_json:
        print(to_json([_data(row) for row in made.rows]), end="")
        return
    _show(results, opened, made)
    print(f"Page: {page}")


def _check(results: Sequence[Path], opened: Sequence[Result], metrics: Sequence[str]) -> None:
    """End with a sentence where a result is named twice or a metric is in none of them."""
    places = Counter(r.folder.resolve() for r in opened)
    twice = [str(path) for path, r in zip(results, opened, strict=True) if places[r.folder.resolve()] > 1]
    if twice:
        stop(f"{twice[-1]} is given twice; a result cannot be compared with itself.", USAGE)
    unknown_metrics(metrics, [r.data.measurements for r in opened])


def unknown_metrics(metrics: Sequence[str], measured: Sequence[Sequence[Measurement]]) -> None:
    """End with a sentence where a metric is in none of the results."""
    known = {m.metric for one in measured for m in one}
    for name in metrics:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            stop(f"None of the results has a metric {name}.{f' Did you mean {near[0]}?' if near else ''}", USAGE)


def _data(row: Compared) -> dict[str, Any]:
    found = [
        None if m is None else {"value": m.value, "low": m.low, "high": m.high, "n": m.n, "confidence": m.confidence}
        for m in row.found
    ]
    others = [d for d in row.differences if d is not None]
    return {
        "metric": row.metric,
        "label": row.label,
        "probe": row.probe,
        "unit": row.unit,
        "direction": row.direction,
        "results": found,
        "missing": list(row.missing),
        "differs_from_first": [differs(d) for d in others],
        "differences": [d.model_dump(mode="json") for d in others],
    }


def differs(difference: Difference) -> bool | None:
    """Whether it is shown that two numbers differ; None where they cannot be compared."""
    if difference.word == "cannot_be_compared":
        return None
    return difference.word != "no_difference_shown"


def _show(results: Sequence[Path], opened: Sequence[Result], made: Comparison) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("Metric", overflow="fold")
    for path, result in zip(results, opened, strict=True):
        table.add_column(Text(f"{printable(result.data.model.name)}\n{printable(path.name)}"), justify="right")
    for row in made.rows:
        marks = (MARKS[d.word] if d else "" for d in row.differences)
        table.add_row(
            Text(printable(row.metric)), *(Text(cell(m) + mark) for m, mark in zip(row.found, marks, strict=True))
        )
    Console().print(table)
    percent = f"{100 * made.confidence:g}%"
    print(f"* differs from the first ({percent}, corrected for the number of comparisons, {made.tests})")
    compared = [d for row in made.rows for d in row.differences if d is not None and d.value is not None]
    paired = sum(d.paired for d in compared)
    part = sum(d.paired and bool(d.only_here or d.only_there or d.changed) for d in compared)
    print(
        f"{paired} of {len(compared)} differences are of the same records, {part} of these of a shared part; the others are "
        "as of independent samples."
    )


def cell(m: Measurement | None) -> str:
    """A value with its interval, for a table in a terminal."""
    if m is None or m.value is None:
        return "-"
    if m.low is None or m.high is None:
        return f"{m.value:.3f}"
    return f"{m.value:.3f} ({m.low:.3f} to {m.high:.3f})"
