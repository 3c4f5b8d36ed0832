"""``audit trend``: the audits of a folder over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.api import draw_trends
from audit.commands.compare import cell, differs, told, unknown_metrics
from audit.commands.completing import metric_names
from audit.commands.ends import USAGE, stop
from audit.commands.pages import chosen_languages, page_path, printable
from audit.later import later
from audit.results import Difference, Trend, to_json

if TYPE_CHECKING:
    from audit import trends
else:
    trends = later("audit.trends")


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
    drawn = trends.trends(found, metric or [])
    if not any(trend.series for trend in drawn):
        stop(f"The newest audit below {folder} has no gates; name what to draw with --metric.", USAGE)
    if page is not None:
        draw_trends(page, drawn, left_out, chosen)
    if as_json:
        content = {"trends": [t.model_dump(mode="json") for t in drawn], "left_out": [o.model_dump() for o in left_out]}
        print(to_json(content), end="")
        return
    _show(drawn)
    for left in left_out:
        print(printable(f"Left out: {left.folder}: {left.reason}"))
    print(f"Page: {page}")


def _show(found: list[Trend]) -> None:
    for trend in found:
        first, last = trend.audits[0], trend.audits[-1]
        span = last.created if len(trend.audits) == 1 else f"{first.created} to {last.created}"
        audits = "1 audit" if len(trend.audits) == 1 else f"{len(trend.audits)} audits"
        print(printable(f"{trend.model}: {audits}, {span}"))
        if not trend.series:
            print("  Its newest audit has no gates; --metric names what to draw.")
        for series in trend.series:
            last_point = series.points[-1]
            print(f"  {printable(series.metric)}")
            reason = "" if last_point.reason is None else f"  {last_point.reason}"
            print(f"    latest  {cell(last_point.measurement)}{printable(reason)}")
            for gate in last_point.gates:
                print(f"    gate    {gate.rule} {gate.threshold:g}: {gate.verdict}".replace("_", " "))
            if series.change is not None:
                print(f"    change  {printable(_since(series.change))}")
        print()


def _since(change: Difference) -> str:
    arrow = "" if not differs(change) or not change.value else "↑ " if change.value > 0 else "↓ "
    return f"{arrow}{told(change)}"
