"""The energy of an audit as the engine reads it, and the machine in what is timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import engine as engine_module
from audit.engine import RunSettings, run_audit
from audit.models import Spent, Time
from audit.progress import Silent
from audit.results import AuditResult
from probes.footprint.cost import Cost
from probes.footprint.energy import Energy
from tests.audit.support import CountingModel, Tiny, catalogue_of, config, statuses, with_known_weights


class Meter:
    """A watt-hour an audit; notes when it was started and read."""

    events: list[str]

    def __init__(self) -> None:
        self.events.append("start")

    def stop(self) -> Spent:
        self.events.append("read")
        return Spent(60.0, (("processor", 3600.0),), (("processor", "measured (RAPL)"),))


@pytest.fixture(autouse=True)
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(Meter, "events", found, raising=False)
    return found


def run(folder: Path, model: CountingModel, *probes: Any) -> AuditResult:
    settings = RunSettings(cache=folder / "cache.sqlite", output=folder / "out", limit=4)
    return run_audit(config(), model, catalogue_of(*probes), settings, Silent(), meter=Meter)[1]


def told(result: AuditResult) -> str:
    return next(f.text for f in result.findings if f.id == "footprint.energy.audit")


def test_the_audit_is_metered_to_its_last_answer_and_what_was_kept_is_told(tmp_path: Path, events: list[str]) -> None:
    model = with_known_weights(CountingModel())
    result = run(tmp_path, model, Energy, Tiny, Cost)
    assert set(statuses(result).values()) == {"done"}
    energy = result.measurement("footprint.energy.audit_energy")
    assert energy is not None
    assert energy.value == pytest.approx(1.0)
    assert events == ["start", "read"]
    assert "All of its 12 answers were computed" in told(result)  # four of each
    again = run(tmp_path, with_known_weights(CountingModel()), Energy, Tiny, Cost)
    assert "Of its 12 answers 0 were computed for it (0%)" in told(again)


def test_nothing_is_metered_where_nobody_asks(tmp_path: Path, events: list[str]) -> None:
    run(tmp_path, CountingModel(), Tiny, Cost)
    assert events == []


def test_a_meter_is_read_although_a_probe_fails(tmp_path: Path, events: list[str]) -> None:
    class Broken(Energy):
        def requests(self, *_: Any) -> Any:
            raise RuntimeError("broken")

    result = run(tmp_path, CountingModel(), Broken, Tiny)
    assert statuses(result)["footprint.energy"] == "failed"
    assert events == ["start", "read"]


def test_times_of_another_machine_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "hardware", lambda: "one")
    first = with_known_weights(CountingModel())
    run(tmp_path, first, Cost)
    assert {request.machine for request in first.asked if isinstance(request, Time)} == {"one"}
    warm = with_known_weights(CountingModel())
    run(tmp_path, warm, Cost)
    assert not warm.asked
    monkeypatch.setattr(engine_module, "hardware", lambda: "two")
    other = with_known_weights(CountingModel())
    result = run(tmp_path, other, Cost)
    assert set(other.asked) == {replace(request, machine="two") for request in first.asked if isinstance(request, Time)}
    assert any("(two)" in f.text for f in result.findings)


def test_runs_that_are_compared_are_of_one_occasion(tmp_path: Path) -> None:
    """Where a part of them is not kept, all are timed anew."""
    model = with_known_weights(CountingModel())
    run(tmp_path, model, Cost)
    more = with_known_weights(CountingModel())
    settings = RunSettings(cache=tmp_path / "cache.sqlite", output=tmp_path / "more", limit=6)
    run_audit(config(), more, catalogue_of(Cost), settings, Silent(), meter=Meter)
    assert sum(more.asked.values()) == 6
