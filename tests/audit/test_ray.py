"""Batches on workers: the bytes of a local run, whoever dies; nothing lost, nothing counted twice, all of it told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.api import run
from audit.cache import ResponseCache
from audit.cluster import connected, library, share_of_gpus
from audit.execution import Answers, attempt
from audit.models import AnswersApart, Capability, Failure, Generate, ModelError, Request, SaysWhyNot, Score
from audit.models.options import Options
from audit.models.scripted import ScriptedModel
from audit.models.threads import threads, use_threads
from audit.progress import Silent
from audit.ray_executor import MOST_LOSSES, TRIES, RayExecutor, ray_executor
from audit.replica import Opening, Replica, Surroundings, computed, software
from tests.audit.fake_ray import FakeRay, Killed
from tests.audit.models.tiny import edit_json, make_llama, single_thread
from tests.audit.support import Tiny, audit, stored, within

OPENING = Opening("script", None, None, None, Options(), {})
SCRIPT = ScriptedModel()
POOL: list[Request] = [Score(f"prompt {i}", " yes") for i in range(100)]


class Plain(Replica):
    """Opens a scripted model; counts what it computes; dies as a test says."""

    seen: Counter[Request]
    deaths: set[int]
    opened: int

    def _start(self) -> dict[str, Any]:
        self._model = ScriptedModel()
        return {
            "facts": self._model.facts.model_dump(mode="json"),
            "fingerprint": self._model.fingerprint,
            "capabilities": sorted(self._model.capabilities),
            "lacks": {"attention": "the script has none"},
            "apart": False,
            "software": software(),
        }

    def open(self, opening: Opening, surroundings: Surroundings) -> dict[str, Any]:
        type(self).opened += 1
        return self._start()

    def compute(self, batch: Sequence[Request]) -> dict[str, Any]:
        number = sum(self.seen.values())
        self.seen.update(batch)
        if number in self.deaths:
            raise Killed
        return super().compute(batch)


def plain(deaths: Sequence[int] = (), **members: Any) -> type[Plain]:
    """A replica of its own counts; ``deaths``: after how many computed requests one dies."""
    return type("Own", (Plain,), {"seen": Counter(), "deaths": set(deaths), "opened": 0, **members})


class Crew:
    """An executor over the fake, and what it said."""

    def __init__(self, replica: type[Plain], workers: int = 2, **ray: Any) -> None:
        self.said: list[str] = []
        self.ray = FakeRay(**ray)
        self.executor = RayExecutor(self.ray, OPENING, workers, self.said.append, replica)

    def fill(self, pool: Sequence[Request], cache: ResponseCache) -> Answers:
        answers = Answers(executor=self.executor)
        answers.fill(self.executor.model, cache, pool, Silent())
        return answers


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with ResponseCache(tmp_path / "cache.sqlite", "f") as opened:
        yield opened


def local(pool: Sequence[Request], folder: Path) -> Answers:
    answers = Answers()
    with ResponseCache(folder / "local.sqlite", "f") as opened:
        answers.fill(ScriptedModel(), opened, pool, Silent())
    return answers


# Handing out.


def test_answers_are_those_of_a_local_run_and_each_batch_is_computed_once(cache: ResponseCache, tmp_path: Path) -> None:
    replica = plain()
    crew = Crew(replica)
    pool = [*POOL, Generate("Say something.", 5)]
    answers = crew.fill(pool, cache)
    here = local(pool, tmp_path)
    assert answers.responses == here.responses
    assert answers.counts == here.counts
    assert set(replica.seen.values()) == {1}
    assert len(crew.ray.actors) == replica.opened == 2
    assert crew.said == []
    assert set(cache.get(pool)) == set(pool)


def test_driver_knows_the_model_without_opening_it(cache: ResponseCache) -> None:
    model = Crew(plain()).executor.model
    there = ScriptedModel()
    assert (model.facts, model.fingerprint) == (there.facts, there.fingerprint)
    # Which worker, on which machine, computes a batch is left open: nothing is timed there.
    assert model.capabilities == there.capabilities - {Capability.TIME}
    assert isinstance(model, SaysWhyNot)
    assert "workers" in model.lacks[Capability.TIME]
    assert model.lacks[Capability.ATTENTION] == "the script has none"
    assert not isinstance(model, AnswersApart)
    assert model.batches(POOL) == there.batches(POOL)


def test_model_that_answers_apart_stays_one() -> None:
    def start(self: Plain) -> dict[str, Any]:
        return {**Plain._start(self), "apart": True}

    assert isinstance(Crew(plain(_start=start)).executor.model, AnswersApart)


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 120), max_size=6), st.integers(1, 4), st.integers(0, 5), st.integers(0, 100))
def test_nothing_is_lost_or_doubled_whoever_dies_when(deaths: set[int], workers: int, seed: int, size: int) -> None:
    replica = plain(sorted(deaths))
    executor = RayExecutor(FakeRay(seed), OPENING, workers, lambda _: None, replica)
    batches = executor.model.batches(POOL[:size])
    done = list(executor.run(executor.model, batches))
    assert Counter(request for d in done for request in d.batch) == Counter(POOL[:size])
    assert sorted(len(d.batch) for d in done) == sorted(map(len, batches))
    found = {request: answer for d in done for request, answer in zip(d.batch, d.responses, strict=True)}
    failed = {request for request, answer in found.items() if isinstance(answer, Failure)}
    assert not failed or len(deaths) >= TRIES
    here = {request: answer for batch in batches for request, answer in zip(batch, attempt(SCRIPT, batch), strict=True)}
    assert all(found[request] == here[request] for request in here.keys() - failed)


def test_lost_worker_is_replaced_and_its_batch_computed_again(cache: ResponseCache, tmp_path: Path) -> None:
    replica = plain([32])
    crew = Crew(replica)
    answers = crew.fill(POOL, cache)
    assert answers.responses == local(POOL, tmp_path).responses
    assert answers.counts["computed"] == len(POOL)
    assert Counter(replica.seen.values()) == {1: 84, 2: 16}
    assert len(crew.ray.actors) == 3
    assert crew.said == ["A worker was lost (The actor died); another takes over its work."]


def test_batch_that_kills_every_worker_fails_and_the_others_are_answered(cache: ResponseCache) -> None:
    def compute(self: Plain, batch: Sequence[Request]) -> dict[str, Any]:
        if POOL[7] in batch:
            self.seen.update(batch)
            raise Killed
        return Replica.compute(self, batch)

    replica = plain(compute=compute)
    crew = Crew(replica)
    answers = crew.fill(POOL, cache)
    failed = {r for r, a in answers.responses.items() if isinstance(a, Failure)}
    assert failed == set(replica.seen)
    assert set(replica.seen.values()) == {TRIES}
    assert POOL[7] in failed
    assert len(failed) == 16
    (reason,) = {a.reason for a in answers.responses.values() if isinstance(a, Failure)}
    assert reason == "It cost 3 workers, each lost while it computed this; the last one: The actor died."
    assert not set(cache.get(POOL)) & failed
    assert answers.stopped is None


def test_workers_that_all_die_end_the_run_with_what_was_answered_kept(cache: ResponseCache) -> None:
    replica = plain(range(40, 10_000))
    answers = Crew(replica).fill(POOL, cache)
    assert answers.stopped == f"{MOST_LOSSES} workers of Ray were lost one after another, the last one: The actor died."
    assert len(cache.get(POOL)) == 48
    assert set(answers.responses) == set(POOL)
    assert answers.unanswered
    assert replica.opened <= MOST_LOSSES + 2


def test_response_that_is_none_costs_the_worker(cache: ResponseCache, tmp_path: Path) -> None:
    def compute(self: Plain, batch: Sequence[Request]) -> dict[str, Any]:
        found = Replica.compute(self, batch)
        self.seen.update(batch)
        return {**found, "responses": ["[1]"] * len(batch)} if sum(self.seen.values()) == len(batch) else found

    crew = Crew(plain(compute=compute))
    assert crew.fill(POOL, cache).responses == local(POOL, tmp_path).responses
    assert len(crew.said) == 1


def test_model_that_stops_ends_the_run(cache: ResponseCache) -> None:
    def compute(self: Plain, batch: Sequence[Request]) -> dict[str, Any]:
        found = Replica.compute(self, batch)
        return {**found, "places": [0], "responses": found["responses"][:1], "stopped": "The budget is spent."}

    answers = Crew(plain(compute=compute), workers=1).fill(POOL, cache)
    assert answers.stopped == "The budget is spent."
    assert answers.counts["computed"] == 1


def test_requests_that_cannot_be_grouped_are_told_as_here(cache: ResponseCache) -> None:
    def batches(self: Plain, requests: Sequence[Request]) -> Any:
        return "ValueError: no" if POOL[3] in requests else Replica.batches(self, requests)

    crew = Crew(plain(batches=batches))
    with pytest.raises(RuntimeError, match="ValueError: no"):
        crew.executor.model.batches(POOL)
    assert len(crew.fill(POOL, cache).responses) == len(POOL)


def test_worker_lost_while_it_groups_is_replaced() -> None:
    asked: list[int] = []

    def batches(self: Plain, requests: Sequence[Request]) -> Any:
        asked.append(1)
        if len(asked) == 1:
            raise Killed
        return Replica.batches(self, requests)

    crew = Crew(plain(batches=batches), workers=1)
    assert crew.executor.model.batches(POOL) == ScriptedModel().batches(POOL)
    assert len(crew.ray.actors) == 2


# Opening.


def test_worker_with_another_model_is_not_used(cache: ResponseCache, tmp_path: Path) -> None:
    def start(self: Plain) -> dict[str, Any]:
        return {**Plain._start(self), "fingerprint": f"{type(self).opened}"}

    crew = Crew(plain(_start=start))
    assert crew.fill(POOL, cache).responses == local(POOL, tmp_path).responses
    assert len(crew.ray.actors) == 2
    if crew.said:  # it may be done before the second is open
        assert crew.said == [
            "A worker is not used: its copy of the model is another (weights, number format, kernels or kind of device)."
        ]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        pytest.param({"error": "There is no model x."}, "There is no model x.", id="model"),
        pytest.param({"software": {**software(), "torch": "0.1"}}, r"torch 0\.1 instead of", id="software"),
    ],
)
def test_first_worker_that_cannot_open_ends_it(told: dict[str, Any], message: str) -> None:
    def start(self: Plain) -> dict[str, Any]:
        return {**Plain._start(self), **told}

    with pytest.raises(ModelError, match=message):
        Crew(plain(_start=start))


def test_first_worker_that_dies_ends_it_and_is_let_go() -> None:
    def start(self: Plain) -> dict[str, Any]:
        raise Killed

    ray = FakeRay()
    with pytest.raises(ModelError, match="A worker of Ray could not open the model: The actor died") as error:
        RayExecutor(ray, OPENING, 2, lambda _: None, plain(_start=start))
    assert len(str(error.value).splitlines()) == 1
    assert all(actor.dead for actor in ray.actors)


def test_full_cluster_is_told() -> None:
    with pytest.raises(ModelError, match=r"no place for a worker \(1 CPU and 1 GPU\)"):
        RayExecutor(FakeRay(full=True, gpus=4), OPENING, 2, lambda _: None, plain())


@pytest.mark.parametrize(
    ("options", "gpus", "each"),
    [
        ({}, 0, 0),
        ({}, 4, 1),
        ({"device": "cpu"}, 4, 0),
        ({"device_map": "auto"}, 4, 2),
        ({"backend": "vllm"}, 8, 4),
        ({"backend": "vllm"}, 1, 1),
    ],
)
def test_worker_gets_its_share_of_gpus(options: dict[str, Any], gpus: int, each: int) -> None:
    ray = FakeRay(gpus=gpus)
    opening = Opening("script", None, None, None, Options(**options), {})
    RayExecutor(ray, opening, 2, lambda _: None, plain())
    assert ray.options == [{"num_cpus": 1, "num_gpus": each, "max_restarts": 0, "max_task_retries": 0}]
    assert share_of_gpus(ray, 1, wants=False, spread=True) == 0


def test_endpoint_is_refused() -> None:
    opening = Opening("https://example.org/v1", None, None, None, Options(), {})
    with pytest.raises(ModelError, match="is an endpoint") as error, ray_executor(opening, 2, None, print):
        pass
    assert len(str(error.value).splitlines()) == 1


def test_absent_ray_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModelError, match=r'^executor: ray needs the package ray: pip install "fairwitness\[ray\]"\.$'):
        library()


def test_telemetry_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    library()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_address_where_nothing_listens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # bound, not listening
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        for named, variable in ((address, None), (f"ray://{address}", None), (None, address)):
            if variable:
                monkeypatch.setenv("RAY_ADDRESS", variable)
            with (
                within(10),
                pytest.raises(ModelError, match=f"No Ray cluster answers at .*{address}"),
                connected(named),
            ):
                pass


class _Unreachable:
    """Ray where it finds no cluster."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def is_initialized(self) -> bool:
        return False

    def init(self, **_: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "told"), [(SystemExit(15), "no answer"), (ConnectionError("nobody\nhome"), "nobody")]
)
def test_ray_that_gives_up_is_one_sentence(error: BaseException, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("audit.cluster.library", lambda: _Unreachable(error))
    with pytest.raises(ModelError, match=rf"Ray could not be reached at auto \({told}\)"), connected("auto"):
        pass


def test_where_it_is_computed_is_no_part_of_the_result(tmp_path: Path) -> None:
    here = audit(tmp_path / "a", [Tiny], run={"seed": 1})
    far = audit(tmp_path / "b", [Tiny], run={"seed": 1, "executor": "ray", "workers": 3, "address": "host:1"})
    assert far.manifest.audit_id == here.manifest.audit_id  # what was begun here can be finished there
    assert far.manifest.config == here.manifest.config
    assert not {"executor", "workers", "address"} & set(far.manifest.config["run"])


# A replica, in this process.


def test_replica_answers_as_text_what_the_model_answers_here() -> None:
    replica = plain()()
    replica.open(OPENING, Surroundings.here())
    found = json.loads(json.dumps(replica.compute(POOL[:5])))
    assert computed(POOL[:5], found).responses == ScriptedModel().score(POOL[:5])  # type: ignore[arg-type]
    assert replica.batches(POOL) == [[POOL.index(r) for r in group] for group in ScriptedModel().batches(POOL)]
    assert replica.ping() == os.getpid()
    assert re.match(r"RuntimeError: the model is not open", str(Replica().batches(POOL)))


def test_replica_tells_why_a_model_cannot_be_opened(tmp_path: Path) -> None:
    opening = Opening(str(tmp_path / "nothing"), None, None, None, Options(), {})
    assert "was not found" in Replica().open(opening, Surroundings.here())["error"]


def test_surroundings_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", "there")
    with single_thread():
        found = Surroundings.here()
        assert found == Surroundings(str(tmp_path), "there", 1)
        monkeypatch.chdir("/")
        monkeypatch.setenv("FAIRWITNESS_CACHE", "elsewhere")
        use_threads(2)
        found.enter()
        assert (Path.cwd(), os.environ["FAIRWITNESS_CACHE"], threads()) == (tmp_path, "there", 1)
        Surroundings("/no/such/folder", None, 1).enter()
        assert (Path.cwd(), os.environ["FAIRWITNESS_CACHE"]) == (tmp_path, "there")


# A real cluster.


class Killing(Silent):
    """Kills a worker's process after the first batch."""

    def __init__(self, executors: list[RayExecutor]) -> None:
        self.executors = executors
        self.said: list[str] = []
        self.killed = 0

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, done: int) -> None:
        if not self.killed:
            (self.killed,) = self.executors[0].processes
            threading.Timer(0.05, os.kill, (self.killed, signal.SIGKILL)).start()  # while it has the next batch


