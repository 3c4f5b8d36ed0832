"""``audit mitigate``: what remedies for the findings of an audit would buy."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import draw, draw_mitigation, load, option_problems
from audit.commands.ends import INCOMPLETE, USAGE, stop
from audit.later import later
from audit.models.place import cache_folder
from audit.progress import Silent, Terminal
from audit.results import Conclusion, Mitigation, to_json, write_mitigation
from audit.results.withholding import Withholding, hash_key

if TYPE_CHECKING:
    from audit.mitigation import run, settings
    from audit.models import opening
else:
    run, settings = later("audit.mitigation.run"), later("audit.mitigation.settings")
    opening = later("audit.models.opening")

WORDS: dict[Conclusion, str] = {
    "helped": "helped",
    "helped_at_a_cost": "helped, at a cost",
    "did_not_help": "no help shown",
    "made_it_worse": "made it worse",
    "not_tried": "not tried",
}


def mitigate_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.")],
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model.yaml, where not as the result keeps it.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with published benchmark data.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Learn from this column of the table alone; may be given several times.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="For text: at most this many held-out items of each probe.")] = 24,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all draws; the audit's by default.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; RESULT by default.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also where the audit found no problem.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Try remedies for what RESULT found.

    Example: audit mitigate audits/my-model
    """
    opened = load(result)
    wrong = option_problems((), (), None, None, None, None, data)
    target = output or opened.folder
    if target.exists() and not target.is_dir():
        wrong.append(f"The output {target} is a file; name a folder.")
    if wrong:
        stop("\n".join(wrong), USAGE)
    checked = run.config_of(opened.data, config)
    opening.quiet_libraries()
    try:
        with nullcontext(Silent()) if quiet or as_json else Terminal() as progress:
            chosen = settings.Settings(
                seed=opened.data.manifest.seed if seed is None else seed,
                confidence=opened.data.manifest.confidence,
                data=data,
                limit=limit,
                cache=cache_folder() / "responses.sqlite",
                work=target / "mitigation",
                progress=progress,
                columns=tuple(column or ()),
                everything=everything,
            )
            found = run.mitigate(opened.folder, opened.data, checked, chosen)
            found = Withholding(hash_key(os.environ)).result(found)
    except KeyboardInterrupt:
        stop("Stopped; nothing was written.", INCOMPLETE)
    write_mitigation(target, found)
    page = draw_mitigation(target)
    if target.resolve() == opened.folder.resolve():
        draw(opened.folder, opened.data)  # the card tells of it as well
    if as_json:
        print(to_json(found.model_dump(mode="json")), end="")
    elif not quiet:
        _tell(found)
        print(f"Page: {page}")


def _tell(found: Mitigation) -> None:
    if not found.findings and not found.everything:
        print("The audit found no problem of bias, so no remedy was tried; --all tries them all the same.")
        return
    if not found.remedies:
        print("There is no remedy here for what the audit found of this kind of model.")
        return
    table = Table(show_header=True, header_style="bold", pad_edge=False, box=None)
    for name in ("Remedy", "For", "Conclusion"):
        table.add_column(name, overflow="fold")
    for remedy in found.remedies:
        reason = f": {remedy.reason}" if remedy.reason else ""
        table.add_row(Text(remedy.title), Text(remedy.about), Text(WORDS[remedy.conclusion] + reason))
    Console().print(table)
