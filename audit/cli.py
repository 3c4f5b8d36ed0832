"""The ``audit`` command."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from audit.api import draw, load, option_problems, run
from audit.cache import CacheError
from audit.commands.baseline import baseline_command
from audit.commands.cache import cache_command
from audit.commands.compare import compare_command
from audit.commands.completing import devices, probe_ids, suites
from audit.commands.describe import describe_command
from audit.commands.doctor import doctor_command, tell_version
from audit.commands.ends import INCOMPLETE, USAGE, stop
from audit.commands.explain import explain_command
from audit.commands.impact import init_impact
from audit.commands.mitigate import mitigate_command
from audit.commands.new_probe import new_probe_command
from audit.commands.pages import chosen_languages
from audit.commands.told import annotate, append_job_summary, no_commands, on_github, short, tell
from audit.commands.trend import trend_command
from audit.commands.verify import verify_command
from audit.config import ConfigError, config_schema, starter
from audit.declared import declarations, mismatches
from audit.later import collect_seldom, later
from audit.models import ModelError
from audit.progress import Silent, Terminal
from audit.results import ResultError, result_schema, to_json, write_text
from probes.registry import ProbeError, find_probes

if TYPE_CHECKING:
    from audit import custom, planning, sweep
else:
    custom, planning, sweep = later("audit.custom"), later("audit.planning"), later("audit.sweep")

_WRONG = (ConfigError, ModelError, ProbeError, ResultError)

app = typer.Typer(
    name="audit",
    help="Audit a model for bias, hallucination, misinformation and explainability, with evidence and uncertainty.\n\n"
    "Example: audit init && audit run model.yaml",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path, typer.Argument(metavar="FILE", help="A model.yaml.", show_default=False)]


def main() -> None:
    """Entry point of the command: mistakes of the user end in a sentence, never in a traceback."""
    collect_seldom()
    try:
        app(prog_name="audit")  # whatever it was started by: the completion of the shell knows it by this name
    except _WRONG as error:
        stop(str(error), USAGE)
    except (CacheError, OSError) as error:
        stop(f"The audit could not be completed: {error}", INCOMPLETE)
    except Exception:
        # Python's own status for an uncaught error is 1, which would tell a CI job that a gate was not met.
        traceback.print_exc()
        stop("The audit could not be completed: this is an error in the program, shown above.", INCOMPLETE)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What holds for no command; its help is the one of ``app``."""


