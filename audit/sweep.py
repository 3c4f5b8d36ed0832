"""Audits of many models: each file its own result folder, one failing file stops no other, one exit status for all."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.api import run
from audit.cluster import connected, share_of_gpus
from audit.config import ConfigError
from audit.models import ModelError
from audit.models.faults import free_memory
from audit.progress import Progress, Silent
from audit.replica import Surroundings, software
from audit.results import ResultError
from probes.registry import ProbeError

WRONG, INCOMPLETE = 2, 3
AT_ONCE = 2
_USERS_MISTAKES = (ConfigError, ModelError, ProbeError, ResultError)
# From the least to the worst: what was not measured is worse than what was measured and missed its gate.
_ORDER = (0, 4, 1, 2, 3)


@dataclass(frozen=True)
class Options:
    """What every audit of a sweep is run with, as in ``audit.api.run``."""

    suite: str | None = None
    limit: int | None = None
    seed: int | None = None
    device: str | None = None
    data: str | None = None
    resume: bool = False


@dataclass(frozen=True)
class Job:
    """One file and the folder of its result."""

    file: str
    folder: str
    options: Options


@dataclass(frozen=True)
class Row:
    """How one audit ended; ``model`` is None and ``verdict`` is ``not_run`` where there is no result."""

    file: str
    model: str | None
    verdict: str
    exit_status: int
    folder: str
    text: str


def jobs(files: Sequence[Path], output: Path, options: Options) -> list[Job]:
    """A folder below ``output`` for each file, named after it; equal names are numbered in the order given."""
    taken: set[str] = set()
    found = []
    for file in files:
        stem = file.stem.strip(".") or "model"
        name, again = stem, 1
        while name in taken:
            again += 1
            name = f"{stem}-{again}"
        taken.add(name)
        found.append(Job(str(file), str(output / name), options))
    return found


def worst(rows: Sequence[Row]) -> int:
    """The exit status of a sweep: 3 (not completed) before 2 (a mistake), 1 (not met), 4 (not established) and 0."""
    return max((row.exit_status for row in rows), key=_status_rank, default=0)


def _status_rank(status: int) -> int:
    return _ORDER.index(status) if status in _ORDER else len(_ORDER)


def audit_one(job: Job, progress: Progress, executor: Literal["local"] | None = None) -> Row:
    """Audit one file; whatever goes wrong becomes its row."""
    o = job.options
    try:
        result = run(
            job.file,
            output=job.folder,
            data=o.data,
            suite=o.suite,
            limit=o.limit,
            seed=o.seed,
            device=o.device,
            resume=o.resume,
            executor=executor,
            progress=progress,
        )
    except _USERS_MISTAKES as error:
        return not_run(job, WRONG, str(error))
    except (Exception, SystemExit) as error:
        return not_run(job, INCOMPLETE, f"The audit could not be completed: {type(error).__name__}: {error}")
    verdict = result.verdict
    return Row(job.file, result.data.model.name, verdict.status, verdict.exit_status, job.folder, verdict.text)


def not_run(job: Job, status: int, reason: str) -> Row:
    """The row of an audit that has no result."""
    return Row(job.file, None, "not_run", status, job.folder, reason)


def here(found: Sequence[Job], progress: Progress) -> Iterator[Row]:
    """One after another in this process."""
    for job in found:
        yield audit_one(job, progress)
        free_memory()  # the next model may need all there is


def over_ray(found: Sequence[Job], address: str | None, workers: int | None, say: Callable[[str], None]) -> list[Row]:
    """Several at once on a Ray cluster, whose machines share the folders of files and results with this one.

    Raises:
        ModelError: where Ray or the cluster is missing.
    """
    rows: dict[str, Row] = {}
    surroundings, versions = Surroundings.here(), software()
    for job in found:
        Path(job.folder).mkdir(parents=True, exist_ok=True)
    with connected(address) as ray:
        at_once = workers or AT_ONCE
        cpu_only = all((job.options.device or "").startswith(("cpu", "mps")) for job in found)
        gpus = share_of_gpus(ray, at_once, not cpu_only, spread=False)
        # A machine that is lost takes its audits along; once more, from what is in the cache, is worth it.
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=1)(away)
        waiting, running = deque(found), dict[Any, Job]()
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.popleft()
                running[task.remote(job, surroundings, versions)] = job
            done = ray.wait(list(running), num_returns=1)[0][0]
            job = running.pop(done)
            try:
                row = Row(**ray.get(done))
            except ray.exceptions.RayError as error:
                first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                row = not_run(job, INCOMPLETE, f"Its worker on the cluster was lost: {first.strip()}")
            rows[job.folder] = row
            say(f"{row.file}: {row.text}")
    return [rows[job.folder] for job in found]


def away(job: Job, surroundings: Surroundings, versions: dict[str, str]) -> dict[str, Any]:
    """Audit one file in a process of the cluster; the row as plain values."""
    surroundings.enter()
    ours = software()
    if not Path(job.folder).is_dir():
        reason = f"The machine that was to audit it does not see {job.folder}; a sweep over Ray needs shared folders."
        return asdict(not_run(job, INCOMPLETE, reason))
    if ours != versions:
        wrong = ", ".join(sorted(n for n in ours.keys() | versions.keys() if ours.get(n) != versions.get(n)))
        return asdict(not_run(job, INCOMPLETE, f"The machine that was to audit it has other versions of {wrong}."))
    return asdict(audit_one(job, Silent(), executor="local"))


def comparison_command(rows: Sequence[Row]) -> str | None:
    """The command that sets the results side by side; None where there are not two."""
    folders = [row.folder for row in rows if row.model is not None]
    return shlex.join(["audit", "compare", *folders]) if len(folders) > 1 else None


def show(rows: Sequence[Row]) -> None:
    """The table on standard output, why an audit did not end with 0, and how to compare."""
    table = Table(box=None, pad_edge=False)
    for column in ("File", "Model", "Verdict", "Exit", "Folder"):
        table.add_column(column, overflow="fold")
    for row in rows:
        words = (row.file, row.model or "-", row.verdict.replace("_", " "), str(row.exit_status), row.folder)
        # Text objects, because a model's name may hold rich's markup.
        table.add_row(*map(Text, words))
    Console().print(table)
    for row in rows:
        if row.exit_status:
            print(f"{row.file}: {row.text}")
    command = comparison_command(rows)
    if command:
        print(f"Side by side: {command}")
