"""An audit that is fitted to a time: what it draws, what it says of that, and that nothing is paid twice."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

import audit.engine
import audit.execution
import audit.rounds
import audit.runfolder
import audit.timeboxing
from audit.corpora import Item
from audit.durations import seconds_of
from audit.models import Failure, Generate, Generated, Request, Responses, Score, Scored
from audit.planning import plan
from audit.results import AuditResult, Budget, Fitted, spoken
from probes.base import Context, Outcome, ProbeOptions, Suite
from probes.registry import find_probes
from tests.audit.support import CountingModel, Tiny, config, statuses, stored, tiny, with_known_weights
from tests.audit.support import audit as run
from tests.probes.stand_ins import DATA

SCORING, WRITING = 0.1, 1.0  # seconds a request


class Clock:
    """Stands still but where something is said to take time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    for module in (audit.engine, audit.rounds, audit.execution, audit.timeboxing):
        monkeypatch.setattr(module, "time", one)
    minutes = (f"2026-01-01T00:{minute:02}:00Z" for minute in range(60))
    monkeypatch.setattr(audit.runfolder, "now", lambda: next(minutes))
    return one


class Slow(CountingModel):
    """Takes a stated time for every request."""

    def __init__(self, clock: Clock, scoring: float = SCORING, writing: float = WRITING, **options: Any) -> None:
        super().__init__(**options)
        self.clock, self.scoring, self.writing = clock, scoring, writing

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self.clock.now += self.scoring * len(requests)
        return super().score(requests)

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        self.clock.now += self.writing * len(requests)
        return super().generate(requests)


def written(self: Tiny, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
    return [Generate(item["text"], 4) for item in items]


def items_of(name: str, count: int, kinds: Mapping[str, int] | None = None) -> Any:
    """Items of a probe's own; of kinds with so many items each where they are given."""
    of = [kind for kind, many in (kinds or {}).items() for _ in range(many)] or ["any"] * count
    return lambda self, data: [{"id": f"{i:04}", "text": f"{name} {i}.", "kind": k} for i, k in enumerate(of)]


WHOLE: Mapping[Suite, int | None] = {"quick": None, "standard": None, "full": None}
SCORES = tiny("a.scores", items=items_of("Scored", 200), sizes=WHOLE)
WRITES = tiny("b.writes", items=items_of("Written", 100), sizes=WHOLE, requests=written)


def drawn(result: AuditResult) -> dict[str, int]:
    return {probe.id: probe.items for probe in result.probes}


def budget_of(result: AuditResult) -> Budget:
    assert result.manifest.budget is not None
    return result.manifest.budget


def fitted(result: AuditResult) -> dict[str, Fitted]:
    return {one.probe: one for one in budget_of(result).probes}


# How a time is written.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("600", 600),
        (600, 600),
        (" 1H ", 3600),
        ("1h1m1s", 3661),
        ("2m30s", 150),
    ],
)
def test_times_are_read(text: str | int, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "m", "0s", "0", "-5", "10 m", "1h30", "10min", "1.5h", "ten", "1m1h", "９m", "9" * 30, "\x1b[31m", 0, -1],
)
def test_other_times_are_refused_in_one_sentence(text: str | int) -> None:
    with pytest.raises(ValueError, match="a time is written as 90s, 10m or 1h30m") as caught:
        seconds_of(text)
    assert not {"\n", "\x1b"} & set(str(caught.value))
    assert len(str(caught.value)) < 160


