"""The steps of a composite action, run here as the runner of GitHub would run their scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

# What stands in for Python, pip and the command: each call is one line of JSON in $CALLS.
STUB = """#!{python}
import json, os, sys
from pathlib import Path
me, called = Path(sys.argv[0]), sys.argv[1:]
with open(os.environ["CALLS"], "a", encoding="utf-8") as file:
    file.write(json.dumps([me.name, *called]) + "\\n")
if called[:2] == ["-m", "venv"]:
    bin = Path(called[2], "bin")
    bin.mkdir(parents=True)
    for name in ("pip", "audit"):
        (bin / name).write_text(me.read_text(encoding="utf-8"), encoding="utf-8")
        (bin / name).chmod(0o755)
    (bin / "python").symlink_to("{python}")
if me.name == "audit":
    output = next(a.partition("=")[2] for a in called if a.startswith("--output="))
    if os.environ.get("RESULT"):
        Path(output).mkdir(parents=True, exist_ok=True)
        Path(output, "result.json").write_text(os.environ["RESULT"], encoding="utf-8")
    sys.exit(int(os.environ.get("STATUS", "0")))
"""


@cache
def _text() -> str:
    return (ROOT / "action.yml").read_text(encoding="utf-8")


def action() -> dict[str, Any]:
    """The action's metadata."""
    found = yaml.safe_load(_text())
    assert isinstance(found, dict)
    return found


def scripts(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The scripts of the steps that have one."""
    for step in steps:
        if "run" in step:
            yield str(step["run"])


@dataclass
class Job:
    """What became of the action's steps: the last status, every call of a stub, and the outputs."""

    status: int = 0
    calls: list[list[str]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    told: str = ""

    @property
    def audited(self) -> list[str]:
        """The arguments of the one call of ``audit``."""
        (found,) = [call[1:] for call in self.calls if call[0] == "audit"]
        return found


def run_action(place: Path, python: str, inputs: Mapping[str, str], stubbed: Mapping[str, str]) -> Job:
    """Run the scripts of the action in ``place``, its checkout; steps that use other actions are passed over."""
    stub, temporary = place.parent / "python-stub", place.parent / "temp with space"
    temporary.mkdir()
    stub.write_text(STUB.format(python=python), encoding="utf-8")
    stub.chmod(0o755)
    calls, outputs = place.parent / "calls", place.parent / "outputs"
    known = {
        **{f"inputs.{name}": inputs.get(name, entry["default"]) for name, entry in action()["inputs"].items()},
        "github.action_path": str(ROOT),
        "runner.temp": str(temporary),
        "steps.python.outputs.python-path": str(stub),
    }
    job = Job()
    for step in action()["runs"]["steps"]:
        if "run" not in step or job.status:
            continue
        set_ = {key: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: known[m[1]], value) for key, value in step["env"].items()}
        script = place.parent / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=place,
            env={"PATH": os.environ["PATH"], "CALLS": str(calls), "GITHUB_OUTPUT": str(outputs), **stubbed, **set_},
            text=True,
            capture_output=True,
            check=False,
        )
        job.status = done.returncode
        job.told += done.stdout + done.stderr
    if calls.exists():
        job.calls = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    if outputs.exists():
        job.outputs = dict(line.split("=", 1) for line in outputs.read_text(encoding="utf-8").splitlines())
    return job
