"""The action's scripts, run: what they call, that no input is read as code, and that no status is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.ci.steps import ROOT, Job, run_action

EVIL = (
    'a"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "a'; touch pwned; '",
    "a b  *  ?",
    "${IFS}&& touch pwned",
    "-rf",
    "--help",
    "ü ❔",
    "\\n",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    place = tmp_path / "checkout"
    place.mkdir()
    return place


def told(status: int, verdict: str) -> dict[str, str]:
    return {"STATUS": str(status), "RESULT": json.dumps({"verdict": {"status": verdict, "exit_status": status}})}


def run(checkout: Path, stubbed: dict[str, str] | None = None, **inputs: str) -> Job:
    return run_action(
        checkout, sys.executable, {key.replace("_", "-"): value for key, value in inputs.items()}, stubbed or {}
    )


def test_what_is_called_by_default(checkout: Path) -> None:
    job = run(checkout, told(0, "met"))
    environment = str(checkout.parent / "temp with space" / "fairwitness")
    constraints, index = str(ROOT / "constraints.txt"), "--extra-index-url=https://download.pytorch.org/whl/cpu"
    assert job.calls == [
        ["python-stub", "-m", "venv", environment],
        ["pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints, index, str(ROOT)],
        ["audit", "run", "--output=audit-result", "--", "model.yaml"],
    ]
    assert (job.status, job.outputs) == (0, {"exit-status": "0", "verdict": "met"})


def test_all_inputs(checkout: Path) -> None:
    inputs = {"config": "c.yaml", "suite": "quick", "data": "d", "baseline": "b", "output": "o", "extras": "api,energy"}
    job = run(checkout, None, **inputs, arguments="--limit\n5\n\n--probe=bias.bbq\n", torch_index="")
    assert job.audited == [
        *("run", "--suite=quick", "--data=d", "--baseline=b", "--limit", "5", "--probe=bias.bbq"),
        *("--output=o", "--", "c.yaml"),
    ]
    assert job.calls[1][4:] == ["-c", str(ROOT / "constraints.txt"), f"{ROOT}[api,energy]"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_input_is_read_as_code(evil: str, checkout: Path) -> None:
    names = ("config", "suite", "data", "baseline", "output", "arguments", "extras")
    job = run(checkout, told(1, "not_met"), **dict.fromkeys(names, evil))
    assert job.audited == [
        *("run", f"--suite={evil}", f"--data={evil}", f"--baseline={evil}", evil),
        *(f"--output={evil}", "--", evil),
    ]
    assert job.calls[1][-1] == f"{ROOT}[{evil}]"
    assert not list(checkout.parent.rglob("pwned"))
    assert (job.status, job.outputs) == (1, {"exit-status": "1", "verdict": "not_met"})


def test_no_input_adds_an_output(checkout: Path) -> None:
    job = run(checkout, told(0, "met"), output="o\nverdict=forged", suite="quick\nverdict=forged")
    assert job.outputs["verdict"] == "met"
    assert (checkout.parent / "outputs").read_text() == "exit-status=0\nverdict=met\n"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(0, "met"), (1, "not_met"), (2, "none"), (3, "incomplete"), (4, "not_established"), (9, "none"), (137, "none")],
)
def test_the_status_is_passed_on(status: int, verdict: str, checkout: Path) -> None:
    job = run(checkout, told(status, verdict))
    assert (job.status, job.outputs) == (status, {"exit-status": str(status), "verdict": verdict})


def test_an_old_result_is_not_taken_for_this_ones(checkout: Path) -> None:
    (checkout / "audit-result").mkdir()
    (checkout / "audit-result" / "result.json").write_text('{"verdict": {"status": "met"}}')
    assert run(checkout, {"STATUS": "2"}).outputs == {"exit-status": "2", "verdict": "none"}


@pytest.mark.parametrize("old", [None, 0, 1])
def test_a_program_that_ends_without_a_result_is_no_pass(old: int | None, checkout: Path) -> None:
    """As with the argument --help, and where the code of a package ends the program; ``old``: the result before."""
    if old is not None:
        (checkout / "audit-result").mkdir()
        result = checkout / "audit-result" / "result.json"
        result.write_text(json.dumps({"verdict": {"status": "met", "exit_status": old}}))
        os.utime(result, (1, 1))
    job = run(checkout, {"STATUS": "0"})
    assert (job.status, job.outputs) == (3, {"exit-status": "3", "verdict": "none"})
    assert "nothing was passed" in job.told


def test_a_result_that_says_otherwise_is_no_pass(checkout: Path) -> None:
    said = json.dumps({"verdict": {"status": "not_met", "exit_status": 1}})
    assert run(checkout, {"STATUS": "0", "RESULT": said}).status == 3


def test_a_result_that_cannot_be_read_changes_no_status(checkout: Path) -> None:
    job = run(checkout, {"STATUS": "1", "RESULT": "{"})
    assert (job.status, job.outputs) == (1, {"exit-status": "1", "verdict": "none"})


def test_an_installation_that_fails_is_no_pass(checkout: Path) -> None:
    job = run_action(checkout, "/no/such/python", {}, {})
    assert job.status != 0
    assert job.outputs == {}


def test_the_template_of_gitlab_runs_the_same_scripts(tmp_path: Path) -> None:
    """Its clone and its commit are those of a repository made here."""
    job = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))[".fairwitness"]
    source, place = tmp_path / "so urce", tmp_path / "project"
    place.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(source)]
    (source / "ci").mkdir(parents=True)
    for name in ("install.sh", "audit.sh"):
        (source / "ci" / name).write_text(f'#!/bin/sh\necho "{name} in $PWD"\n')
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    script = "set -eo pipefail\n" + "\n".join(job["script"])

    def done(repository: str, at: str) -> subprocess.CompletedProcess[str]:
        named = {"PATH": os.environ["PATH"], "FAIRWITNESS_REPOSITORY": repository, "FAIRWITNESS_COMMIT": at}
        return subprocess.run(["bash", "-c", script], cwd=place, env=named, capture_output=True, text=True, check=False)

    for _ in range(2):  # where the runner does not clean up, it works again
        assert done(str(source), commit).stdout == f"install.sh in {place}\naudit.sh in {place}\n"
    for repository, at, word in (("", commit, "name the repository"), (str(source), "", "name its commit")):
        failed = done(repository, at)
        assert failed.returncode != 0
        assert word in failed.stderr
    assert done('x"; touch pwned; "', "$(touch pwned)").returncode != 0
    assert not list(tmp_path.rglob("pwned"))
