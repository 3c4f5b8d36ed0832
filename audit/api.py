"""An audit from Python: ``run`` and ``load``, and the result that both give."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audit.config import CUSTOM, DEVICE, AuditConfig, ConfigError, Problem
from audit.durations import seconds_of
from audit.later import later
from audit.models import Model
from audit.models.place import cache_folder
from audit.notebook import Result as Result
from audit.notebook import load as load
from audit.progress import Progress, Silent
from audit.results import AuditResult, Comparison, LeftOut, Trend, write_text
from probes.registry import find_probes
from reports.comparison import MOST_COMPARED as MOST_COMPARED
from reports.comparison import render_comparison
from reports.exports import write_exports
from reports.languages import SOURCE
from reports.languages import languages as languages
from reports.render import render_html, render_mitigation
from reports.trend import render_trends

if TYPE_CHECKING:
    from audit import baselines, custom, engine, opening, ray_executor
    from audit.execution import Executor
    from audit.models import opening as libraries
else:
    engine, opening = later("audit.engine"), later("audit.opening")
    ray_executor, libraries = later("audit.ray_executor"), later("audit.models.opening")
    baselines, custom = later("audit.baselines"), later("audit.custom")


def run(
    config: str | Path,
    *,
    output: str | Path | None = None,
    data: str | Path | None = None,
    probes: Sequence[str] = (),
    suite: str | None = None,
    limit: int | None = None,
    baseline: str | Path | None = None,
    seed: int | None = None,
    device: str | None = None,
    resume: bool = False,
    executor: Literal["local", "ray"] | None = None,
    budget: str | int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Audit the model that ``config`` (a model.yaml) names, and draw its card and report.

    The options override the file, as those of ``audit run`` do; ``executor`` overrides where batches are computed.
    ``budget``: the time that the audit is fitted to, such as ``10m``, or a number of seconds; see ``audit.timeboxing``.

    Raises:
        ConfigError: where the file or an option is wrong; it holds every mistake.
        ModelError: where the model cannot be opened.
        ResultError: where the baseline cannot be read.
    """
    path = Path(config)
    wrong = option_problems(find_probes(), probes, suite, limit, seed, device, data, budget)
    if wrong:
        raise ConfigError("options", [Problem(message) for message in wrong])
    config_of_file, found = custom.configured(path)
    wrong = _unknown_custom(found, probes)
    if wrong:
        raise ConfigError("options", [Problem(message) for message in wrong])
    checked = override(config_of_file, probes, suite, seed, device, budget)
    before = baselines.open_baseline(Path(baseline), checked.gates) if baseline is not None else None
    libraries.quiet_libraries()
    told = progress or Silent()
    told.say(f"Opening {checked.model.source}")
    start = time.perf_counter()
    with _opened(checked, executor or checked.run.executor, told) as (model, crew):
        settings = engine.RunSettings(
            cache=cache_folder() / "responses.sqlite",
            output=Path(output) if output is not None else None,
            data=Path(data) if data is not None else None,
            limit=limit,
            resume=resume,
            baseline=before,
            config_file=path.name if path.is_absolute() else path.as_posix(),
            command=command_line(path, probes, suite, limit, seed, device, data, baseline, budget),
            opened_seconds=time.perf_counter() - start,
        )
        folder, result = engine.run_audit(checked, model, found, settings, told, crew, opening.judge_opener(checked))
    draw(folder, result)
    return Result(folder, result)


@contextmanager
def _opened(config: AuditConfig, executor: str, progress: Progress) -> Iterator[tuple[Model, Executor | None]]:
    """The model, and what computes its batches; on a cluster its workers hold the model, and this process does not."""
    o = opening.opening_of(config)
    if executor == "ray":
        with ray_executor.ray_executor(o, config.run.workers, config.run.address, progress.say) as crew:
            yield crew.model, crew
    else:
        yield opening.opened(o), None


def draw(folder: Path, result: AuditResult, languages: Sequence[str] = (SOURCE,)) -> None:
    """Draw every report of a result folder: card, report, and the formats that other tools read.

    ``languages``: those of the pages, each of which holds them all; the other formats are in English.
    """
    render_html(folder, languages)
    write_exports(folder, result, result.manifest.config_file)


