"""The life of a run: what is written, what is the same each time, and what a failure may and may not take with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest

import audit.engine
import audit.execution
import audit.results.folder
import audit.rounds
import audit.runfolder
from audit.corpora import Item, ItemsError
from audit.engine import RunSettings, run_audit
from audit.models import (
    Capability,
    Failure,
    Generate,
    Generated,
    Inspect,
    Message,
    Request,
    Responses,
    Score,
    Scored,
    Tabulate,
    user,
)
from audit.models.scripted import ALL, ScriptedModel
from audit.planning import _NEEDS
from audit.progress import Silent
from audit.results import AuditResult, read_records, read_result, result_schema
from probes.base import Context, Outcome, Probe
from probes.registry import find_probes
from tests.audit.support import (
    CountingModel,
    Tiny,
    TookTooLong,
    catalogue_of,
    config,
    measurement,
    reasons,
    statuses,
    stored,
    timeless,
    tiny,
    with_known_weights,
    within,
)
from tests.audit.support import (
    audit as run,
)

# All but those for kinds of models that a script is not, such as encoder-decoders.
# And not the one that asks on purpose what was asked before, with others among it; it counts in tests of its own. Nor the
# one that measures the audit itself, which is never the same twice.
APART = ("reproducibility.rerun", "footprint.energy")
REAL = {n: p for n, p in find_probes().items() if p.capabilities <= ALL and n not in APART}
# Where all six are not needed: this one resamples for seconds in every audit, whatever the model.
QUICK = {name: probe for name, probe in REAL.items() if name != "misinformation.fabrication"}
LIMIT = 4


def boom(*_: object) -> Any:
    raise RuntimeError("the items are on fire")


@pytest.fixture(scope="module", autouse=True)
def a_key() -> Iterator[None]:
    """Hashes of personal data are the same in two runs only under a key that lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRWITNESS_HASH_KEY", "of the tests")
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditResult, CountingModel]:
    """All probes on a counting model, with a cold cache."""
    folder = tmp_path_factory.mktemp("first")
    model = CountingModel()
    return folder, run(folder, REAL, model, settings={"limit": LIMIT}), model


# What is written.


def test_every_file_of_the_result_is_there(first: tuple[Path, AuditResult, CountingModel]) -> None:
    folder, result, _ = first
    written = folder / "result"
    assert statuses(result) == dict.fromkeys(sorted(REAL), "done")
    assert json.loads((written / "result.json").read_text())["schema_version"] == result.schema_version
    assert read_result(written) == result
    for probe in result.probes:
        records = read_records(written, probe.id)
        assert len(records) == probe.records > 0
        assert len({r.id for r in records}) == len(records), "two records of one id"
        assert {r.probe for r in records} == {probe.id}
    assert [p.name for p in written.rglob("*.part")] == []


def test_manifest_is_that_of_the_result_with_the_cost(first: tuple[Path, AuditResult, CountingModel]) -> None:
    folder, result, model = first
    manifest = json.loads((folder / "result" / "manifest.json").read_text())
    cost = manifest.pop("cost")
    assert manifest == result.manifest.model_dump(mode="json")
    assert cost["computed"] == model.asked.total() == result.manifest.requests["unique"]
    assert cost["from_cache"] == 0
    assert cost["peak_memory_bytes"] > 10_000_000
    assert set(result.manifest.items) == set(REAL)


def test_result_fits_its_schema(first: tuple[Path, AuditResult, CountingModel]) -> None:
    content = json.loads((first[0] / "result" / "result.json").read_text())
    schema = result_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema, jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "extra": 1}, schema, jsonschema.Draft202012Validator)


def test_shipped_schema_is_the_current_one() -> None:
    shipped = Path(audit.results.folder.__file__).with_name("result.schema.json")
    assert json.loads(shipped.read_text(encoding="utf-8")) == result_schema()


