"""What ``audit run`` tells a CI system: the job's page, annotations, and nothing that a model could make a command of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

import audit.api
import audit.cli
import audit.custom
import audit.opening
from audit.commands.told import LEFT_OUT, MOST_OF_A_PAGE, in_repository, shortened
from audit.models import ModelError
from audit.models.scripted import ScriptedModel
from audit.results import Finding
from probes.base import Probe
from tests.audit.shell import Command, Done, entry_point
from tests.audit.support import Tiny, catalogue_of, tiny
from tests.reports.workflow_commands import Read, taken

GATE = "tiny.rate.rate"
HOSTILE = "x\n::error file=a::one\n  ::add-mask::two\n::stop-commands::three\n::notice::four"


def boom(*_: object) -> NoReturn:
    raise RuntimeError(HOSTILE)


class Hostile(Tiny):
    """A finding and a failure that would be commands."""

    def finding(self, measured: Any) -> Finding:
        return super().finding(measured).model_copy(update={"values": {"share": HOSTILE}})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's checkout, on no system yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd)


@pytest.fixture
def github(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def planted(monkeypatch: pytest.MonkeyPatch, *probes: type[Probe]) -> None:
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel())
    for module in (audit.api, audit.cli, audit.custom):
        monkeypatch.setattr(module, "find_probes", lambda: catalogue_of(*probes))


def write(place: Path, successes: int = 90, **blocks: Any) -> None:
    gates = {GATE: {"at_least": 0.01, "at_most": 0.5, "coverage_at_least": 1.0}}
    content = {"model": {"source": "script"}, "probes": {"tiny.rate": {"successes": successes}}, "gates": gates}
    (place / "model.yaml").write_text(yaml.safe_dump({**content, **blocks}, sort_keys=False))


def commands(done: Done, stream: str = "out") -> list[Read]:
    return list(taken(getattr(done, stream).splitlines()))


# The terminal.


def test_the_last_lines_tell_the_coverage(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny, tiny("bad.probe", measure=boom))
    write(place, probes={"tiny.rate": {}, "bad.probe": {}})
    lines = command("run", "model.yaml", "--output", "out").out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Coverage: "))
    assert " ".join(lines[at : at + 2]).startswith("Coverage: 100 of 200 planned were scored (50%); 100 failed.")
    assert at >= len(lines) - 6


def test_json_tells_the_coverage(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny)
    write(place)
    told = json.loads(command("run", "model.yaml", "--output", "out", "--json").out)
    assert told["verdict"]["coverage"]["scored"] == told["gates"][2]["coverage"]["scored"] == 100
    assert told["gates"][2]["rule"] == "coverage_at_least"


# Annotations.


@pytest.mark.parametrize("value", [None, "", "false", "1"])
def test_nothing_is_annotated_elsewhere(
    value: str | None, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny)
    if value is not None:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
    write(place)
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == 1
    assert "::" not in done.out + done.err


@pytest.mark.usefixtures("github")
def test_a_gate_is_annotated_at_its_line(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny)
    write(place)
    done = command("run", "model.yaml", "--output", "out")
    error, notice = commands(done)
    line = (place / "model.yaml").read_text().splitlines().index("    at_most: 0.5") + 1
    assert error.properties == {"file": "model.yaml", "line": str(line), "title": "Gate not met"}
    assert error.data.startswith(f"{GATE} must be at most 0.5; measured 0.9 ")
    assert (notice.name, done.status) == ("notice", 1)
    assert "100 of 100 planned were scored (100%)." in notice.data


@pytest.mark.usefixtures("github")
@pytest.mark.parametrize(("inconclusive", "kind", "status"), [("warn", "warning", 0), ("fail", "error", 4)])
def test_what_is_not_established(
    inconclusive: str, kind: str, status: int, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny)
    write(place, 50, run={"on_inconclusive": inconclusive})
    done = command("run", "model.yaml", "--output", "out", "--quiet")
    assert [c.name for c in commands(done)] == [kind, "notice"]
    assert done.status == status


@pytest.mark.usefixtures("github")
def test_json_stays_json(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny)
    write(place)
    done = command("run", "model.yaml", "--output", "out", "--json")
    assert json.loads(done.out)["verdict"]["exit_status"] == 1
    assert [c.name for c in commands(done, "err")] == ["error", "notice"]


@pytest.mark.usefixtures("github")
def test_what_a_model_says_is_no_command(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Hostile, tiny("bad.probe", measure=boom))
    write(place, probes={"tiny.rate": {}, "bad.probe": {}}, gates={})
    done = command("run", "model.yaml", "--output", "out")
    assert any(line.lstrip().startswith("::add-mask::two") for line in done.out.splitlines()), "it is shown"
    found = commands(done)
    assert [c.name for c in found] == ["error", "notice"]
    assert found[0].properties["title"] == "Probe failed"
    assert found[0].data.startswith("bad.probe: RuntimeError: x")


@pytest.mark.usefixtures("github")
def test_what_a_server_says_in_an_error_is_no_command(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny)

    def refuses(*_: object) -> NoReturn:
        raise ModelError(HOSTILE)

    monkeypatch.setattr(audit.opening, "open_model", refuses)
    write(place)
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == 2
    assert list(taken([*done.out.splitlines(), *done.err.splitlines()])) == []


@pytest.mark.usefixtures("github")
def test_mistakes_in_the_config_are_annotated(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny)
    (place / "model.yaml").write_text("model: {source: script}\nsuit: quick\nrun:\n  seed: one\n")
    done = command("run", "model.yaml")
    assert done.status == 2
    assert [(c.name, c.properties["line"]) for c in commands(done)] == [("error", "2"), ("error", "4")]
    assert 'did you mean "suite"?' in commands(done)[0].data
    assert done.err.startswith("model.yaml:2: ")


def test_the_file_is_named_from_the_root_of_the_checkout(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "deep").mkdir()
    assert in_repository(Path("deep/model.yaml")) == "deep/model.yaml"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(place))
    monkeypatch.chdir(place / "deep")
    assert in_repository(Path("model.yaml")) == "deep/model.yaml"
    assert in_repository(place / "deep" / "model.yaml") == "deep/model.yaml"
    assert in_repository(Path("../../elsewhere.yaml")) == "../../elsewhere.yaml"


# The job's page.


@pytest.mark.parametrize(
    ("successes", "broken", "status"), [(90, False, 1), (0, True, 3), (50, False, 4), (0, False, 0)]
)
def test_the_page_is_written_whatever_the_verdict(
    successes: int, broken: bool, status: int, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny, *([tiny("bad.probe", measure=boom)] if broken else []))
    page = place / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    probes = {"tiny.rate": {"successes": successes}, **({"bad.probe": {}} if broken else {})}
    write(place, probes=probes, gates={GATE: {"at_most": 0.5}}, run={"on_inconclusive": "fail"})
    assert command("run", "model.yaml", "--output", "out", "--quiet").status == status
    assert page.read_bytes() == (place / "out" / "summary.md").read_bytes()
    assert "Coverage of all probes: " in page.read_text()


@pytest.mark.parametrize("page", ["a folder", "no folder", "odd"])
def test_a_page_that_cannot_be_written_changes_nothing_else(
    page: str, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny)
    target = {"a folder": place, "no folder": place / "none" / "page.md", "odd": place / ("x" * 300)}[page]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(target))
    write(place, 0, gates={GATE: {"at_most": 0.5}})
    done = command("run", "model.yaml", "--output", "out", "--quiet")
    assert (done.status, done.out) == (0, "")
    (line,) = done.told
    assert line.startswith("The summary is not on the job's page: ")


def test_a_page_never_grows_beyond_what_github_takes(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, Tiny)
    page = place / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    write(place, 0, gates={GATE: {"at_most": 0.5}})
    page.write_bytes(b"x" * (MOST_OF_A_PAGE - 400))
    assert command("run", "model.yaml", "--output", "out", "--quiet") == Done(0, "", "")
    assert page.stat().st_size <= MOST_OF_A_PAGE
    assert page.read_text().endswith(LEFT_OUT)
    assert "# Audit of scripted" in page.read_text()
    page.write_bytes(b"x" * MOST_OF_A_PAGE)
    done = command("run", "model.yaml", "--output", "out", "--quiet")
    assert (done.status, done.told) == (0, ["The summary is not on the job's page, which is full."])
    assert page.stat().st_size == MOST_OF_A_PAGE


@pytest.mark.parametrize("room", range(len(LEFT_OUT.encode()) - 2, 160))
def test_a_shortened_text_is_whole_lines(room: int) -> None:
    text = "".join(f"{'ü' * 7}{i}\n" for i in range(30))
    found = shortened(text, room)
    assert len(found.encode()) <= room
    assert found == "" or text.startswith(found.removesuffix(LEFT_OUT))
    assert found == "" or found.removesuffix(LEFT_OUT) == "" or found.removesuffix(LEFT_OUT).endswith("\n")


def test_a_text_that_fits_is_left_as_it_is() -> None:
    assert shortened("ü\n", 3) == "ü\n"
    assert shortened("ü\n", 2) == ""