def draw_mitigation(folder: Path) -> Path | None:
    """Draw the page of the remedies from ``mitigation.json`` alone; None where none were tried."""
    return render_mitigation(folder)


def draw_comparison(
    page: Path,
    results: Sequence[AuditResult],
    names: Sequence[str],
    comparison: Comparison,
    languages: Sequence[str] = (SOURCE,),
    cards: Sequence[str | None] = (),
) -> Path:
    """Draw the page of several results side by side; for its parts see ``reports.comparison.render_comparison``."""
    return write_text(page, render_comparison(results, names, comparison, languages, cards))


def draw_trends(
    page: Path, trends: Sequence[Trend], left_out: Sequence[LeftOut] = (), languages: Sequence[str] = (SOURCE,)
) -> Path:
    """Draw the page of results over time; for its parts see ``reports.trend.render_trends``."""
    return write_text(page, render_trends(trends, left_out, languages))


def option_problems(
    known: Collection[str],
    probes: Sequence[str],
    suite: str | None,
    limit: int | None,
    seed: int | None,
    device: str | None,
    data: str | Path | None,
    budget: str | int | None = None,
) -> list[str]:
    """One sentence for each option that cannot be used; which custom probes there are, only the config says."""
    unknown = [name for name in probes if name not in known and not name.startswith(f"{CUSTOM}.")]
    found = [f"Unknown probe {name}; there are {', '.join(known)}." for name in unknown]
    if suite not in (None, "quick", "standard", "full"):
        found.append(f"Unknown suite {suite}; choose quick, standard or full.")
    if data is not None and not Path(data).is_dir():
        found.append(f"The data folder {data} does not exist.")
    if device is not None and not re.fullmatch(DEVICE, device):
        found.append(f"Unknown device {device}; choose auto, cpu, cuda, cuda:N or mps.")
    if limit is not None and limit < 1:
        found.append("The limit must be at least 1.")
    if seed is not None and seed < 0:
        found.append("The seed must be at least 0.")
    if budget is not None:
        try:
            seconds_of(budget)
        except ValueError as error:
            found.append(f"The budget cannot be read: {error}.")
    return found


def _unknown_custom(known: Collection[str], probes: Sequence[str]) -> list[str]:
    there = (
        ", ".join(name for name in known if name.startswith(f"{CUSTOM}.")) or f"none; name its file as probes: {CUSTOM}"
    )
    return [f"Unknown probe {name}; the custom probes of this file: {there}." for name in probes if name not in known]


def override(
    config: AuditConfig,
    probes: Sequence[str],
    suite: str | None,
    seed: int | None,
    device: str | None,
    budget: str | int | None = None,
) -> AuditConfig:
    """The config with the command's options in place of the file's; checked again as a whole."""
    content = config.model_dump()
    if probes:
        files = content["probes"].get(CUSTOM)
        content["probes"] = {probe: content["probes"].get(probe, {}) for probe in probes}
        if files is not None and any(probe.startswith(f"{CUSTOM}.") for probe in probes):
            content["probes"][CUSTOM] = {**files, "all": False}  # who reads the manifest must find them again
        # Gates on probes that were not asked for would bring those probes back.
        content["gates"] = {g: v for g, v in content["gates"].items() if any(g.startswith(f"{p}.") for p in probes)}
    content["suite"] = suite or content["suite"]
    content["run"]["seed"] = content["run"]["seed"] if seed is None else seed
    content["run"]["budget"] = content["run"]["budget"] if budget is None else budget
    content["model"]["device"] = device or content["model"]["device"]
    return AuditConfig.model_validate(content)


def command_line(
    path: Path,
    probes: Sequence[str],
    suite: str | None,
    limit: int | None,
    seed: int | None,
    device: str | None,
    data: str | Path | None,
    baseline: str | Path | None,
    budget: str | int | None = None,
) -> str:
    """The command that gives the same result again; where it is written to makes no difference to it.

    With a budget it may draw more or less, for how much it draws is measured anew.
    """
    parts = ["audit", "run", path.name, *(word for p in probes for word in ("--probe", p))]
    options: dict[str, object] = {"--suite": suite, "--limit": limit, "--seed": seed, "--device": device}
    options |= {"--data": data, "--baseline": baseline, "--budget": budget}
    return shlex.join(parts + [str(w) for name, v in options.items() if v is not None for w in (name, v)])
