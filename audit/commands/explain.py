"""``audit explain``: which words drove one answer, and whether that explanation holds up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import option_problems
from audit.commands.completing import devices
from audit.commands.ends import INCOMPLETE, USAGE, stop
from audit.later import later
from audit.models import Method, Model, Unit
from audit.progress import Progress, Silent, Terminal
from audit.results import to_json

if TYPE_CHECKING:
    from audit import explained, explaining
else:
    explained, explaining = later("audit.explained"), later("audit.explaining")

METHODS: tuple[Method, ...] = get_args(Method)
UNITS: tuple[Unit, ...] = get_args(Unit)
ROWS = 10


def explain_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model.yaml.", show_default=False)],
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    answer: Annotated[str | None, typer.Option(help="The answer to explain; of a classifier a class.")] = None,
    instead: Annotated[str | None, typer.Option(help="Another answer: why not this one?")] = None,
    record: Annotated[
        str | None, typer.Option(metavar="RESULT/PROBE/RECORD-ID", help="A record of an audit instead.")
    ] = None,
    method: Annotated[str, typer.Option(help=f"Other methods: {', '.join(METHODS[1:])}.")] = METHODS[0],
    unit: Annotated[str, typer.Option(help="What gets a score: word, token or segment.")] = UNITS[0],
    chat: Annotated[
        bool | None, typer.Option("--chat/--raw", help="Question to a chat model, or text to go on with.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="PAGE.html", help="Also draw a page with the attention.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=devices)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say which words drove an answer, and whether that holds up.

    Example: audit explain model.yaml --prompt "What is the capital of France?" --answer Paris
    """
    given = {"--prompt": prompt, "--answer": answer, "--instead": instead, "--chat/--raw": chat}
    _check_options(record, given, output, device)
    try:
        with nullcontext(Silent()) if as_json else Terminal() as progress:
            how, of = explaining.check_method(method, unit)
            kept = None if record is None else explaining.find_record(record)
            if kept is None:
                explaining.check_question(prompt or "", answer or "", instead)
            progress.say(f"Opening {file}")
            model = explaining.open_model(file, device)
            if kept is not None:
                found = explaining.explain_record(model, kept, method=how, unit=of, seed=seed, progress=progress)
            else:
                found = explaining.explain(
                    model, prompt or "", answer or "", instead,
                    method=how, unit=of, chat=chat, seed=seed, progress=progress,
                )  # fmt: skip
            view = None if output is None else _seen(model, found, progress)
    except explaining.ExplainError as error:
        stop(str(error), USAGE)
    except explaining.Unfinished as error:
        stop(str(error), INCOMPLETE)
    except KeyboardInterrupt:
        stop("Stopped. What was finished is kept, and asking again goes on.", INCOMPLETE)
    if as_json:
        print(to_json(found.data()), end="")
    else:
        _tell(found)
    if output is not None:
        try:
            page = found.save(output, view)
        except OSError as error:  # what was found has been told
            stop(f"The page {output} cannot be written: {error.strerror}.", USAGE)
        if not as_json:
            print(f"Page: {page}")


def _check_options(record: str | None, given: Mapping[str, object], output: Path | None, device: str | None) -> None:
    wrong = option_problems((), (), None, None, None, device, None)
    if record is not None:
        wrong += [
            f"The record says what was asked: leave out {name}, or --record."
            for name, v in given.items()
            if v is not None
        ]
    else:
        wrong += [f"Give {name}, or --record." for name in ("--prompt", "--answer") if given[name] is None]
    if output is not None and output.is_dir():
        wrong.append(f"The output {output} is a folder; name a file.")
    if wrong:
        stop("\n".join(wrong), USAGE)


def _seen(model: Model, found: explained.Explanation, progress: Progress) -> explained.AttentionView | None:
    """The attention for the page, where the model shows it."""
    if explaining.shows_attention(model):
        try:
            return explaining.attention(model, found.question.prompt, found.question.answer)
        except (explaining.ExplainError, explaining.Unfinished) as error:  # the explanation stands without it
            progress.say(str(error))
    return None


def _tell(found: explained.Explanation) -> None:
    console = Console(highlight=False)
    whole = not console.is_terminal  # whoever reads a pipe or a file breaks lines as they like
    console.print(Text(found.asked), style="bold", soft_wrap=whole)
    for line in (found.sentence, *(f"Warning: {warning}" for warning in found.warnings)):
        console.print(Text(line), soft_wrap=whole)
    rows = found.strongest(ROWS)
    if found.hidden is None:
        table = Table(show_header=True, header_style="bold", pad_edge=False, box=None)
        table.add_column("Position", justify="right")
        table.add_column(found.question.unit.capitalize(), overflow="fold")
        table.add_column("Pushes", no_wrap=True)
        table.add_column("Score (nats)" if found.signed else "Score", justify="right", no_wrap=True)
        for row in rows:
            table.add_row(str(row.position), Text(row.text), row.pushes, f"{row.score:+.3f}")
        console.print(table)
        left = len(found.units) - len(rows)
        if left > 0:
            console.print(f"{left} more, none of them stronger; --json prints all.")
    for line in filter(None, (_numbers(found), found.meaning)):
        console.print(Text(line), soft_wrap=whole)


def _numbers(found: explained.Explanation) -> str:
    names = ("log p of the answer", "of the other answer")
    parts = [f"{name} {value}" for name, value in zip(names, found.likely, strict=False)]
    if found.f is not None:
        parts.append(f"f {found.f:+.3f}")
    return f"{', '.join(parts)} (nats)" if parts else "log p is not a number"