def test_the_config_takes_a_time_and_nothing_else() -> None:
    assert config(run={"budget": "10m"}).run.budget == "10m"
    assert config(run={"budget": 600}).run.budget == 600
    for wrong in ("soon", 0, 1.5, True, [10]):
        with pytest.raises(ValueError, match="budget"):
            config(run={"budget": wrong})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (600, "10 min"),
        (5430, "1 h 30 min"),
    ],
)
def test_times_are_said(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


# What is drawn.


def test_a_time_that_is_enough_leaves_nothing_out(tmp_path: Path, clock: Clock) -> None:
    probes = [SCORES, WRITES]
    whole = run(tmp_path / "whole", probes, Slow(clock))
    model = Slow(clock)
    result = run(tmp_path / "fitted", probes, model, run={"budget": "10m"})
    assert drawn(result) == drawn(whole) == {"a.scores": 200, "b.writes": 100}
    assert {one.wider for one in fitted(result).values()} == {1.0}
    assert budget_of(result).cut == []
    assert set(model.asked.values()) == {1}, "an answer was paid for twice"
    assert result.measurements == whole.measurements
    assert result.manifest.items == whole.manifest.items
    assert budget_of(result).spent == 120.0  # 200 scores and 100 texts
    assert budget_of(result).exceeded_by == 0


def test_a_shorter_time_is_kept_and_used(tmp_path: Path, clock: Clock) -> None:
    model = Slow(clock)
    result = run(tmp_path, [SCORES, WRITES], model, run={"budget": "60s"})
    found = budget_of(result)
    assert 0.7 * 60 < found.spent <= 60
    assert abs(found.planned - found.spent) < 3
    assert set(model.asked.values()) == {1}
    assert all(probe.status == "done" for probe in result.probes)


def test_all_probes_draw_the_same_share(tmp_path: Path, clock: Clock) -> None:
    result = run(tmp_path, [SCORES, WRITES], Slow(clock), run={"budget": "60s"})
    shares = [one.drawn / one.would_draw for one in budget_of(result).probes]
    assert 0.3 < min(shares) <= max(shares) < 0.6
    assert max(shares) - min(shares) <= 0.01, "one probe's intervals widen more than another's"
    for one in budget_of(result).probes:
        assert one.wider == pytest.approx(math.sqrt(one.would_draw / one.drawn), abs=1e-3)


def test_what_is_drawn_is_what_a_limit_draws(tmp_path: Path, clock: Clock) -> None:
    cut = run(tmp_path / "fitted", [SCORES, WRITES], Slow(clock), run={"budget": "60s"})
    limits = {name: {"limit": one.drawn} for name, one in fitted(cut).items()}
    again = run(tmp_path / "limits", [SCORES, WRITES], Slow(clock), probes=limits)
    assert again.manifest.items == cut.manifest.items
    assert again.measurements == cut.measurements


def test_the_probes_of_the_catalogue_draw_more_of_the_same() -> None:
    """What a short audit drew is part of what a longer one draws, or a pilot would be paid for in vain."""
    found = find_probes()
    planned = plan(
        config(suite="full"), found, frozenset().union(*(p.capabilities for p in found.values())), DATA, None
    )
    for one in planned:
        if not one.most or one.probe.id == "hallucination.halueval":  # two kinds in halves: odd sizes shift by one
            continue
        ids = [{item["id"] for item in one.redrawn(limit).items} for limit in (1, 2, 5, 12, 40)]
        assert all(small <= large for small, large in pairwise(ids)), one.probe.id


KINDS = {"rare": 1, "odd": 1, "strange": 1, "unusual": 1, "common": 36}


def test_kinds_of_items_are_kept_before_shares_grow(tmp_path: Path, clock: Clock) -> None:
    sorted_ = tiny("c.kinds", items=items_of("Kinds", 0, KINDS), sizes=WHOLE, stratum="kind", requests=written)
    result = run(tmp_path, [sorted_, WRITES], Slow(clock), run={"budget": "60s"})
    one, other = fitted(result)["c.kinds"], fitted(result)["b.writes"]
    assert (one.kinds, one.kinds_there) == (5, 5)
    assert one.drawn / one.would_draw > 2 * other.drawn / other.would_draw
    assert budget_of(result).spent <= 60


def test_where_kinds_do_not_fit_it_is_said_and_one_item_is_drawn_at_least(tmp_path: Path, clock: Clock) -> None:
    many = {f"kind {i}": 1 for i in range(50)}
    probes = [
        tiny(f"c.kinds{i}", items=items_of(f"Kinds {i}", 0, many), sizes=WHOLE, stratum="kind", requests=written)
        for i in range(3)
    ]
    heard = Heard()
    result = run(tmp_path, probes, Slow(clock), run={"budget": "30s"}, progress=heard)
    assert all(1 <= one.kinds == one.drawn < one.kinds_there == 50 for one in budget_of(result).probes)
    assert budget_of(result).spent <= 30
    assert [line for line in heard.lines if "leaves out whole kinds of items" in line]


class Heard:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def begin(self, label: str, total: int) -> None:
        pass

    def advance(self, done: int) -> None:
        pass


def test_a_time_that_is_too_short_is_said_and_the_run_is_whole(tmp_path: Path, clock: Clock) -> None:
    heard = Heard()
    slow = Slow(clock, scoring=5, writing=5)
    result = run(tmp_path, [SCORES, WRITES], slow, run={"budget": "3s"}, progress=heard)
    assert drawn(result) == {"a.scores": 1, "b.writes": 1}
    assert statuses(result) == {"a.scores": "done", "b.writes": "done"}
    assert (budget_of(result).spent, budget_of(result).exceeded_by) == (10, 7)
    assert [line for line in heard.lines if "took 10 s. The budget of 3 s is not enough for more" in line]


def test_a_model_that_takes_too_long_to_open_is_told_of_at_once(tmp_path: Path, clock: Clock) -> None:
    heard = Heard()
    result = run(tmp_path, [SCORES], Slow(clock), run={"budget": 30}, progress=heard, settings={"opened_seconds": 40.0})
    assert "Opening the model alone took 40 s, and the budget is 30 s." in heard.lines
    assert drawn(result) == {"a.scores": 1}
    assert budget_of(result).exceeded_by == pytest.approx(10.1)


def test_opening_the_model_is_part_of_the_time(tmp_path: Path, clock: Clock) -> None:
    near = run(tmp_path / "near", [WRITES], Slow(clock), run={"budget": "60s"})
    far = run(tmp_path / "far", [WRITES], Slow(clock), run={"budget": "60s"}, settings={"opened_seconds": 30.0})
    assert drawn(far)["b.writes"] < 0.6 * drawn(near)["b.writes"]
    assert 40 < budget_of(far).spent <= 60


def test_probes_of_one_item_and_of_none(tmp_path: Path, clock: Clock) -> None:
    one = tiny("d.one", items=items_of("One", 1), sizes=WHOLE, requests=written)
    none = tiny("e.none", items=items_of("None", 0, {}), sizes=WHOLE)
    none.items = lambda self, data: []  # type: ignore[method-assign]
    result = run(tmp_path, [one, none, WRITES], Slow(clock), run={"budget": "20s"})
    assert drawn(result) == {"d.one": 1, "e.none": 0, "b.writes": drawn(result)["b.writes"]}
    assert 1 < drawn(result)["b.writes"] < 100
    assert set(fitted(result)) == {"d.one", "b.writes"}
    assert fitted(result)["d.one"].wider == 1


@pytest.mark.parametrize(("limit", "expected"), [(3, 3), (90, None)])
def test_of_a_limit_and_a_time_the_smaller_wins(tmp_path: Path, clock: Clock, limit: int, expected: int | None) -> None:
    result = run(tmp_path, [WRITES], Slow(clock), run={"budget": "30s"}, settings={"limit": limit})
    one = fitted(result)["b.writes"]
    assert one.would_draw == limit
    assert one.drawn == expected if expected else 10 < one.drawn < 30


# Several rounds, and probes that follow others.


class Twice(Tiny):
    """Asks for a text, and then for a score of what was written."""

    id = "f.twice"
    sizes = WHOLE

    def items(self, data: Path | None) -> list[Item]:
        return [{"id": f"{i:03}", "text": f"Twice {i}."} for i in range(100)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        asked = [Generate(item["text"], 4) for item in items]
        return [*asked, *(Score(r.prompt, " again") for r in asked if r in answers)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        assert all(request in answers for request in self.requests(items, context, answers))
        return Outcome([], [], [])


def test_rounds_that_follow_are_part_of_the_cost(tmp_path: Path, clock: Clock) -> None:
    slow = Slow(clock, scoring=3.0, writing=1.0)
    result = run(tmp_path, [Twice], slow, run={"budget": "100s"})
    assert 70 < budget_of(result).spent <= 100
    assert 17 <= drawn(result)["f.twice"] <= 25  # four seconds each


class FlaggingOptions(ProbeOptions):
    """As those of the explainability probes."""

    flagged: int = 40


class After(Twice):
    """Asks of its own items, and of more that the first probe flags."""

    id = "g.after"
    options = FlaggingOptions
    follows: ClassVar[tuple[str, ...]] = ("b.*",)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        more = [f"Flagged {i}." for i in range(40)] if context.earlier else []
        return [Generate(text, 5) for text in [*(f"After {item['text']}" for item in items), *more]]


def test_time_is_left_for_probes_that_follow_others(tmp_path: Path, clock: Clock) -> None:
    slow = Slow(clock)
    result = run(tmp_path, [WRITES, After], slow, run={"budget": "100s"})
    shares = [one.drawn / one.would_draw for one in budget_of(result).probes]
    assert min(shares) > 0.15, shares
    assert 0.7 * 100 < budget_of(result).spent <= 100
    assert sum("Flagged" in str(request) for request in slow.asked) == 40
    assert set(slow.asked.values()) == {1}


def test_what_others_will_flag_is_foreseen(tmp_path: Path, clock: Clock) -> None:
    """Forty more questions leave little of sixty seconds, and none of the first probe's may take it."""
    result = run(tmp_path, [WRITES, After], Slow(clock), run={"budget": "60s"})
    assert budget_of(result).spent <= 60


# What goes wrong.


def test_a_model_that_fails_costs_its_time_and_no_crash(tmp_path: Path, clock: Clock) -> None:
    class Broken(Slow):
        def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
            self.clock.now += len(requests)
            raise RuntimeError("no")

    result = run(tmp_path, [WRITES, SCORES], Broken(clock), run={"budget": "60s"})
    assert statuses(result) == {"a.scores": "done", "b.writes": "failed"}
    assert drawn(result)["a.scores"] > 1


def test_not_a_number_is_no_reason_to_stop(tmp_path: Path, clock: Clock) -> None:
    result = run(tmp_path, [SCORES], Slow(clock, score=lambda prompt, ending: math.nan), run={"budget": "10s"})
    assert 50 < drawn(result)["a.scores"] < 110
    assert statuses(result) == {"a.scores": "failed"}


def test_a_probe_that_cannot_state_its_requests_fails_alone(tmp_path: Path, clock: Clock) -> None:
    def stumbles(self: Tiny, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        raise RuntimeError("stumbled")

    def forgets(self: Tiny, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        if answers:
            raise RuntimeError("forgot")
        return written(self, items, context, answers)

    probes = [tiny("h.stumbles", requests=stumbles), tiny("i.forgets", requests=forgets), WRITES]
    result = run(tmp_path, probes, Slow(clock), run={"budget": "60s"})
    assert statuses(result) == {"h.stumbles": "failed", "i.forgets": "failed", "b.writes": "done"}
    assert drawn(result)["b.writes"] > 10


# The cache, a resumed run, and another one.


def test_what_is_kept_from_before_is_drawn_for_nothing(tmp_path: Path, clock: Clock) -> None:
    cache = tmp_path / "cache.sqlite"
    first = run(tmp_path / "1", [WRITES], with_known_weights(Slow(clock)), cache=cache, run={"budget": "40s"})
    model = with_known_weights(Slow(clock))
    second = run(tmp_path / "2", [WRITES], model, cache=cache, run={"budget": "40s"})
    assert drawn(first)["b.writes"] + 20 < drawn(second)["b.writes"] <= 100
    assert budget_of(second).spent <= 40
    assert model.asked.total() == drawn(second)["b.writes"] - drawn(first)["b.writes"]
    third = with_known_weights(Slow(clock))
    whole = run(tmp_path / "3", [WRITES], third, cache=cache, run={"budget": "40s"})
    assert drawn(whole)["b.writes"] == 100
    fourth = with_known_weights(Slow(clock))
    run(tmp_path / "4", [WRITES], fourth, cache=cache, run={"budget": "1s"})
    assert fourth.asked.total() == 0, "nothing is new, and something was asked"


def test_a_stopped_run_is_found_again(tmp_path: Path, clock: Clock) -> None:
    class Stops(Slow):
        left = 25

        def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
            if self.asked.total() + len(requests) > self.left:
                raise KeyboardInterrupt
            return super().generate(requests)

    options: dict[str, Any] = {"run": {"budget": "60s"}, "settings": {"resume": True}}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [WRITES], Stops(clock), **options)
    state = json.loads((tmp_path / "result" / "run.json").read_text())
    model = Slow(clock)
    result = run(tmp_path, [WRITES], model, **options)
    after = json.loads((tmp_path / "result" / "run.json").read_text())
    assert (after["audit_id"], after["created"], after["complete"]) == (state["audit_id"], state["created"], True)
    assert model.asked.total() < drawn(result)["b.writes"], "what was answered was asked again"


def test_the_audit_is_that_of_its_items_whatever_the_time(tmp_path: Path, clock: Clock) -> None:
    """Two times that let an audit draw the same make one audit; one that cuts it makes another."""
    ids = {
        budget: run(tmp_path / str(budget), [WRITES], Slow(clock), run={"budget": budget} if budget else {}).manifest
        for budget in (None, "10m", "1h", "30s")
    }
    assert ids[None].audit_id == ids["10m"].audit_id == ids["1h"].audit_id != ids["30s"].audit_id
    assert ids[None].budget is None


def test_twice_from_nothing_is_the_same_but_for_times(tmp_path: Path, clock: Clock) -> None:
    for name in ("1", "2"):
        clock.now = 0.0
        run(tmp_path / name, [SCORES, WRITES], Slow(clock), run={"budget": "60s"})
    assert stored(tmp_path / "1" / "result") == stored(tmp_path / "2" / "result")