@pytest.mark.slow
def test_real_cluster_gives_the_bytes_of_a_local_run_though_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # workers run this code, from whatever folder
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    made: list[RayExecutor] = []
    start = RayExecutor.__init__

    def watched(self: RayExecutor, *arguments: Any) -> None:
        start(self, *arguments)
        made.append(self)

    monkeypatch.setattr(RayExecutor, "__init__", watched)
    with single_thread():
        make_llama(tmp_path / "llama")
        edit_json(tmp_path / "llama" / "config.json", max_position_embeddings=1024)  # or no question of a probe fits
        (tmp_path / "model.yaml").write_text(
            "model: {source: ./llama}\n"
            "probes: {misinformation.claims: {limit: 16}, misinformation.fabrication: {limit: 2}}\n"
            "run: {executor: ray, workers: 2, batch_tokens: 256}\n"
        )
        monkeypatch.setenv("FAIRWITNESS_CACHE", "here")
        here = run("model.yaml", output="local", executor="local")
        assert {p.status for p in here.data.probes} == {"done"}
        assert (here.records("misinformation.claims")["status"] == "scored").all()
        progress = Killing(made)
        with within(120), connected("local") as ray:
            assert ray.cluster_resources()["CPU"] >= 1
            monkeypatch.setenv("FAIRWITNESS_CACHE", "there")
            run("model.yaml", output="far", progress=progress)
    assert stored(tmp_path / "far") == stored(tmp_path / "local")
    costs = [json.loads((tmp_path / name / "manifest.json").read_text())["cost"] for name in ("local", "far")]
    assert costs[0]["computed"] == costs[1]["computed"] > 0
    assert progress.killed
    assert any("A worker was lost" in line for line in progress.said)