def test_findings_and_gates_point_at_what_is_there(first: tuple[Path, AuditResult, CountingModel]) -> None:
    folder, result, _ = first
    metrics = {m.metric for m in result.measurements}
    for finding in result.findings:
        assert set(finding.measurements) <= metrics
        assert set(finding.records) <= {r.id for r in read_records(folder / "result", finding.probe)}
        assert finding.text
    declared = {f"{p.id}.{m.name}" for p in REAL.values() for m in p.metrics}
    assert {m.metric.split("[")[0] for m in result.measurements} <= declared


# The same each time.


def test_twice_is_the_same(first: tuple[Path, AuditResult, CountingModel], tmp_path: Path) -> None:
    run(tmp_path, REAL, settings={"limit": LIMIT})
    assert stored(tmp_path / "result") == stored(first[0] / "result")


@pytest.fixture
def one_audit_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two audits of a test begin in the same second."""
    minutes = (f"2026-01-01T00:{minute:02}:00Z" for minute in range(60))
    monkeypatch.setattr(audit.runfolder, "now", lambda: next(minutes))


def test_warm_cache_gives_what_a_cold_one_gave(tmp_path: Path, one_audit_a_minute: None) -> None:
    cold, warm = with_known_weights(CountingModel()), with_known_weights(CountingModel())
    for name, model in (("cold", cold), ("warm", warm)):
        run(tmp_path / name, QUICK, model, cache=tmp_path / "cache.sqlite", settings={"limit": LIMIT})
    assert cold.asked.total() > 100
    # People's data, which are read anew and not copied into the cache, and the model's files, which may have changed.
    assert warm.asked == {Tabulate(): 1, Tabulate(whole=True): 1, Inspect(): 1}
    assert stored(tmp_path / "warm" / "result") == stored(tmp_path / "cold" / "result")
    cost = json.loads((tmp_path / "warm" / "result" / "manifest.json").read_text())["cost"]
    assert (cost["computed"], cost["from_cache"]) == (3, cold.asked.total() - 3)


def test_answers_of_a_model_that_may_have_changed_are_not_used_again(tmp_path: Path, one_audit_a_minute: None) -> None:
    before, after = CountingModel(), CountingModel()
    for model in (before, after):
        run(tmp_path, [Tiny], model, cache=tmp_path / "cache.sqlite", settings={"limit": LIMIT})
    assert before.asked.total() == after.asked.total() == LIMIT


# Of the probes that follow all others one will do: with what it follows, it takes a whole audit.
ALONE = [name for name, probe in REAL.items() if "*" not in probe.follows or name == "explainability.attribution"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ALONE]
)
def test_choice_of_probes_changes_no_measurement(
    name: str, first: tuple[Path, AuditResult, CountingModel], tmp_path: Path
) -> None:
    # A probe that follows another is asked about what that one found; without it, it is another question.
    chosen = catalogue_of(REAL[name], *(probe for other, probe in REAL.items() if REAL[name].comes_after(other)))
    alone = run(tmp_path, chosen, settings={"limit": LIMIT})
    assert _of(alone, name) == _of(first[1], name)


def _of(result: AuditResult, probe: str) -> list[Any]:
    found = [m for m in result.measurements if m.probe == probe]
    assert found
    return [*found, *(f for f in result.findings if f.probe == probe)]


def test_order_of_probes_changes_nothing(first: tuple[Path, AuditResult, CountingModel], tmp_path: Path) -> None:
    turned = run(tmp_path / "turned", dict(reversed(QUICK.items())), settings={"limit": LIMIT})
    for name in QUICK:
        assert _of(turned, name) == _of(first[1], name)
    straight = run(tmp_path / "straight", QUICK, settings={"limit": LIMIT})
    assert turned.manifest.audit_id == straight.manifest.audit_id


def test_another_seed_draws_other_items(tmp_path: Path) -> None:
    one = run(tmp_path / "1", [Tiny], settings={"limit": 10}, run={"seed": 1})
    two = run(tmp_path / "2", [Tiny], settings={"limit": 10}, run={"seed": 2})
    assert one.manifest.items != two.manifest.items
    assert one.manifest.audit_id != two.manifest.audit_id


def test_limit_option_and_suite_decide_how_many(tmp_path: Path) -> None:
    def drawn(limit: int | None, **blocks: Any) -> int:
        return run(tmp_path, [Tiny], settings={"limit": limit}, **blocks).probes[0].items

    assert drawn(None) == 100
    assert drawn(None, suite="quick") == 40
    assert drawn(None, suite="full") == 200
    assert drawn(None, suite="full", probes={Tiny.id: {"limit": 7}}) == 7
    assert drawn(3, suite="full", probes={Tiny.id: {"limit": 7}}) == 3


# Failures.


@pytest.mark.parametrize("place", ["items", "requests", "measure"])
def test_failing_probe_stops_nobody_else(place: str, tmp_path: Path) -> None:
    bad = tiny("bad.probe", **{place: boom})
    gates = {"bad.probe.rate": {"at_most": 0.9}, "tiny.rate.rate": {"at_most": 0.9}}
    result = run(tmp_path, [bad, Tiny], gates=gates)
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}
    assert reasons(result)["bad.probe"] == "RuntimeError: the items are on fire"
    assert result.verdict.status == "incomplete"
    assert result.verdict.exit_status == 3
    assert "bad.probe failed" in result.verdict.text
    verdicts = {g.metric: g.verdict for g in result.gates}
    assert verdicts == {"bad.probe.rate": "not_established", "tiny.rate.rate": "met"}
    assert "the items are on fire" in next(g.reason for g in result.gates if g.metric == "bad.probe.rate")
    assert not (tmp_path / "result" / "records" / "bad.probe.parquet").exists()


@pytest.mark.parametrize("place", ["__init__", "items", "requests", "measure"])
@pytest.mark.parametrize("budget", [None, "10m"])
def test_a_probe_that_ends_the_program_has_failed(place: str, budget: str | None, tmp_path: Path) -> None:
    """``sys.exit(0)`` is no ``Exception``, and its status is that of a pass."""

    def leaves(*_: object) -> Any:
        raise SystemExit(0)

    result = run(tmp_path, [tiny("bad.probe", **{place: leaves}), Tiny], run={"budget": budget} if budget else {})
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}
    assert reasons(result)["bad.probe"] == "SystemExit: 0"
    assert (result.verdict.status, result.verdict.exit_status) == ("incomplete", 3)


def test_gate_that_is_not_met_decides_before_a_failed_probe(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        [tiny("bad.probe", measure=boom), Tiny],
        probes={"tiny.rate": {"successes": 90}, "bad.probe": {}},
        gates={"tiny.rate.rate": {"at_most": 0.1}},
    )
    assert (result.verdict.status, result.verdict.exit_status) == ("not_met", 1)
    assert "bad.probe failed" in result.verdict.text


def test_reason_without_a_message(tmp_path: Path) -> None:
    def silent(*_: object) -> Any:
        raise KeyError

    result = run(tmp_path, [tiny("bad.probe", requests=silent)])
    assert reasons(result)["bad.probe"] == "KeyError: no message"


def test_items_that_cannot_be_loaded_say_why(tmp_path: Path) -> None:
    def missing(*_: object) -> Any:
        raise ItemsError("The item file x does not exist.")

    result = run(tmp_path, [tiny("bad.probe", items=missing)])
    assert reasons(result)["bad.probe"] == "The item file x does not exist."
    assert result.probes[0].items == 0


def test_reason_is_one_line(tmp_path: Path) -> None:
    def long(*_: object) -> Any:
        raise RuntimeError("first line\nsecond line")

    for place in ("requests", "items"):
        result = run(tmp_path, [tiny("bad.probe", **{place: long})])
        assert reasons(result)["bad.probe"] == "RuntimeError: first line"


@pytest.mark.parametrize(
    "members",
    [
        {"__init__": boom},
        {"stratum": "no such field"},
        {"items": lambda *_: None},
        {"items": lambda *_: [{"id": "1", "text": "x", "odd": {1, 2}}]},
        {"sizes": {}},
    ],
    ids=["init", "stratum", "no items", "items that are not JSON", "no size"],
)
def test_probe_that_cannot_be_planned_stops_nobody_else(members: dict[str, Any], tmp_path: Path) -> None:
    result = run(tmp_path, [tiny("bad.probe", **members), Tiny])
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}


@pytest.mark.parametrize("stated", [None, 5, ["text"], [None]], ids=str)
def test_probe_that_states_no_requests_stops_nobody_else(stated: Any, tmp_path: Path) -> None:
    result = run(tmp_path, [tiny("bad.probe", requests=lambda *_: stated), Tiny])
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}


def test_requests_may_come_from_a_generator(tmp_path: Path) -> None:
    def lazily(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> Iterator[Request]:
        yield from (Score(item["text"], " yes") for item in items)

    def measure(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        assert len(answers) == len(items)
        return Outcome([], [], [])

    assert statuses(run(tmp_path, [tiny("lazy.probe", requests=lazily, measure=measure)])) == {"lazy.probe": "done"}


def test_probe_that_never_stops_asking_fails(tmp_path: Path) -> None:
    def always(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        if len(answers) > 2000:
            raise TookTooLong
        return [Score("again", str(len(answers)))]

    result = run(tmp_path, [tiny("endless.probe", requests=always), Tiny])
    assert statuses(result) == {"endless.probe": "failed", "tiny.rate": "done"}


def test_probe_that_gives_no_outcome_fails(tmp_path: Path) -> None:
    result = run(tmp_path, [tiny("bad.probe", measure=lambda *_: None), Tiny])
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}


def test_probe_that_measures_a_metric_twice_stops_nobody_else(tmp_path: Path) -> None:
    twice = [measurement("bad.probe.rate", probe="bad.probe")] * 2
    result = run(tmp_path, [tiny("bad.probe", measure=lambda *_: Outcome([], twice, [])), Tiny])
    assert statuses(result) == {"bad.probe": "failed", "tiny.rate": "done"}


def test_reason_of_a_wrong_measurement_says_what_is_wrong(tmp_path: Path) -> None:
    def dishonest(*_: object) -> Any:
        return Outcome([], [measurement("bad.probe.rate", n=0)], [])

    reason = reasons(run(tmp_path, [tiny("bad.probe", measure=dishonest)]))["bad.probe"]
    assert reason is not None
    assert "without observations" in reason


def test_missing_capability_is_not_applicable_and_never_left_out(tmp_path: Path) -> None:
    model = ScriptedModel(capabilities=frozenset({Capability.SCORE}))
    gates = {"misinformation.fabrication.refusal_rate": {"at_least": 0.1}}
    result = run(tmp_path, REAL, model, settings={"limit": 2}, gates=gates)
    able = {p for p, probe in REAL.items() if probe.needs(probe.options()) <= model.capabilities}
    assert able >= {"bias.counterfactual", "bias.crows_pairs", "misinformation.claims"}
    assert not able & {"misinformation.fabrication", "bias.embedding_association", "bias.group_fairness"}
    assert statuses(result) == {p: "done" if p in able else "not_applicable" for p in REAL}
    told = reasons(result)
    assert told["misinformation.fabrication"] == "It needs a model that can write text; this one cannot."
    assert told["explainability.attention"] == (
        "It needs a model that can show its attention and be asked again with parts of the input left out; this one cannot."
    )
    assert set(_NEEDS) == set(Capability)
    assert all(m.probe in able for m in result.measurements)
    assert result.gates[0].verdict == "not_established"
    assert "is not applicable" in result.gates[0].reason
    assert result.verdict.status == "not_established"


def test_model_that_can_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, REAL, ScriptedModel(capabilities=frozenset()))
    assert set(statuses(result).values()) == {"not_applicable"}
    assert len(result.probes) == len(REAL)
    assert result.manifest.requests == {"stated": 0, "unique": 0}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_probes_that_follow_each_other_in_a_circle_fail(length: int, tmp_path: Path) -> None:
    circle = [tiny(f"c.p{i}", follows=(f"c.p{(i + 1) % length}",)) for i in range(length)]
    with within(20):
        result = run(tmp_path, [*circle, Tiny])
    assert statuses(result) == {**{p.id: "failed" for p in circle}, "tiny.rate": "done"}
    assert all("follows" in (reasons(result)[p.id] or "") for p in circle)
    assert result.verdict.exit_status == 3


# One probe after another.


def test_follower_sees_the_outcomes_that_there_are(tmp_path: Path) -> None:
    seen: dict[str, Mapping[str, Outcome]] = {}

    def measure(self: Tiny, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        seen[self.id] = context.earlier
        return Tiny.measure(self, items, context, answers)

    chain = [
        tiny("a.last", follows=("b.middle", "not.there"), measure=measure),
        tiny("b.middle", follows=("c.first", "d.broken"), measure=measure),
        tiny("c.first", measure=measure),
        tiny("d.broken", measure=boom),
    ]
    result = run(tmp_path, chain)
    assert statuses(result) == {"a.last": "done", "b.middle": "done", "c.first": "done", "d.broken": "failed"}
    assert {name: set(earlier) for name, earlier in seen.items()} == {
        "c.first": set(),
        "b.middle": {"c.first"},
        "a.last": {"b.middle"},
    }
    assert len(seen["b.middle"]["c.first"].records) == 100


def test_second_question_may_depend_on_the_first_answer(tmp_path: Path) -> None:
    model = CountingModel()

    def chain(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        stated: list[Request] = [Score("start", "0")]
        while stated[-1] in answers and len(stated) < 5:
            stated.append(Score("next", f"{len(stated)}"))
        return stated

    def measure(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        assert all(request in answers for request in chain(self, items, context, answers))
        return Outcome([], [], [])

    result = run(tmp_path, [tiny("chain.probe", requests=chain, measure=measure)], model)
    assert statuses(result) == {"chain.probe": "done"}
    assert model.sizes == [1] * 5
    assert result.manifest.requests == {"stated": 5, "unique": 5}


def test_requests_are_answered_once_over_all_probes(first: tuple[Path, AuditResult, CountingModel]) -> None:
    _, result, model = first
    assert set(model.asked.values()) == {1}
    assert result.manifest.requests["unique"] == len(model.asked)
    assert result.manifest.requests["stated"] > result.manifest.requests["unique"]


def test_equal_requests_of_two_probes_are_computed_once(tmp_path: Path) -> None:
    model = CountingModel()
    result = run(tmp_path, [tiny("a.probe"), tiny("b.probe")], model, suite="full")
    assert model.asked.total() == 200
    assert result.manifest.requests == {"stated": 400, "unique": 200}


# A model that misbehaves.


def test_one_request_that_fails_fails_alone(tmp_path: Path) -> None:
    class Picky(CountingModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            if any(r.prompt == "Text number 17." for r in requests):
                raise ValueError("17 is not\na number I like")
            return super().score(requests)

    model = Picky()
    result = run(tmp_path, [Tiny], model, suite="full")
    records = {r.id: r for r in read_records(tmp_path / "result", Tiny.id)}
    assert [r.id for r in records.values() if r.status != "scored"] == ["017"]
    assert records["017"].note == "ValueError: 17 is not"
    coverage = result.measurements[0].coverage
    assert (coverage.planned, coverage.scored, coverage.failed) == (200, 199, 1)
    assert result.measurements[0].n == 199
    assert statuses(result) == {Tiny.id: "done"}


@pytest.mark.parametrize("change", [lambda found: found[:-1], lambda found: [*found, found[0]], lambda found: []])
def test_model_with_the_wrong_number_of_responses(change: Callable[[list[Any]], list[Any]], tmp_path: Path) -> None:
    class Careless(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            return change(super().score(requests))

    result = run(tmp_path, [Tiny], Careless(), settings={"limit": 20})
    assert statuses(result) == {Tiny.id: "failed"}
    assert reasons(result)[Tiny.id].startswith(
        "None of its 20 requests could be answered: RuntimeError: the model gave"
    )
    assert result.measurements[0].coverage.failed == 20
    assert result.measurements[0].value is None
    assert "responses to 1 requests" in (read_records(tmp_path / "result", Tiny.id)[0].note or "")


def test_model_that_is_careless_with_large_batches_only(tmp_path: Path) -> None:
    class Tired(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            return super().score(requests[:3])

    result = run(tmp_path, [Tiny], Tired())
    assert result.measurements[0].coverage.scored == 100


@pytest.mark.parametrize(
    "response",
    [Scored(float("nan"), 1, False), Scored(np.float32(1.0), 1, False), None, 0.5],
    ids=["NaN", "numpy number", "None", "a number"],
)
def test_response_that_cannot_be_stored_is_a_failure(response: Any, tmp_path: Path) -> None:
    class Odd(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            found = super().score(requests)
            return [response if r.prompt == "Text number 17." else f for r, f in zip(requests, found, strict=True)]

    result = run(tmp_path, [Tiny], Odd(), suite="full")
    assert statuses(result) == {Tiny.id: "done"}
    assert result.measurements[0].coverage.scored >= 199


class NoSystem(ScriptedModel):
    """As Gemma's chat template: a conversation that begins with a system message cannot be put into words."""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        for request in requests:
            prompt = getattr(request, "prompt", None)
            if isinstance(prompt, tuple) and prompt[0].role == "system":
                raise ValueError("System role not supported")
        return super().batches(requests)

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        self.batches(requests)  # needs the words as well
        return super().generate(requests)


