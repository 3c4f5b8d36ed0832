"""Many models: one folder each, a failing one stops no other, the worst status for all; the same over Ray."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import audit.api
import audit.cli
import audit.custom
import audit.opening
import audit.sweep
from audit.api import load
from audit.cli import app
from audit.config import ConfigError
from audit.models import ModelError
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from audit.replica import Surroundings, software
from audit.results import read_result
from audit.sweep import Job, Options, Row, audit_one, away, comparison_command, here, jobs, over_ray, worst
from tests.audit.fake_ray import FakeRay, Killed
from tests.audit.models.tiny import edit_json, make_llama, single_thread
from tests.audit.support import Tiny, catalogue_of, stored, within

GOOD = "model: {source: script}\nprobes: {tiny.rate: {successes: 20}}\ngates: {tiny.rate.rate: {at_most: 0.5}}\n"
MISSED = GOOD.replace("successes: 20", "successes: 90")
OPEN = GOOD.replace("successes: 20", "successes: 50") + "run: {on_inconclusive: fail}\n"
BROKEN = "model: {sauce: script}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with configs of every fate, a tiny probe and a scripted model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for module in (audit.api, audit.cli, audit.custom):
        monkeypatch.setattr(module, "find_probes", lambda: catalogue_of(Tiny))
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel())
    for name, content in {"good": GOOD, "missed": MISSED, "open": OPEN, "broken": BROKEN}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    return tmp_path


def called(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sweep", *arguments])
    return done.exit_code, done.output


def planned(*names: str) -> list[Job]:
    return jobs([Path(f"{name}.yaml") for name in names], Path("out"), Options())


def row(status: int, file: str = "a.yaml") -> Row:
    return Row(file, "m", "met", status, "out/a", "Text.")


# Folders and statuses.


def test_each_file_has_its_own_folder() -> None:
    files = [Path(p) for p in ("a/model.yaml", "b/model.yaml", "model-2.yaml", "x.y.yaml", ".yaml", "model.yaml")]
    found = [job.folder for job in jobs(files, Path("out"), Options())]
    assert found == [f"out/{n}" for n in ("model", "model-2", "model-2-2", "x.y", "yaml", "model-3")]
    assert len(set(found)) == len(files)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([0, 0], 0), ([0, 4], 4), ([4, 1, 0], 1), ([1, 2], 2), ([2, 3, 1], 3), ([3], 3), ([], 0)],
)
def test_worst_status_counts(statuses: list[int], expected: int) -> None:
    assert worst([row(status) for status in statuses]) == expected
    assert worst([row(status) for status in reversed(statuses)]) == expected


def test_results_can_be_compared_where_there_are_two() -> None:
    one = row(0)
    assert comparison_command([one]) is None
    assert comparison_command([one, Row("b.yaml", None, "not_run", 2, "out/b", "No.")]) is None
    command = comparison_command([one, Row("c.yaml", "m", "met", 0, "my out/c", "Text.")])
    assert shlex.split(str(command)) == ["audit", "compare", "out/a", "my out/c"]


# Here.


def test_failing_file_stops_no_other(place: Path) -> None:
    rows = list(here(planned("broken", "missed", "absent", "good"), Silent()))
    assert [(r.verdict, r.exit_status) for r in rows] == [("not_run", 2), ("not_met", 1), ("not_run", 2), ("met", 0)]
    assert "sauce" in rows[0].text
    assert "there is no such file" in rows[2].text
    assert read_result(Path("out/good")).verdict.status == "met"
    assert not Path("out/broken").exists()


def test_error_in_the_program_is_one_row(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(audit.opening, "open_model", fails)
    (found,) = here(planned("good"), Silent())
    assert (found.exit_status, found.model) == (3, None)
    assert found.text == "The audit could not be completed: ZeroDivisionError: oh"


def test_options_reach_every_audit(place: Path) -> None:
    options = Options(suite="quick", limit=7, seed=3, device="cpu", resume=True)
    tuple(here(jobs([Path("good.yaml")], Path("out"), options), Silent()))
    manifest = read_result(Path("out/good")).manifest
    assert (manifest.suite, manifest.seed, manifest.config["model"]["device"]) == ("quick", 3, "cpu")
    assert read_result(Path("out/good")).probes[0].items == 7


# The command.


def test_command_tells_all_and_ends_with_the_worst(place: Path) -> None:
    status, told = called("good.yaml", "missed.yaml", "broken.yaml", "--output", "out", "--quiet")
    assert status == 2
    for name, verdict in (("good", "met"), ("missed", "not met"), ("broken", "not run")):
        (line,) = [x for x in told.splitlines() if x.startswith(f"{name}.yaml ")]
        assert verdict in line
        assert f"out/{name}" in line
    assert "broken.yaml: " in told
    assert "Side by side: audit compare out/good out/missed" in told


@pytest.mark.parametrize(("names", "status"), [(["good"], 0), (["good", "open"], 4), (["open", "missed"], 1)])
def test_command_ends_with(names: list[str], status: int, place: Path) -> None:
    assert called(*(f"{n}.yaml" for n in names), "--quiet")[0] == status
    (folder,) = Path("audits").iterdir()
    assert folder.name.startswith("sweep-")
    assert {p.name for p in folder.iterdir()} == set(names)


def test_command_as_json(place: Path) -> None:
    status, told = called("good.yaml", "broken.yaml", "--output", "out", "--json")
    found = json.loads(told)
    assert (status, found["exit_status"], found["output"]) == (2, 2, "out")
    assert [(a["file"], a["verdict"], a["exit_status"], a["folder"]) for a in found["audits"]] == [
        ("good.yaml", "met", 0, "out/good"),
        ("broken.yaml", "not_run", 2, "out/broken"),
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--executor", "slurm"], "choose local or ray"),
        (["--workers", "2"], "--address and --workers go with --executor ray."),
        (["--address", "a:1"], "--address and --workers go with --executor ray."),
        (["--suite", "huge"], "Unknown suite huge"),
        (["--output", "good.yaml"], "is a file"),
    ],
)
def test_wrong_option_audits_nothing(options: list[str], told: str, place: Path) -> None:
    status, said = called("good.yaml", *options)
    assert status == 2
    assert told in said
    assert not Path("audits").exists()


def test_stopped_by_the_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit.sweep, "run", stops)
    status, told = called("good.yaml", "--output", "out", "--quiet")
    assert status == 3
    assert "--output out --resume" in told


# Over Ray.


class FakeCluster(FakeRay):
    """Tasks as well as actors; ``lost``: files whose process dies."""

    def __init__(self, lost: Sequence[str] = ()) -> None:
        super().__init__(0)
        self.lost = lost
        self.most = 0

    def is_initialized(self) -> bool:
        return True

    def remote(self, **options: Any) -> Any:
        actors = super().remote(**options)
        lost = self.lost

        def task(function: Any) -> Any:
            class Once:
                def call(self, job: Job, *rest: Any) -> Any:
                    if job.file in lost:
                        raise Killed
                    return function(job, *rest)

            hire = actors(Once)
            return type("Task", (), {"remote": staticmethod(lambda *a: hire.remote().call.remote(*a))})

        return task

    def wait(self, refs: Sequence[Any], num_returns: int = 1, timeout: float | None = None) -> tuple[Any, Any]:
        self.most = max(self.most, len(refs))
        return super().wait(refs, num_returns, timeout)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    found = FakeCluster()
    monkeypatch.setattr("audit.cluster.library", lambda: found)
    return found


def test_rows_come_in_the_order_of_the_files(place: Path, cluster: FakeCluster) -> None:
    names = ("broken", "good", "missed", "open")
    said: list[str] = []
    rows = over_ray(planned(*names), None, 3, said.append)
    assert [(r.file, r.exit_status) for r in rows] == [
        ("broken.yaml", 2), ("good.yaml", 0), ("missed.yaml", 1), ("open.yaml", 4)
    ]  # fmt: skip
    assert cluster.most == 3
    assert len(said) == 4
    assert stored(Path("out/good")) != stored(Path("out/missed"))


def test_lost_worker_is_one_row(place: Path, cluster: FakeCluster) -> None:
    cluster.lost = ["good.yaml"]
    rows = over_ray(planned("good", "missed"), None, None, lambda _: None)
    assert [(r.exit_status, r.verdict) for r in rows] == [(3, "not_run"), (1, "not_met")]
    assert rows[0].text == "Its worker on the cluster was lost: The actor died."
    assert cluster.most == 2


def test_command_over_ray(place: Path, cluster: FakeCluster) -> None:
    status, told = called("good.yaml", "broken.yaml", "--executor", "ray", "--workers", "1", "--output", "o", "--json")
    assert status == 2
    assert [a["exit_status"] for a in json.loads(told)["audits"]] == [0, 2]
    assert cluster.most == 1


def test_file_that_asks_for_ray_is_computed_where_its_audit_is(place: Path, cluster: FakeCluster) -> None:
    Path("good.yaml").write_text(GOOD + "run: {executor: ray}\n")
    (found,) = over_ray(planned("good"), None, None, lambda _: None)
    assert found.exit_status == 0
    assert len(cluster.actors) == 1  # the task itself


def test_machine_without_the_folder_or_with_other_software_says_so(place: Path) -> None:
    (job,) = planned("good")
    surroundings, versions = Surroundings.here(), software()
    assert "does not see out/good" in away(job, surroundings, versions)["text"]
    Path("out/good").mkdir(parents=True)
    assert "other versions of torch" in away(job, surroundings, {**versions, "torch": "0.1"})["text"]
    other = {**versions, "the code of fairwitness": "0" * 12}  # another checkout of the same version
    assert "other versions of the code of fairwitness" in away(job, surroundings, other)["text"]
    assert away(job, surroundings, versions)["exit_status"] == 0


def test_absent_ray_is_a_mistake_of_the_command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModelError, match=r'pip install "fairwitness\[ray\]"'):
        over_ray(planned("good"), None, None, lambda _: None)


def test_mistakes_are_told_as_by_run(place: Path) -> None:
    (job,) = planned("broken")
    with pytest.raises(ConfigError) as error:
        audit.api.run("broken.yaml")
    assert audit_one(job, Silent()).text == str(error.value)


# For real.


@pytest.mark.slow
def test_two_models_and_a_broken_file_here_and_over_a_real_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # workers run this code, from whatever folder
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with single_thread(), within(240):
        make_llama(tmp_path / "one")
        make_llama(tmp_path / "two")
        edit_json(tmp_path / "two" / "config.json", license="mit")
        for name in ("one", "two"):
            edit_json(tmp_path / name / "config.json", max_position_embeddings=1024)  # or no question of a probe fits
            content = f"model: {{source: ./{name}}}\nprobes: {{misinformation.claims: {{limit: 6}}}}\n"
            (tmp_path / f"{name}.yaml").write_text(content)
        (tmp_path / "broken.yaml").write_text("model: {source: ./nowhere}\n")
        for output, options in (("here", []), ("far", ["--executor", "ray", "--address", "local"])):
            monkeypatch.setenv("FAIRWITNESS_CACHE", f"cache-{output}")
            status, told = called("one.yaml", "broken.yaml", "two.yaml", "--output", output, "--json", *options)
            assert status == 2, told
            assert [a["exit_status"] for a in json.loads(told)["audits"]] == [0, 2, 0]
    for name in ("one", "two"):
        assert stored(tmp_path / "far" / name) == stored(tmp_path / "here" / name)
        assert (load(tmp_path / "far" / name).records("misinformation.claims")["status"] == "scored").all()
