"""The action, the template and the recipes: what GitHub and GitLab take, no input in a script, and shell without faults.

The schemas are those that ``check-jsonschema`` ships: of the metadata of actions, of workflows, and of GitLab CI.
"""

from __future__ import annotations

import importlib.resources
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from audit.config import config_schema
from audit.planning import catalogue
from audit.runfolder import FILES
from probes.registry import find_probes
from tests.ci.steps import ROOT, action, scripts

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
GITLAB = ROOT / "ci" / "gitlab.yml"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


@cache
def schema(name: str) -> dict[str, Any]:
    file = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def complaints(name: str, content: Any) -> list[str]:
    """What a schema has against a content."""
    validator = jsonschema.Draft7Validator(schema(name))
    # YAML reads the key `on` as true.
    plain = json.loads(json.dumps({("on" if key is True else key): value for key, value in content.items()}))
    return [error.message for error in validator.iter_errors(plain)]


def recipes(title: str) -> list[str]:
    """The blocks of the page that are files of that name."""
    return re.findall(rf'```yaml title="{re.escape(title)}"\n(.*?)```', PAGE, re.DOTALL)


def values(content: Any) -> Iterator[str]:
    """Every text in a structure."""
    if isinstance(content, dict):
        for value in content.values():
            yield from values(value)
    elif isinstance(content, list):
        for value in content:
            yield from values(value)
    elif isinstance(content, str):
        yield content


def shellcheck(script: str, shell: str) -> str:
    tool = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or "shellcheck"
    done = subprocess.run(
        [tool, f"--shell={shell}", "--enable=quote-safe-variables,require-variable-braces", "-e", "SC2250", "-"],
        input=script, text=True, capture_output=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


# The action.


def test_the_action_is_what_github_takes() -> None:
    assert complaints("github-actions", action()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"runs": {"using": "composite"}},
        {"input": {}},
        {"inputs": {"a b": {}}},
        {"outputs": {"x": {"value": "1", "y": 1}}},
    ],
)
def test_the_schema_of_actions_finds_mistakes(change: dict[str, Any]) -> None:
    assert complaints("github-actions", {**action(), **change}) != []


def test_no_script_holds_an_expression() -> None:
    """What GitHub puts into a script is read as a part of it: an input such as ``"; rm -rf .`` would be run."""
    for step in action()["runs"]["steps"]:
        assert not EXPRESSION.search(step.get("run", ""))
        assert ("run" in step) == ("shell" in step)


def test_expressions_name_what_there_is() -> None:
    steps = {step["id"]: step for step in action()["runs"]["steps"] if "id" in step}
    used = set()
    for text in values([action()["runs"], action()["outputs"]]):
        inside = " ".join(EXPRESSION.findall(text)) or (text if "inputs." in text else "")
        used |= set(re.findall(r"inputs\.([\w-]+)", inside))
        assert set(re.findall(r"steps\.([\w-]+)\.", inside)) <= set(steps)
        assert set(re.findall(r"(\w+)\.\w+", inside)) <= {"inputs", "steps", "github", "runner", "outputs", "audit"}
    assert used == set(action()["inputs"]), "every input is used, and none that is not there"
    told = set(re.findall(r"steps\.audit\.outputs\.([\w-]+)", json.dumps(action())))
    assert told == {"verdict", "exit-status"}
    assert all(f"{name}=%s" in (ROOT / "ci" / "audit.sh").read_text() for name in told)


def test_what_follows_a_failed_audit_runs_all_the_same() -> None:
    steps = action()["runs"]["steps"]
    at = next(i for i, step in enumerate(steps) if step.get("id") == "audit")
    assert all(step["if"].startswith("always() && ") for step in steps[at + 1 :])
    assert not any("continue-on-error" in step for step in steps), "a crash would be a pass"


def test_every_input_and_output_is_described_here_and_on_the_page() -> None:
    for kind in ("inputs", "outputs"):
        for name, entry in action()[kind].items():
            assert entry["description"].endswith(".")
            assert f"| `{name}` |" in PAGE
    assert all(isinstance(entry["default"], str) for entry in action()["inputs"].values())


