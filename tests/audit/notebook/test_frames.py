"""Results as tables: the same columns and types whatever is in them, groups beside their numbers, nothing overwritten."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from audit.notebook.frames import (
    MEASUREMENT_COLUMNS,
    RECORD_COLUMNS,
    axes_of,
    finding_frame,
    measurement_frame,
    place_of,
    record_frame,
)
from audit.results import Coverage, Measurement
from audit.results.schema import Asked, Spread
from tests.audit.support import measurement, record

NOTHING: dict[str, Any] = {"value": None, "low": None, "high": None, "n": 0, "reason": "None."}


def sliced(part: str, **evidence: str) -> Measurement:
    return measurement(f"tiny.rate.rate[{part}]", slice=part, evidence=evidence)


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (measurement(), (None, None)),
        (measurement(evidence={"axis": "age", "group": "older"}), (None, None)),  # a whole is of no group
        (sliced("age", axis="age"), ("age", None)),
        (sliced("age: older people", axis="age", group="older people"), ("age", "older people")),
        (sliced("gender, embeddings", axis="gender"), ("gender", None)),
        (sliced("Indian English", group="Indian English"), (None, "Indian English")),
        (sliced("style: blog", **{"tags.style": "blog"}), ("style", "blog")),
        (sliced("sex: a: b"), ("sex", "a: b")),
        (sliced("flow"), (None, "flow")),
        (sliced("a:b"), (None, "a:b")),
    ],
)
def test_the_group_is_that_of_the_records_or_of_the_words(found: Measurement, place: tuple[str, str]) -> None:
    assert place_of(found) == place


def test_a_part_with_parts_of_its_own_is_an_axis_within_its_probe() -> None:
    """As the gap of sex beside the rates of its groups: else a table by axis would leave the gap out."""
    rates, gap = sliced("sex: women"), measurement("tiny.rate.gap[sex]", slice="sex")
    other = measurement("other.probe.gap[sex]", probe="other.probe", slice="sex")
    assert axes_of([measurement(), rates, gap, other, sliced("a:b")]) == {("tiny.rate", "sex")}
    frame = measurement_frame([rates, gap, other])
    assert frame[frame["axis"] == "sex"].index.tolist() == ["tiny.rate.rate[sex: women]", "tiny.rate.gap[sex]"]
    assert frame["group"].fillna("none").tolist() == ["women", "none", "sex"]
    assert measurement_frame([gap], frozenset())["group"].tolist() == ["sex"]
    assert measurement_frame([gap], axes_of([rates]))["axis"].tolist() == ["sex"]


def test_types_do_not_depend_on_what_is_in_the_table() -> None:
    for frame in (
        measurement_frame([]),
        measurement_frame([measurement(**NOTHING)]),
        measurement_frame([measurement(), measurement("p.b", clusters=3, successes=50)]),
    ):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == MEASUREMENT_COLUMNS
    for frame in (record_frame([]), record_frame([record()]), record_frame([record(axis="a", seed=2**62, note="n")])):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == RECORD_COLUMNS
    assert "text" in finding_frame([])


def test_coverage_spread_and_what_selects_records_are_columns() -> None:
    full = measurement(
        "tiny.rate.rate[age: older]",
        slice="age: older",
        n=7,
        coverage=Coverage(planned=12, scored=7, refused=2, failed=3),
        spread=Spread(low=0.1, high=0.7, templates=3),
        evidence={"axis": "age", "group": "older", "tags.kind": "x", "outcome": "right", "probe": "mine"},
    )
    row = measurement_frame([full]).loc["tiny.rate.rate[age: older]"]
    assert (row["planned"], row["scored"], row["refused"], row["failed"], row["unparsed"]) == (12, 7, 2, 3, 0)
    assert (row["spread_low"], row["spread_high"], row["templates"]) == (0.1, 0.7, 3)
    assert (row["name"], row["main"], row["axis"], row["group"]) == ("rate", False, "age", "older")
    assert (row["tags.kind"], row["outcome"]) == ("x", "right")
    assert (row["probe"], row["records.probe"]) == ("tiny.rate", "mine")  # the one is not taken for the other


def test_a_group_is_found_by_plain_comparison_though_others_have_none() -> None:
    frame = measurement_frame([measurement(), sliced("age: older", axis="age", group="older"), sliced("flow")])
    assert list(frame[frame["axis"] == "age"].index) == ["tiny.rate.rate[age: older]"]
    assert frame.groupby("axis")["value"].mean().to_dict() == {"age": 0.5}
    assert list(frame[frame["main"]].index) == ["tiny.rate.rate"]


def test_missing_numbers_are_missing_and_no_zero() -> None:
    frame = measurement_frame([measurement(**NOTHING), measurement("p.b", chance=0.0)])
    assert frame[["value", "low", "chance"]].isna().all(axis=1).tolist() == [True, False]
    assert pd.isna(frame.loc["tiny.rate.rate", "clusters"])
    assert frame["value"].mean() == 0.5


def test_no_tag_and_no_score_takes_the_place_of_another_column() -> None:
    first = record("1", tags={"input": "tag", "score.a": "tag", "kind": "x"}, scores={"a": 1.5, "input": 2.0})
    second = record("2", tags={"tags.input": "twice"}, scores={"a": None})
    frame = record_frame([first, second])
    assert frame.columns.is_unique
    row = frame.iloc[0]
    assert (row["input"], row["tags.input"], row["score.a"], row["tags.score.a"]) == ("Text.", "tag", 1.5, "tag")
    assert row["score.input"] == 2.0
    assert frame.loc[1, "tags.input"] == "twice"
    assert str(frame["score.a"].dtype) == "float64"


def test_what_is_nested_stays_an_object() -> None:
    frame = record_frame([record(asked=Asked(prompt="Why?", answer=" so")), record("2")])
    assert frame.loc[0, "asked"]["answer"] == " so"
    assert frame["asked"].notna().tolist() == [True, False]
    assert frame.loc[0, "claims"] == []
