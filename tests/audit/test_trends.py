"""Results over time: what is gathered, in which order, and what is said of the last change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.results import AuditResult, GateResult, Series, write_result
from audit.trends import Found, gather, trends
from tests.audit.support import measurement, probe_run, result_of

METRIC = "tiny.rate.rate"


def audit_of(created: str, name: str = "scripted", value: float = 0.5, **changes: Any) -> AuditResult:
    """An audit of one metric with one gate."""
    m = measurement(value=value, low=value - 0.1, high=value + 0.1)
    result = result_of(m, name=name, **{"gates": [gate()], **changes})
    told = {"created": created, "audit_id": created, "items": {"tiny.rate": "x"}}
    return result.model_copy(update={"manifest": result.manifest.model_copy(update=told)})


def gate(metric: str = METRIC, verdict: str = "met") -> GateResult:
    return GateResult.model_validate(
        {"metric": metric, "rule": "at_most", "threshold": 0.7, "verdict": verdict, "confidence": 0.95, "reason": "So."}
    )


def found(*results: AuditResult) -> list[Found]:
    return [Found(Path("nowhere"), str(place), result) for place, result in enumerate(results)]


def series(*results: AuditResult) -> Series:
    ((trend),) = trends(found(*results))
    (one,) = trend.series
    return one


def test_folders_are_read_at_any_depth_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_result(tmp_path / "a", audit_of("2026-01-01T00:00:00Z"), {})
    write_result(tmp_path / "deep" / "er" / "b", audit_of("2026-01-02T00:00:00Z"), {})
    write_result(tmp_path / "copy", audit_of("2026-01-01T00:00:00Z"), {})
    for name, content in (("broken", "{"), ("old", '{"schema_version": "0.1"}'), ("list", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(content, encoding="utf-8")
    (tmp_path / "odd" / "result.json").mkdir(parents=True)
    kept, left = gather(tmp_path)
    assert [f.name for f in kept] == ["a", "deep/er/b"]
    assert kept[1].folder == tmp_path / "deep" / "er" / "b"
    assert {one.folder: one.reason.split(str(tmp_path))[0] for one in left} == {
        "broken": "", "copy": "It is a copy of a.", "list": "", "odd": "", "old": "",
    }  # fmt: skip
    assert all("\n" not in one.reason for one in left)


def test_nothing_to_gather(tmp_path: Path) -> None:
    assert gather(tmp_path) == ([], [])
    assert trends([]) == []


def test_audits_stand_in_the_order_of_time_and_models_apart() -> None:
    told = trends(
        found(audit_of("2026-03-01T00:00:00Z"), audit_of("2026-01-01T00:00:00Z"), audit_of("2026-02-01T00:00:00Z", "b"))
    )
    assert [(t.model, [a.created[5:7] for a in t.audits]) for t in told] == [("b", ["02"]), ("scripted", ["01", "03"])]
    assert [a.folder for a in told[1].audits] == ["1", "0"]


def test_the_gates_of_the_newest_say_what_is_drawn() -> None:
    one, two = audit_of("2026-01-01T00:00:00Z", gates=[]), audit_of("2026-01-02T00:00:00Z")
    assert [s.metric for s in trends(found(one, two))[0].series] == [METRIC]
    assert trends(found(two, audit_of("2026-01-03T00:00:00Z", gates=[])))[0].series == ()
    (asked,) = trends(found(one), [METRIC, "p.none"])[0].series
    assert (asked.metric, asked.points[0].gates) == (METRIC, ())
    old, new = series(one, two).points
    assert (old.gates, [g.verdict for g in new.gates]) == ((), ["met"])


def test_one_audit_has_no_change() -> None:
    one = series(audit_of("2026-01-01T00:00:00Z"))
    assert (one.change, len(one.points), one.points[0].questions) == (None, 1, None)


def test_a_gap_is_a_gap_with_a_reason() -> None:
    broken = audit_of("2026-01-02T00:00:00Z", measurements=[], probes=[probe_run("tiny.rate", "failed", "It broke.")])
    told = series(audit_of("2026-01-01T00:00:00Z"), broken, audit_of("2026-01-03T00:00:00Z"))
    assert [p.measurement is None for p in told.points] == [False, True, False]
    assert [p.reason for p in told.points] == [None, "The probe failed: It broke.", None]
    assert told.change is not None
    assert told.change.word == "cannot_be_compared"
    assert told.change.reason is not None
    assert "It broke." in told.change.reason
    assert told.change.value is None


def test_a_gate_on_what_nobody_measured_is_all_gap() -> None:
    told = series(audit_of("2026-01-01T00:00:00Z", measurements=[], gates=[gate("tiny.rate.other")]))
    assert (told.metric, told.label) == ("tiny.rate.other", "tiny.rate.other")
    assert told.points[0].reason == "The audit has no number of this name."


@pytest.mark.parametrize(("now", "word"), [(0.5, "no_difference_shown"), (0.9, "worse"), (0.1, "better")])
def test_the_last_is_set_against_the_one_before(now: float, word: str) -> None:
    told = series(audit_of("2026-01-01T00:00:00Z", value=0.2), audit_of("2026-01-02T00:00:00Z"),
                  audit_of("2026-01-03T00:00:00Z", value=now))  # fmt: skip
    assert told.change is not None
    assert told.change.word == word
    assert told.change.value == pytest.approx(now - 0.5)


def test_questions_are_set_against_the_last_audit_that_asked() -> None:
    def asked(day: int, items: dict[str, str]) -> AuditResult:
        result = audit_of(f"2026-01-{day:02}T00:00:00Z")
        return result.model_copy(update={"manifest": result.manifest.model_copy(update={"items": items})})

    told = series(
        asked(1, {"tiny.rate": "x"}), asked(2, {}), asked(3, {"tiny.rate": "y"}), asked(4, {"tiny.rate": "y"})
    )
    assert [p.questions and p.questions.fate for p in told.points] == [None, "unknown", "changed", "same"]


def test_what_changed_is_told_of_each_audit_but_the_first() -> None:
    one, two = audit_of("2026-01-01T00:00:00Z"), audit_of("2026-01-02T00:00:00Z")
    two = two.model_copy(update={"manifest": two.manifest.model_copy(update={"tool_version": "9"})})
    first, second = trends(found(one, two))[0].audits
    assert first.changes == ()
    assert [c.part for c in second.changes if c.fate == "changed"] == ["program"]