@pytest.mark.parametrize("name", ["install.sh", "audit.sh"])
def test_scripts_are_plain_shell_without_faults(name: str) -> None:
    text = (ROOT / "ci" / name).read_text(encoding="utf-8")
    assert shellcheck(text, "sh") == ""


def test_scripts_of_steps_and_of_the_template_are_without_faults() -> None:
    for script in scripts(action()["runs"]["steps"]):
        assert shellcheck(script, "bash") == ""
    assert shellcheck("set -e\n" + "\n".join(job()["script"]), "sh") == ""


def test_shellcheck_finds_faults() -> None:
    assert "SC2086" in shellcheck("#!/bin/sh\nrm -rf $1\n", "sh")


# GitLab's template.


def job() -> dict[str, Any]:
    found = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))[".fairwitness"]
    assert isinstance(found, dict)
    return found


def test_the_template_is_what_gitlab_takes() -> None:
    assert complaints("gitlab-ci", yaml.safe_load(GITLAB.read_text(encoding="utf-8"))) == []
    # The schema looks into no job whose name begins with a dot.
    assert complaints("gitlab-ci", {"audit": job()}) == []
    for wrong in (
        {"artifact": {}},
        {"script": 1},
        {"allow_failure": {"exit_codes": "four"}},
        {"artifacts": {"report": {}}},
    ):
        assert complaints("gitlab-ci", {"audit": {**job(), **wrong}}) != []


def test_the_template_sets_what_the_scripts_read() -> None:
    read = set(re.findall(r"\b(AUDIT_[A-Z_]+)\b", "".join(p.read_text() for p in (ROOT / "ci").glob("*.sh"))))
    assert read - {"AUDIT_PYTHON", "AUDIT_TORCH_INDEX"} <= set(job()["variables"])
    assert all(f"`{name}`" in PAGE for name in job()["variables"] if name not in ("AUDIT_VENV", "FAIRWITNESS_CACHE"))
    given = {name for step in action()["runs"]["steps"] for name in step.get("env", {})}
    assert read <= given


def test_the_template_uploads_files_that_a_result_has() -> None:
    for report in job()["artifacts"]["reports"].values():
        assert report.removeprefix("$AUDIT_OUTPUT/") in FILES


# The recipes of the page.


def test_recipes_for_github_are_workflows() -> None:
    found = recipes(".github/workflows/audit.yml")
    assert len(found) == 2
    for text in found:
        content = yaml.safe_load(text)
        assert complaints("github-workflows", content) == []
        for script in scripts(content["jobs"]["audit"]["steps"]):
            assert not EXPRESSION.search(script)
            assert shellcheck(script, "bash") == ""
    step = next(s for s in yaml.safe_load(found[0])["jobs"]["audit"]["steps"] if "fairwitness@" in s.get("uses", ""))
    assert set(step["with"]) <= set(action()["inputs"])
    assert complaints("github-workflows", {"on": "push", "jobs": {"a": {"steps": []}}}) != []


def test_the_recipe_for_gitlab_extends_the_template() -> None:
    (text,) = recipes(".gitlab-ci.yml")
    content = yaml.safe_load(text)
    assert complaints("gitlab-ci", content) == []
    assert (ROOT / content["include"][0]["file"].lstrip("/")) == GITLAB
    assert content["audit"]["extends"] == ".fairwitness"
    assert set(content["audit"]["variables"]) <= set(job()["variables"])


def test_configs_on_the_page_are_valid() -> None:
    known = config_schema(catalogue(find_probes()))
    found = recipes("model.yaml")
    assert len(found) >= 2
    for text in found:
        content = {"model": {"source": "org/model"}, **yaml.safe_load(text)}
        jsonschema.validate(content, known, jsonschema.Draft202012Validator)


def test_versions_of_actions_are_the_same_everywhere() -> None:
    used: dict[str, set[str]] = {}
    for text in (PAGE, (ROOT / "action.yml").read_text(encoding="utf-8")):
        for name, version in re.findall(r"uses: ([\w/-]+)@(v\d+)", text):
            used.setdefault(name.removesuffix("/restore").removesuffix("/save"), set()).add(version)
    assert used
    assert all(len(versions) == 1 for versions in used.values()), used
