"""``audit new-probe``: what it writes is whole, and its own tests hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit.commands.new_probe import name_problem, package
from tests.audit.shell import entry_point

ROOT = Path(__file__).parents[2]


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "new"
    assert entry_point(monkeypatch, capfd)("new-probe", "acme.shop_colours", "--output", str(folder)).status == 0
    return folder


def test_what_it_writes_is_tidy(written: Path) -> None:
    for arguments in (("check",), ("format", "--check")):
        done = called(written, "-m", "ruff", *arguments, ".")
        assert done.returncode == 0, done.stdout + done.stderr
    texts = [path.read_text("utf-8") for path in written.rglob("*.*") if path.suffix in (".py", ".toml", ".md")]
    assert "<<" not in "".join(texts)


def test_its_own_tests_hold(written: Path) -> None:
    """With the metadata of its entry point beside it, as an installation in place has it."""
    made = called(written, "-c", "from setuptools import setup; setup()", "-q", "egg_info")
    assert made.returncode == 0, made.stderr
    done = called(written, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.mark.slow
def test_its_types_are_strict(written: Path) -> None:
    done = called(written, "-m", "mypy", "--strict", "--follow-imports=silent", "acme_colours_probe")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_overwritten(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    audit = entry_point(monkeypatch, capfd)
    file = tmp_path / "file"
    file.write_text("mine", "utf-8")
    for folder in (written, file):
        done = audit("new-probe", "acme.colours", "--output", str(folder))
        assert done.status == 2
        assert "nothing is overwritten" in done.err
    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("returns", "is no name of a probe"),
        ("Acme.returns", "is no name of a probe"),
        ("acme.returns.more", "is no name of a probe"),
        ("../x.y", "is no name of a probe"),
        ("acme." + "x" * 300, "is too long"),
        ("acme.class", "word of Python's own"),
        ("custom.returns", "those of YAML files"),
        ("bias.crows_pairs", "There is a probe bias.crows_pairs already"),
    ],
)
def test_a_name_that_cannot_be(name: str, said: str) -> None:
    assert said in str(name_problem(name))


def test_two_probes_of_one_risk_can_be_installed_together_and_no_name_hides_an_import() -> None:
    """A package that both brought would be one's alone, and a class called Finding would not be a finding."""
    made = [package(name) for name in ("acme.colours", "acme.finding")]
    modules = [{path for path in files if path.endswith("__init__.py")} for files in made]
    assert not modules[0] & modules[1]
    module = ast.parse(made[1]["acme_finding_probe/finding.py"])
    imported = {a.name for n in ast.walk(module) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert not imported & {n.name for n in module.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}


def test_the_page_shows_what_is_written() -> None:
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    shown = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', page, re.DOTALL))
    made = package("acme.colours")
    assert {"pyproject.toml", "acme_colours_probe/colours.py", "tests/test_colours.py"} <= set(shown)
    for path in set(shown) & set(made):
        assert shown[path] == made[path], path