def test_prompt_that_cannot_be_rendered_fails_alone(tmp_path: Path) -> None:
    asked: list[Request] = [
        Generate((Message("system", "You are kind."), Message("user", "Hello")), 4),
        Generate(user("Hello"), 4),
    ]
    seen: dict[Request, object] = {}

    def measure(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        seen.update(answers)
        return Outcome([], [], [])

    probe = tiny(
        "chat.probe",
        capabilities=frozenset({Capability.GENERATE}),
        requests=lambda *_: asked,
        measure=measure,
    )
    result = run(tmp_path, [probe, Tiny], NoSystem())
    assert statuses(result) == {"chat.probe": "done", "tiny.rate": "done"}
    assert [type(seen[r]).__name__ for r in asked] == ["Failure", "Generated"]


def test_model_that_loses_a_request_does_not_hang(tmp_path: Path) -> None:
    class Forgetful(ScriptedModel):
        calls = 0

        def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
            self.calls += 1
            if self.calls > 100:
                raise TookTooLong
            return super().batches([r for r in requests if getattr(r, "prompt", "") != "Text number 17."])

    result = run(tmp_path, [Tiny], Forgetful(), suite="full")
    assert statuses(result) == {Tiny.id: "done"}
    assert result.measurements[0].coverage.planned == 200
    assert result.measurements[0].coverage.scored >= 199


# Seconds.


class Clock:
    """Stands still but where something is said to take time, however busy the machine is."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_seconds_are_those_of_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_audit_a_minute: None
) -> None:
    clock = Clock()
    for module in (audit.engine, audit.rounds, audit.execution):
        monkeypatch.setattr(module, "time", clock)

    class Slow(ScriptedModel):
        def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
            clock.sleep(0.01 * len(requests))
            return super().generate(requests)

    def slowly(self: Probe, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        return [Generate(item["text"], 4) for item in items]

    def measure(self: Tiny, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        clock.sleep(0.2)
        return Tiny.measure(self, items, context, answers)

    probes = [tiny("a.asks", requests=slowly), tiny("b.thinks", measure=measure), tiny("c.idle"), tiny("d.gone")]
    probes[-1].capabilities = frozenset({Capability.EMBED})
    settings = {"limit": 32, "opened_seconds": 1.5}
    cold = run(tmp_path, probes, with_known_weights(Slow()), settings=settings)
    seconds = {p.id: p.seconds for p in cold.probes}
    assert seconds == {"a.asks": 0.32, "b.thinks": 0.2, "c.idle": 0.0, "d.gone": 0.0}
    assert cold.manifest.seconds == 0.52
    assert cold.manifest.timings == {"open_model": 1.5, "audit": cold.manifest.seconds}
    warm = run(tmp_path, probes, with_known_weights(Slow()), settings=settings)
    assert next(p.seconds for p in warm.probes if p.id == "a.asks") == 0.0


# The folder.


def test_default_folder_is_new_and_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = RunSettings(cache=tmp_path / "cache.sqlite", limit=2)
    names = []
    for _ in range(3):
        model = ScriptedModel(name="../org/a model: <b>\n")
        folder, _ = run_audit(config(), model, catalogue_of(Tiny), settings, Silent())
        assert (folder / "result.json").is_file()
        names.append(folder)
    assert len(set(names)) == 3
    assert {f.parent for f in names} == {Path("audits")}
    assert all(f.name.startswith("org-a-model---b-") for f in names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audits", "cache.sqlite"]


def test_model_without_a_usable_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = RunSettings(cache=tmp_path / "cache.sqlite", limit=2)
    folder, _ = run_audit(config(), ScriptedModel(name="..."), catalogue_of(Tiny), settings, Silent())
    assert folder.name.startswith("model-")


class _Killed(BaseException):
    """As a kill in the middle of a run, seen from within the process."""


class Dying(ScriptedModel):
    """Answers as many batches as it is told, then dies."""

    batches_left: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self._left = self.batches_left

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        if self._left == 0:
            raise _Killed
        self._left -= 1
        return super().score(requests)


def test_killed_run_leaves_no_result_of_an_earlier_one(tmp_path: Path) -> None:
    run(tmp_path, [Tiny], settings={"limit": 40})
    with pytest.raises(_Killed):
        run(tmp_path, [Tiny], Dying(), settings={"limit": 80})
    left = {p.relative_to(tmp_path / "result").as_posix() for p in (tmp_path / "result").rglob("*") if p.is_file()}
    assert "result.json" not in left
    assert not any(name.startswith("records/") for name in left)


def test_killed_run_leaves_no_card_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    run(tmp_path, [Tiny], settings={"limit": 40})
    for name in ("card.html", "report.html", "summary.md", "junit.xml", "audit.sarif", "modelcard.md"):
        (folder / name).write_text("of the earlier audit")
    with pytest.raises(_Killed):
        run(tmp_path, [Tiny], Dying(), settings={"limit": 80})
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["run.json"]


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    mine = tmp_path / "result" / "records" / "taxes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    run(tmp_path, [Tiny], settings={"limit": 2})
    assert mine.read_text() == "mine"


def test_progress_tells_every_request(tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []
            self.totals: list[tuple[str, int]] = []
            self.done = 0

        def say(self, message: str) -> None:
            self.lines.append(message)

        def begin(self, label: str, total: int) -> None:
            self.totals.append((label, total))

        def advance(self, done: int) -> None:
            self.done += done

    told = Told()
    result = run(tmp_path, QUICK, progress=told, settings={"limit": 2})
    assert told.done == sum(total for _, total in told.totals) == result.manifest.requests["unique"]
    assert {label for label, _ in told.totals} == {
        "scoring",
        "writing",
        "classifying",
        "embedding",
        "reading the table",
        "timing",
        "scoring tokens",
        "attention",
        "attribution",
        "testing explanations",
        "reading states",
        "reading layers",
        "exchanging states",
        "reading the model's files",
    }
    assert told.lines == [f"Auditing scripted with {len(QUICK)} probes into {tmp_path / 'result'}"]


def test_timeless_removes_times_only(first: tuple[Path, AuditResult, CountingModel]) -> None:
    content = first[1].model_dump(mode="json")
    stripped = timeless(content)
    assert set(content["manifest"]) - set(stripped["manifest"]) == {"created", "seconds", "timings"}
    assert set(content["probes"][0]) - set(stripped["probes"][0]) == {"seconds"}