@app.command("run")
def run_command(
    file: ConfigFile,
    output: Annotated[Path | None, typer.Option(help="Result folder; default audits/<model>-<time>.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with published benchmark data.")] = None,
    probe: Annotated[
        list[str] | None, typer.Option(help="Only this probe; can be given again.", autocompletion=probe_ids)
    ] = None,
    suite: Annotated[str | None, typer.Option(help="quick, standard or full.", autocompletion=suites)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many items of each probe.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Earlier result or baseline, for gates.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all draws.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=devices)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with this audit's last unfinished run.")] = False,
    budget: Annotated[str | None, typer.Option(help="Draw what fits a time: 90s, 10m, 1h30m.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Audit the model that FILE names.

    Example: audit run model.yaml --suite quick --budget 10m
    """
    _check_options(probe or [], suite, device, data, output, budget)
    silent = quiet or as_json
    out = sys.stderr if as_json else sys.stdout  # GitHub reads its commands from both
    try:
        with no_commands(file, out), nullcontext(Silent()) if silent else Terminal() as progress:
            result = run(
                file,
                output=output,
                data=data,
                probes=probe or [],
                suite=suite,
                limit=limit,
                baseline=baseline,
                seed=seed,
                device=device,
                resume=resume,
                budget=budget,
                progress=progress,
            )
    except KeyboardInterrupt:  # typer would end it with 130, before main() sees it
        stop("Stopped. What was finished is kept; `audit run FILE --resume` goes on.", INCOMPLETE)
    except SystemExit as end:  # whatever status the code of a model or of a package asked for, this audit has none
        stop(f"The audit could not be completed: code that it ran ended the program ({end.code}).", INCOMPLETE)
    append_job_summary(result)
    try:
        with no_commands(file, out):
            if as_json:
                print(to_json(short(result)), end="", flush=True)
            elif not quiet:
                tell(result)
        if on_github():
            annotate(result, file, out)
    except BrokenPipeError:
        # The reader of a pipe has left (audit run … | head); typer would end that with 1, 'a gate was not met'.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(result.verdict.exit_status)


def _check_options(
    probes: list[str],
    suite: str | None,
    device: str | None,
    data: Path | None,
    output: Path | None,
    budget: str | None = None,
) -> None:
    wrong = option_problems(find_probes(), probes, suite, None, None, device, data, budget)
    if output is not None and output.exists() and not output.is_dir():
        wrong.append(f"The output {output} is a file; name a folder.")
    if wrong:
        stop("\n".join(wrong), USAGE)


@app.command("sweep")
def sweep_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One model.yaml for each model.")],
    output: Annotated[Path | None, typer.Option(help="Folder of the results; audits/sweep-<time> by default.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with published benchmark data.")] = None,
    suite: Annotated[str | None, typer.Option(help="quick, standard or full.", autocompletion=suites)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many items of each probe.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all draws.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=devices)] = None,
    executor: Annotated[str, typer.Option(help="local: one after another; ray: several at once.")] = "local",
    address: Annotated[str | None, typer.Option(help="For ray: the cluster's address.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="For ray: audits at once; 2 by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished sweep into the same folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Audit the models of all FILEs.

    Ends with the worst status: 3, 2, 1, 4, 0.

    Example: audit sweep a.yaml b.yaml
    """
    if executor not in ("local", "ray"):
        stop(f"Unknown executor {executor}; choose local or ray.", USAGE)
    if executor == "local" and (address is not None or workers is not None):
        stop("--address and --workers go with --executor ray.", USAGE)
    _check_options([], suite, device, data, output)
    folder = output or Path("audits") / f"sweep-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    planned = sweep.jobs(files, folder, sweep.Options(suite, limit, seed, device, str(data) if data else None, resume))
    try:
        with nullcontext(Silent()) if quiet or as_json else Terminal() as progress:
            if executor == "ray":
                rows = list(sweep.over_ray(planned, address, workers, progress.say))
            else:
                rows = list(sweep.here(planned, progress))
    except KeyboardInterrupt:
        stop(f"Stopped. `audit sweep ... --output {folder} --resume` goes on.", INCOMPLETE)
    status = sweep.worst(rows)
    if as_json:
        audits = [asdict(row) for row in rows]
        print(to_json({"output": str(folder), "exit_status": status, "audits": audits}), end="", flush=True)
    else:
        sweep.show(rows)
    raise typer.Exit(status)


@app.command()
def validate(file: ConfigFile) -> None:
    """Check FILE and report every mistake at once.

    Example: audit validate model.yaml
    """
    config, known = custom.configured(file)
    print(f"{file} is valid.")
    for sentence in custom.understood(known):
        print(sentence)
    for sentence in mismatches(declarations(config.card)):
        print(sentence, file=sys.stderr)


@app.command()
def probes(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the probes: what each asks, needs and draws from.

    Example: audit probes --json
    """
    rows = [
        {
            "id": p.id,
            "title": p.title,
            "risk": p.risk,
            "purpose": p.purpose,
            "capability": sorted(p.capabilities),
            "method": p.method,
            "citation": p.citation,
            "source": p.source,
            "licence": p.licence,
            "metrics": [f"{p.id}.{m.name}" for m in p.metrics],
        }
        for p in find_probes().values()
    ]
    if as_json:
        print(to_json(rows), end="")
        return
    console = Console()
    for row in rows:
        console.print(f"[bold]{row['id']}[/bold]  {', '.join(row['capability'])}")
        console.print(f"  {row['purpose']}", markup=False, highlight=False)
        console.print(f"  Items: {row['source']}, {row['licence']}\n", markup=False, highlight=False)


@app.command()
def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.")],
    lang: Annotated[str, typer.Option(help="Languages of the pages, separated by commas; the first shows.")] = "en",
) -> None:
    """Draw the pages of a result folder again.

    Example: audit report audits/a --lang en,ko
    """
    chosen = chosen_languages(lang)
    opened = load(result)
    draw(opened.folder, opened.data, chosen)
    print(f"Card:   {opened.card}")
    print(f"Report: {opened.report}")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write.")] = Path("model.yaml"),
    source: Annotated[str, typer.Option(help="The model to audit.")] = "HuggingFaceTB/SmolLM2-135M-Instruct",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    impact: Annotated[
        bool, typer.Option("--impact", help="Ask for an impact assessment; the answers are added to an existing file.")
    ] = False,
) -> None:
    """Write a commented model.yaml.

    Example: audit init --source ./my-model
    """
    if file.is_dir():
        stop(f"{file} is a folder; name a file.", USAGE)
    if impact:
        there = file.exists() and not force
        init_impact(file, starter(source), custom.configured(file)[0].card if there else None)
        return
    if file.exists() and not force:
        stop(f"{file} exists already; --force overwrites it, --impact adds to its card.", USAGE)
    write_text(file, starter(source))
    print(f"Wrote {file}. Next: audit run {file}")


@app.command()
def schema(
    of: Annotated[str, typer.Argument(metavar="config|result|probe", help="Which schema.")] = "config",
) -> None:
    """Print the JSON Schema of model.yaml, results or custom probes.

    Example: audit schema > schema.json
    """
    if of not in ("config", "result", "probe"):
        stop(f"There is no schema of {of}; choose config, result or probe.", USAGE)
    known = find_probes()
    kinds = {
        "config": lambda: config_schema(planning.catalogue(known)),
        "result": result_schema,
        "probe": custom.probe_schema,
    }
    print(json.dumps(kinds[of](), indent=1, sort_keys=True))


app.command("baseline")(baseline_command)
app.command("cache")(cache_command)
app.command("compare")(compare_command)
app.command("describe")(describe_command)
app.command("doctor")(doctor_command)
app.command("explain")(explain_command)
app.command("mitigate")(mitigate_command)
app.command("new-probe")(new_probe_command)
app.command("trend")(trend_command)
app.command("verify")(verify_command)


if __name__ == "__main__":
    main()
