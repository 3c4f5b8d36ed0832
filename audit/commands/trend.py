"""``audit trend``: the audits of a folder over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import draw_trends
from audit.commands.compare import cell, unknown_metrics
from audit.commands.completing import metric_names
from audit.commands.ends import USAGE, stop
from audit.commands.pages import chosen_languages, page_path, printable
from audit.later import later
from audit.results import Difference, Series, Trend, to_json

if TYPE_CHECKING:
    from audit import trends
else:
    trends = later("audit.trends")

ARROWS = {
    "better": "better",
    "worse": "worse",
    "higher": "↑ higher",
    "lower": "↓ lower",
    "no_difference_shown": "no difference shown",
    "cannot_be_compared": "cannot be compared",
}


def trend_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with result folders somewhere below it.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; audits/trend-<time>.html by default.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Also this metric, by its full name; can be given again.", autocompletion=metric_names),
    ] = None,
    lang: Annotated[str, typer.Option(help="Languages of the page, separated by commas; the first shows.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; a page only with --output.")] = False,
) -> None:
    """Draw the gated metrics of all results below DIR over time.

    Example: audit trend audits
    """
    if not folder.is_dir():
        stop(f"{folder} is {'a file' if folder.exists() else 'not there'}; name a folder that holds results.", USAGE)
    chosen = chosen_languages(lang)
    page = page_path(output, "trend") if output is not None or not as_json else None
    found, left_out = trends.gather(folder)
    if not found:
        unread = f" {len(left_out)} could not be read, the first: {left_out[0].reason}" if left_out else ""
        stop(f"There is no result below {folder}.{unread}", USAGE)
    unknown_metrics(metric or [], [f.result.measurements for f in found])
    told = trends.trends(found, metric or [])
    if not any(trend.series for trend in told):
        stop(f"The newest audit below {folder} has no gates; name what to draw with --metric.", USAGE)
    if page is not None:
        draw_trends(page, told, left_out, chosen)
    if as_json:
        content = {"trends": [t.model_dump(mode="json") for t in told], "left_out": [o.model_dump() for o in left_out]}
        print(to_json(content), end="")
        return
    _show(told)
    for left in left_out:
        print(printable(f"Left out: {left.folder}: {left.reason}"))
    print(f"Page: {page}")


def _show(told: list[Trend]) -> None:
    console = Console()
    for trend in told:
        first, last = trend.audits[0], trend.audits[-1]
        span = last.created if len(trend.audits) == 1 else f"{first.created} to {last.created}"
        audits = "1 audit" if len(trend.audits) == 1 else f"{len(trend.audits)} audits"
        console.print(Text(printable(f"{trend.model}: {audits}, {span}"), style="bold"))
        if not trend.series:
            print("Its newest audit has no gates; --metric names what to draw.")
            continue
        table = Table(box=None, pad_edge=False)
        for column in ("Metric", "Latest", "Gate", "Since the audit before"):
            table.add_column(column, overflow="fold")
        for series in trend.series:
            table.add_row(*(Text(printable(text)) for text in _row(series)))
        console.print(table)


def _row(series: Series) -> tuple[str, str, str, str]:
    last = series.points[-1]
    gates = ", ".join(f"{g.rule} {g.threshold:g}: {g.verdict}".replace("_", " ") for g in last.gates) or "-"
    return series.metric, cell(last.measurement), gates, _since(series.change)


def _since(change: Difference | None) -> str:
    if change is None:
        return "-"
    told = ARROWS[change.word]
    if change.value is None or change.low is None or change.high is None:
        return f"{told}: {change.reason}" if change.reason else told
    arrow = "" if told[0] in "↑↓" or change.word == "no_difference_shown" else "↑ " if change.value > 0 else "↓ "
    part = change.paired and bool(change.only_here or change.only_there or change.changed)
    basis = f" on {change.shared} shared records" if part else ""
    return f"{arrow}{told}: {change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f}){basis}"
