"""``audit verify``: does an old result hold, when a sample of it is computed again?"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.api import load, option_problems
from audit.commands.completing import devices
from audit.commands.ends import INCOMPLETE, USAGE, stop
from audit.later import later
from audit.progress import Silent, Terminal
from audit.results import to_json

if TYPE_CHECKING:
    from audit import explaining, verifying
else:
    explaining, verifying = later("audit.explaining"), later("audit.verifying")

SAMPLE, SHOWN = 50, 5
DIFFERS = 1  # exit status of a result that does not hold


def verify_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model.yaml; the one that the result names by default.")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="At most this many records are computed again.")] = SAMPLE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=devices)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Compute a sample of RESULT again: does it hold?

    Example: audit verify audits/old
    """
    opened = load(result)
    wrong = option_problems((), (), None, None, None, device, None)
    file = config or Path(opened.data.manifest.config_file)
    if not file.is_file():
        named = f"There is no file {file}." if config else f"{file}, which the result names as its config, is not here."
        wrong.append(named if config else f"{named} Give the model.yaml with --config.")
    if wrong:
        stop("\n".join(wrong), USAGE)
    try:
        with nullcontext(Silent()) if as_json else Terminal() as progress:
            progress.say(f"Opening the model of {file}")
            found = verifying.verify(
                explaining.open_model(file, device), opened.folder, opened.data, sample, seed, progress
            )
    except KeyboardInterrupt:
        stop("Stopped; nothing was found out.", INCOMPLETE)
    if as_json:
        print(to_json(found.data()), end="")
    else:
        _tell(found)
    raise typer.Exit({True: 0, False: DIFFERS, None: INCOMPLETE}[found.holds])


def _tell(found: verifying.Verification) -> None:
    print(sentence(found))
    for check in found.checks:
        print(_checked(check))
    for note in found.notes:
        print(f"Other version: {note}.")
    told = [a for a in found.again if a.fate in ("moved", "unanswered")]
    for again in sorted(told, key=lambda a: -(a.difference or 0.0))[:SHOWN]:
        numbers = (
            "" if again.then is None or again.now is None else f" {again.then:+.6f} then, {again.now:+.6f} now (nats)."
        )
        other = " The other answer is preferred now." if again.then is None and again.now is not None else ""
        reason = f" {again.reason}" if again.reason else ""
        print(f"{again.probe}/{again.record}: {again.fate}.{numbers}{other}{reason}")
    if len(told) > SHOWN:
        print(f"{len(told) - SHOWN} more; --json prints all.")


def sentence(found: verifying.Verification) -> str:
    """Whether the result holds, and by what that was found out."""
    asked, moved, left = len(found.again), found.counts["moved"], found.counts["unanswered"]
    if found.other_model:
        names = ", ".join(check.name for check in found.other_model)
        return f"The result does not hold: it is of another model. Not the same: {names}. {_counted(found)}"
    if moved:
        return f"The result does not hold. {_counted(found)}"
    if not asked:
        return (
            f"The result could not be verified: none of its {found.records:,} records holds a decision that this model can "
            f"be asked again.{_withheld(found)}"
        )
    if left:
        return f"The result could not be verified: {found.stopped or 'the model did not answer everything'}. ".replace(
            "..", "."
        ) + _counted(found)
    return f"The result holds. {_counted(found)}"


def _counted(found: verifying.Verification) -> str:
    asked, counts = len(found.again), found.counts
    if not asked:
        return "No record was computed again."
    parts = [f"{counts['same'] + counts['close']:,} of {asked:,} records computed again say the same"]
    if counts["close"]:
        parts.append(f"{counts['close']:,} of these were too close to call")
    if counts["moved"]:
        parts.append(f"{counts['moved']:,} say something else")
    if counts["unanswered"]:
        parts.append(f"{counts['unanswered']:,} got no answer")
    largest = "" if found.largest is None else f" The largest difference is {found.largest:.2g} nats."
    return f"{', '.join(parts)}; {found.available:,} of {found.records:,} could have been.{largest}{_withheld(found)}"


def _withheld(found: verifying.Verification) -> str:
    if not found.withheld:
        return ""
    return f" In {found.withheld:,} records personal data are blotted out of what was asked, so that it cannot be put again."


def _checked(check: verifying.Check) -> str:
    if check.same is None:
        return f"{check.name.capitalize()}: not known {'then' if check.then is None else 'now'}."
    if check.same:
        return f"{check.name.capitalize()}: the same ({_short(check.then)})."
    return f"{check.name.capitalize()}: differs ({_short(check.then)} then, {_short(check.now)} now)."


def _short(text: str | None) -> str:
    return (text or "")[:12]
