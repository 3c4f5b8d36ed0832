"""``audit compare``: several results side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.api import MOST_COMPARED, Result, draw_comparison, load
from audit.commands.completing import metric_names
from audit.commands.ends import USAGE, stop
from audit.commands.pages import chosen_languages, link, page_path, printable
from audit.later import later
from audit.results import (
    Compared,
    Comparison,
    Difference,
    DifferenceWord,
    Measurement,
    Record,
    read_records,
    to_json,
)

if TYPE_CHECKING:
    from audit import comparison
else:
    comparison = later("audit.comparison")

WORDS: dict[DifferenceWord, str] = {
    "better": "better",
    "worse": "worse",
    "higher": "higher",
    "lower": "lower",
    "no_difference_shown": "no difference shown",
    "cannot_be_compared": "cannot be compared",
}
NOT_BOTH = "not measured by both"  # why most cannot be compared: a probe that only one of the audits ran


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
    _show(results, opened, made, metric or [])
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


def _show(results: Sequence[Path], opened: Sequence[Result], made: Comparison, named: Sequence[str]) -> None:
    """What differs, what has a gate and what was asked for, one metric after the other; the page holds the rest."""
    letters = ascii_uppercase[: len(opened)]  # as on the page
    for mark, path, result in zip(letters, results, opened, strict=True):
        print(f"{mark}  {printable(f'{path}: {result.data.model.name}, {result.data.manifest.created}')}")
    wanted = {gate.metric for result in opened for gate in result.data.gates} | set(named)
    shown = [row for row in made.rows if row.metric in wanted or any(d and differs(d) for d in row.differences)]
    for row in shown:
        print(f"\n{printable(row.metric)}")
        cells = [cell(m) for m in row.found]
        for mark, value, missing, difference in zip(letters, cells, row.missing, row.differences, strict=True):
            notes = [missing] if missing else [] if difference is None else [_set_against(difference)]
            print(f"  {mark}  {value.ljust(max(map(len, cells)))}  {printable('; '.join(notes))}".rstrip())
    print()
    for place, mark in enumerate(letters[1:], start=1):
        print(f"{mark} against {letters[0]}: {_counts(made.rows, place)}")
    if len(shown) < len(made.rows):
        rest = len(made.rows) - len(shown)
        print(f"Not listed: {rest} without a gate that are not shown to differ; the page and --json hold them.")
    percent = f"{100 * made.confidence:g}%"
    print(f"* differs from {letters[0]} ({percent}, corrected for the number of comparisons, {made.tests})")
    compared = [d for row in made.rows for d in row.differences if d is not None and d.value is not None]
    if compared:
        part = sum(_of_a_part(d) for d in compared)
        whole = sum(d.paired for d in compared) - part
        print(
            f"Compared record by record: {whole} on the same records, {part} on those that both share; "
            f"as independent samples: {len(compared) - whole - part}"
        )


def _counts(rows: Sequence[Compared], place: int) -> str:
    """How many metrics got which word for one of the later results."""
    words: Counter[str] = Counter()
    for row in rows:
        difference = row.differences[place]
        if difference is not None:
            lacking = bool(row.missing[0] or row.missing[place])
            words[NOT_BOTH if lacking else WORDS[difference.word]] += 1
    return ", ".join(f"{words[word]} {word}" for word in (*WORDS.values(), NOT_BOTH) if words[word]) or "no metric"


def _set_against(difference: Difference) -> str:
    return f"{'* ' if differs(difference) else ''}{told(difference)}"


def told(difference: Difference) -> str:
    """A difference in words for a terminal, with its interval, or the reason why there is none."""
    word = WORDS[difference.word]
    if difference.value is None or difference.low is None or difference.high is None:
        return f"{word}: {difference.reason}" if difference.reason else word
    basis = f" on {difference.shared} shared records" if _of_a_part(difference) else ""
    return f"{word}: {difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}){basis}"


def _of_a_part(difference: Difference) -> bool:
    """Whether the two were paired on a part of their records only."""
    return difference.paired and bool(difference.only_here or difference.only_there or difference.changed)


def cell(m: Measurement | None) -> str:
    """A value with its interval, for a table in a terminal."""
    if m is None or m.value is None:
        return "-"
    if m.low is None or m.high is None:
        return f"{m.value:.3f}"
    return f"{m.value:.3f} ({m.low:.3f} to {m.high:.3f})"
