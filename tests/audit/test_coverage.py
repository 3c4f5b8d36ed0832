"""Coverage: what became of all that was planned, in every verdict, and what a gate can ask of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.config import GateConfig
from audit.coverage import of_probe, total
from audit.gates import judge, verdict
from audit.models import Capability, Failure, Score, Scored
from audit.models.scripted import ScriptedModel
from audit.results import AuditResult, Coverage, GateResult, Measurement, ProbeRun, Verdict
from tests.audit.support import Tiny, audit, measurement, probe_run, tiny

NAME = "tiny.rate.rate"
STATUSES = st.sampled_from(["scored", "unparsed", "refused", "truncated", "not_a_number", "failed"])


def boom(*_: object) -> NoReturn:
    raise RuntimeError("on purpose")


class Lost(ScriptedModel):
    """Answers only ``answered`` of its requests; the others come to nothing in one way."""

    def __init__(self, answered: int, status: Any) -> None:
        super().__init__()
        self.answered, self.status = answered, status

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        told = super().score(requests)
        return [
            t if int(r.prompt.split()[-1].rstrip(".")) % 10 < self.answered else Failure(self.status, "Lost.")
            for r, t in zip(requests, told, strict=True)
        ]


def parts(coverage: Coverage | None) -> dict[str, int]:
    """The counts that are not 0."""
    assert coverage is not None
    return {name: count for name, count in coverage.model_dump().items() if count}


# One probe.


@given(st.lists(STATUSES), st.integers(0, 9))
def test_every_record_counts_once(statuses: Any, items: int) -> None:
    found = of_probe(statuses, items, False)
    assert found.planned == len(statuses)
    assert all(getattr(found, status) == statuses.count(status) for status in set(statuses))


@given(st.lists(STATUSES), st.integers(0, 9))
def test_nothing_of_a_probe_that_failed_counts_as_scored(statuses: Any, items: int) -> None:
    found = of_probe(statuses, items, True)
    assert found.scored == 0
    assert found.failed >= (1 if not statuses else statuses.count("failed") + statuses.count("scored"))
    assert found.planned == (len(statuses) or max(items, 1))
    assert found.not_a_number == statuses.count("not_a_number"), "what is known of what was lost stays"


def test_sum_over_probes() -> None:
    one = Coverage(planned=5, scored=3, refused=2)
    runs = [probe_run("a.b", coverage=one), probe_run("c.d"), probe_run("e.f", coverage=one)]
    assert total(runs) == Coverage(planned=10, scored=6, refused=4)
    assert total([]) == Coverage(planned=0, scored=0)


@pytest.mark.parametrize(
    ("coverage", "text"),
    [
        (Coverage(planned=0, scored=0), "Nothing was planned, so nothing was scored."),
        (Coverage(planned=2000, scored=2000), "2,000 of 2,000 planned were scored (100%)."),
        (Coverage(planned=20000, scored=19999, failed=1), "19,999 of 20,000 planned were scored (99.9%); 1 failed."),
        (Coverage(planned=9, scored=0, not_a_number=9), "0 of 9 planned were scored (0%); 9 not a number."),
        (
            Coverage(planned=14, scored=1, unparsed=2, refused=3, truncated=4, failed=4),
            "1 of 14 planned were scored (7.1%); 2 unreadable, 3 refused, 4 truncated, 4 failed.",
        ),
    ],
)
def test_coverage_in_words(coverage: Coverage, text: str) -> None:
    assert coverage.text == text


# A gate on it.


def gate(
    found: Measurement | None, least: float = 0.95, runs: Sequence[ProbeRun] | None = None, **rules: float
) -> list[GateResult]:
    runs = [probe_run()] if runs is None else runs
    config = GateConfig(coverage_at_least=least, **rules)
    return judge({NAME: config}, [found] if found else [], runs, None, 0.95)


@pytest.mark.parametrize(
    ("scored", "planned", "least", "expected"),
    [
        (95, 100, 0.95, "met"),
        (94, 100, 0.95, "not_met"),
        (100, 100, 1.0, "met"),
        (99, 100, 1.0, "not_met"),
        (0, 100, 0.01, "not_met"),
        (0, 0, 0.01, "not_met"),
    ],
)
def test_coverage_is_met_or_not(scored: int, planned: int, least: float, expected: str) -> None:
    coverage = Coverage(planned=planned, scored=scored, refused=planned - scored)
    value = {} if scored else {"value": None, "low": None, "high": None, "n": 0, "reason": "All refused."}
    (found,) = gate(measurement(coverage=coverage, **value), least)
    assert (found.verdict, found.rule, found.threshold) == (expected, "coverage_at_least", least)
    assert found.value == (scored / planned if planned else None)
    assert (found.low, found.high, found.p_adjusted, found.more_items) == (None, None, None, None)
    assert found.coverage == coverage
    assert found.reason == coverage.text


@pytest.mark.parametrize("status", ["failed", "not_applicable"])
def test_probe_that_did_not_run_is_never_covered(status: str) -> None:
    (found,) = gate(None, 0.01, [probe_run(status=status, reason="So it was.")])
    assert found.verdict == "not_met"
    assert (found.value, found.coverage) == (None, None)
    assert found.reason.endswith("So it was.")


def test_failed_probe_is_not_met_whatever_its_measurement_says() -> None:
    (found,) = gate(measurement(), 0.01, [probe_run(status="failed", reason="It broke.")])
    assert (found.verdict, found.reason) == ("not_met", "The probe tiny.rate failed: It broke.")


def test_probe_and_slice_that_are_not_there() -> None:
    assert gate(None, runs=[probe_run("other.probe")])[0].reason == "The probe was not part of this audit."
    assert "did not measure this slice" in gate(None)[0].reason
    assert {gate(None)[0].verdict, gate(None, runs=[])[0].verdict} == {"not_met"}


def test_coverage_beside_the_other_rules_takes_no_part_in_their_correction() -> None:
    below, covered = gate(measurement(), at_most=0.601)
    (alone,) = judge({NAME: GateConfig(at_most=0.601)}, [measurement()], [probe_run()], None, 0.95)
    assert below == alone
    assert (below.verdict, covered.verdict) == ("met", "met")


def test_every_gate_tells_the_coverage_of_its_measurement() -> None:
    coverage = Coverage(planned=110, scored=100, truncated=10)
    rules = GateConfig(at_most=0.9, at_least=0.1, no_worse_than_baseline=0.1)
    found = judge({NAME: rules}, [measurement(coverage=coverage)], [probe_run()], None, 0.95)
    assert [g.coverage for g in found] == [coverage] * 3
    assert judge({NAME: GateConfig(at_most=0.9)}, [], [probe_run()], None, 0.95)[0].coverage is None


def test_verdict_of_a_coverage_gate() -> None:
    covered = [probe_run(coverage=Coverage(planned=100, scored=50, refused=50))]
    half = measurement(coverage=Coverage(planned=100, scored=50, refused=50))
    found = verdict(gate(half, at_most=0.9), covered, "warn")
    assert (found.status, found.exit_status) == ("not_met", 1)
    assert parts(found.coverage) == {"planned": 100, "scored": 50, "refused": 50}
    assert verdict(gate(half, 0.5, at_most=0.9), covered, "warn").exit_status == 0


# Whole audits.


@pytest.mark.parametrize(
    ("status", "answered", "exit_status", "counted"),
    [
        ("refused", 10, 0, {"planned": 100, "scored": 100}),
        ("refused", 9, 1, {"planned": 100, "scored": 90, "refused": 10}),
        ("truncated", 9, 1, {"planned": 100, "scored": 90, "truncated": 10}),
        ("refused", 0, 1, {"planned": 100, "refused": 100}),
        ("not_a_number", 0, 1, {"planned": 100, "not_a_number": 100}),
        ("failed", 0, 1, {"planned": 100, "failed": 100}),
    ],
)
def test_what_was_lost_is_in_the_verdict(
    status: str, answered: int, exit_status: int, counted: dict[str, int], tmp_path: Path
) -> None:
    result = audit(tmp_path, [Tiny], Lost(answered, status), gates={NAME: {"coverage_at_least": 0.95}})
    # The draw is stratified by nothing, so that the share of each last digit is near a tenth and not exactly one.
    lost = parts(result.verdict.coverage)
    assert lost.keys() == counted.keys()
    assert lost["planned"] == 100
    assert abs(lost.get("scored", 0) - counted.get("scored", 0)) <= 6
    assert result.verdict.exit_status == exit_status
    assert result.gates[0].coverage == result.measurements[0].coverage
    stored = json.loads((tmp_path / "result" / "result.json").read_text())
    assert Coverage.model_validate(stored["verdict"]["coverage"]) == result.verdict.coverage


@pytest.mark.parametrize("gated", [True, False])
def test_a_crash_is_a_hole_in_the_coverage(gated: bool, tmp_path: Path) -> None:
    gates = {"bad.probe.rate": {"coverage_at_least": 0.01}} if gated else {}
    result = audit(tmp_path, [Tiny, tiny("bad.probe", measure=boom)], gates=gates)
    assert parts(result.verdict.coverage) == {"planned": 200, "scored": 100, "failed": 100}
    assert result.verdict.exit_status == (1 if gated else 3)
    assert "bad.probe failed" in result.verdict.text


def test_a_probe_that_fails_before_it_draws_counts_as_well(tmp_path: Path) -> None:
    result = audit(tmp_path, [Tiny, tiny("bad.probe", items=boom)])
    assert parts(result.verdict.coverage) == {"planned": 101, "scored": 100, "failed": 1}


def test_what_is_not_applicable_was_not_planned(tmp_path: Path) -> None:
    model = ScriptedModel(capabilities=frozenset({Capability.GENERATE}))
    result = audit(tmp_path, [Tiny], model, gates={NAME: {"coverage_at_least": 0.5}})
    assert parts(result.verdict.coverage) == {}
    assert result.gates[0].verdict == "not_met"
    assert result.verdict.exit_status == 3


def test_nothing_planned_is_no_pass(tmp_path: Path) -> None:
    result = audit(tmp_path, [tiny("tiny.rate", items=lambda *_: [])], gates={NAME: {"coverage_at_least": 0.5}})
    assert parts(result.verdict.coverage) == {}
    assert result.verdict.exit_status != 0


def test_results_from_before_tell_none_and_can_be_read() -> None:
    old = Verdict(status="met", exit_status=0, text="The gate is met.")
    assert old.coverage is None
    assert "coverage" in AuditResult.model_json_schema()["$defs"]["Verdict"]["properties"]
