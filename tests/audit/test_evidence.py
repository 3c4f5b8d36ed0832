"""From a number to what each of its records adds to it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from audit.results import Average, Measurement, Record, observations
from tests.audit.support import measurement, record

RIGHT = Average(outcomes=["right"])


def of(value: float | None, average: Average | None, **changes: Any) -> Measurement:
    """A number that says how it follows from its records."""
    missing = (
        {"low": None, "high": None, "n": 0, "reason": "nothing"} if value is None else {"low": -1e10, "high": 1e10}
    )
    return measurement(**{"value": value, "successes": None, "average": average, "evidence": {}, **missing, **changes})


def records(*rows: dict[str, Any]) -> list[Record]:
    return [record(id=f"r{place}", **row) for place, row in enumerate(rows)]


def added(found: Measurement, rows: list[Record]) -> list[tuple[str, float, bool]] | None:
    seen = observations(found, rows)
    return None if seen is None else [(o.record.id, o.value, o.less) for o in seen]


def test_a_share_of_outcomes() -> None:
    rows = records({"outcome": "right"}, {"outcome": "wrong"}, {"outcome": "tie"})
    assert added(of(1 / 3, RIGHT), rows) == [("r0", 1.0, False), ("r1", 0.0, False), ("r2", 0.0, False)]
    both = Average(outcomes=["right", "tie"])
    assert [o.value for o in observations(of(2 / 3, both), rows) or []] == [1.0, 0.0, 1.0]


def test_a_mean_of_a_score() -> None:
    rows = records({"scores": {"a": 1.0, "b": 9.0}}, {"scores": {"a": -2.0}})
    assert added(of(-0.5, Average(score="a")), rows) == [("r0", 1.0, False), ("r1", -2.0, False)]


@pytest.mark.parametrize("status", ["failed", "unparsed", "refused", "truncated", "not_a_number"])
def test_only_scored_records_count(status: str) -> None:
    rows = records({"scores": {"a": 1.0}}, {"scores": {"a": 5.0}, "status": status})
    assert added(of(1.0, Average(score="a")), rows) == [("r0", 1.0, False)]
    rows = records({"outcome": "right"}, {"outcome": "wrong", "status": status})
    assert added(of(1.0, RIGHT), rows) == [("r0", 1.0, False)]


def test_a_score_that_is_none_or_absent_and_a_missing_outcome_are_left_out() -> None:
    rows = records({"scores": {"a": 1.0}}, {"scores": {"a": None}}, {"scores": {"b": 7.0}}, {"scores": {}})
    assert added(of(1.0, Average(score="a")), rows) == [("r0", 1.0, False)]
    rows = records({"outcome": "right"}, {"outcome": None})
    assert added(of(1.0, RIGHT), rows) == [("r0", 1.0, False)]


def test_only_records_behind_the_number_count() -> None:
    rows = records({"outcome": "right", "axis": "age"}, {"outcome": "wrong", "axis": "race"}, {"outcome": "wrong"})
    assert added(of(1.0, RIGHT, evidence={"axis": "age"}), rows) == [("r0", 1.0, False)]
    assert observations(of(1.0, RIGHT), rows) is None


def test_among_and_less() -> None:
    rows = records(
        {"outcome": "right", "tags": {"side": "pro"}},
        {"outcome": "wrong", "tags": {"side": "pro"}},
        {"outcome": "wrong", "tags": {"side": "anti"}},
        {"outcome": "right", "tags": {"side": "neither"}},
    )
    among = RIGHT.model_copy(update={"among": {"tags.side": "pro"}})
    assert added(of(0.5, among), rows) == [("r0", 1.0, False), ("r1", 0.0, False)]
    apart = among.model_copy(update={"less": {"tags.side": "anti"}})
    assert added(of(0.5, apart), rows) == [("r0", 1.0, False), ("r1", 0.0, False), ("r2", 0.0, True)]


def test_a_record_on_both_sides_is_told_twice() -> None:
    """A group against everybody: the whole holds the group."""
    rows = records({"scores": {"a": 3.0}, "group": "x"}, {"scores": {"a": 1.0}, "group": "y"})
    one = Average(score="a", among={"group": "x"}, less={})
    assert added(of(1.0, one), rows) == [("r0", 3.0, False), ("r0", 3.0, True), ("r1", 1.0, True)]


def test_nothing_to_average() -> None:
    assert observations(of(0.0, RIGHT), []) is None
    assert observations(of(0.0, RIGHT), records({"outcome": "right", "status": "failed"})) is None
    rows = records({"outcome": "wrong", "group": "x"})
    assert observations(of(0.0, Average(outcomes=["right"], among={"group": "y"})), rows) is None
    assert observations(of(0.0, Average(outcomes=["right"], among={"group": "x"}, less={"group": "y"})), rows) is None


def test_a_number_that_is_not_there_or_does_not_say() -> None:
    rows = records({"outcome": "right"})
    assert observations(of(None, RIGHT), rows) is None
    assert observations(of(1.0, None), rows) is None


def test_a_wrong_value_is_refused() -> None:
    rows = records({"outcome": "right"}, {"outcome": "wrong"})
    assert observations(of(0.5, RIGHT), rows) is not None
    assert observations(of(0.5 + 1e-6, RIGHT), rows) is None
    assert observations(of(0.5, RIGHT), [rows[0], rows[1].model_copy(update={"outcome": "right"})]) is None


def test_rounding_is_no_difference() -> None:
    """Sums in another order differ in the last digits; large numbers are held to their size."""
    tenths = records(*({"scores": {"a": 0.1}} for _ in range(10)))
    assert observations(of(0.1 + 5e-10, Average(score="a")), tenths) is not None
    large = records({"scores": {"a": 3e9}}, {"scores": {"a": 1e9}})
    assert observations(of(2e9 + 1e-3, Average(score="a")), large) is not None
    assert observations(of(2e9 + 10.0, Average(score="a")), large) is None


@pytest.mark.parametrize("said", [{}, {"score": "a", "outcomes": ["right"]}, {"outcomes": []}])
def test_an_average_is_of_a_score_or_of_outcomes(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a score or of outcomes"):
        Average(**said)


def test_names_that_are_not_ascii_and_odd_scores() -> None:
    rows = records({"scores": {"차이 / ≠": 0.0}, "group": "여성"}, {"scores": {"차이 / ≠": -0.0}, "group": "여성"})
    assert added(of(0.0, Average(score="차이 / ≠"), evidence={"group": "여성"}), rows) == [
        ("r0", 0.0, False),
        ("r1", 0.0, False),
    ]
