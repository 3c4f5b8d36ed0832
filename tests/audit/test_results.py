"""What a result may hold, and what reading one says where it is not one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from audit.results import (
    RESULT_FILE,
    SCHEMA_VERSION,
    AuditResult,
    Claim,
    Coverage,
    Finding,
    GateResult,
    ModelFacts,
    ProbeRun,
    Record,
    ResultError,
    Spread,
    Verdict,
    behind,
    read_records,
    read_result,
    result_schema,
    to_json,
    with_examples,
    write_records,
    write_result,
    write_text,
)
from tests.audit.support import measurement, probe_run, record, result_of

NAN, INF = math.nan, math.inf
PROBE = "tiny.rate"

# What may not be stored.


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("field", ["value", "low", "high", "chance", "p_value", "p_adjusted", "confidence"])
def test_measurement_refuses_what_is_not_a_number(field: str, bad: float) -> None:
    with pytest.raises(ValidationError, match=field):
        measurement(**{field: bad})


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_nothing_stores_what_is_not_a_number(bad: float) -> None:
    with pytest.raises(ValidationError):
        Spread(low=bad, high=1.0, templates=2)
    with pytest.raises(ValidationError):
        record(scores={"a": bad})
    with pytest.raises(ValidationError):
        record(concern=bad)
    with pytest.raises(ValidationError):
        probe_run(seconds=bad)
    with pytest.raises(ValidationError):
        GateResult(metric="m", rule="at_most", threshold=bad, verdict="met", confidence=0.95, reason="So.")
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": bad})


@pytest.mark.parametrize("detail", [{"a": NAN}, {"a": {"b": [1.0, INF]}}])
def test_detail_refuses_what_is_not_a_number(detail: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"finite|JSON compliant"):
        write_records(tmp_path, PROBE, [record(detail=detail)])


@pytest.mark.parametrize("changes", [{"scored": 9}, {"scored": 10, "failed": 1}, {"scored": 0}])
def test_coverage_must_add_up(changes: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="coverage does not add up"):
        Coverage(planned=10, **changes)


def test_coverage_that_adds_up() -> None:
    parts = {"scored": 1, "unparsed": 2, "refused": 3, "truncated": 4, "not_a_number": 5, "failed": 6}
    assert Coverage(planned=21, **parts).planned == 21
    with pytest.raises(ValidationError):
        Coverage(planned=0, scored=1, failed=-1)


def test_value_needs_observations_and_its_absence_a_reason() -> None:
    with pytest.raises(ValidationError, match="a value without observations"):
        measurement(n=0)
    with pytest.raises(ValidationError, match="a missing value needs a reason"):
        measurement(value=None)
    with pytest.raises(ValidationError, match="a missing value needs a reason"):
        measurement(value=None, reason="")
    assert measurement(value=None, low=None, high=None, n=0, reason="None came.").value is None


@pytest.mark.parametrize("changes", [{"low": 0.9, "high": 0.1}, {"low": 0.6, "high": 0.7}, {"high": None}])
def test_interval_holds_its_value(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        measurement(**changes)


def test_metrics_are_unique() -> None:
    with pytest.raises(
        ValidationError, match=r"metrics measured twice: p\.a, p\.b$|metrics measured twice: p\.a, p\.b "
    ):
        result_of(*(measurement(name) for name in ("p.b", "p.a", "p.b", "p.c", "p.a")))
    assert result_of(measurement("p.a"), measurement("p.b")).measurement("p.b") == measurement("p.b")
    assert result_of(measurement("p.a")).measurement("p.b") is None


@pytest.mark.parametrize("status", ["failed", "not_applicable"])
def test_probe_that_did_not_run_needs_a_reason(status: str) -> None:
    with pytest.raises(ValidationError, match="needs a reason"):
        probe_run(status=status)
    assert probe_run(status=status, reason="So.").reason == "So."


@pytest.mark.parametrize(
    "kind", [AuditResult, Coverage, Finding, GateResult, ModelFacts, ProbeRun, Record, Spread, Verdict]
)
def test_unknown_keys_are_refused_and_nothing_changes(kind: Any) -> None:
    assert kind.model_config["extra"] == "forbid"
    assert kind.model_config["frozen"] is True


@pytest.mark.parametrize("status", [-1, 5])
def test_exit_status_is_one_of_the_contract(status: int) -> None:
    with pytest.raises(ValidationError):
        Verdict(status="met", exit_status=status, text="So.")


# A result on disk.


def test_result_round_trip(tmp_path: Path) -> None:
    result = result_of(measurement(spread=Spread(low=0.1, high=0.2, templates=3), evidence={"side": "ü\0"}))
    path = write_result(tmp_path, result, {"computed": 3})
    assert path == tmp_path / RESULT_FILE
    assert read_result(tmp_path) == read_result(path) == result
    assert json.loads((tmp_path / "manifest.json").read_text())["cost"] == {"computed": 3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["manifest.json", RESULT_FILE]


def test_json_is_stable_and_readable() -> None:
    assert to_json({"b": 1, "a": "ü"}) == '{\n "a": "ü",\n "b": 1\n}\n'


def test_text_replaces_whole_files_only(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new" / "a.txt", "one")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "two \ud800")
    assert path.read_text() == "one"
    write_text(path, "three")
    assert path.read_text() == "three"


def broken(content: Any = None, **changes: Any) -> str:
    made = result_of(measurement()).model_dump(mode="json") if content is None else content
    return json.dumps({**made, **changes} if changes else made)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not readable JSON"),
        ("{", "is not readable JSON"),
        ("[]", "has schema version None; this version of fairwitness reads 1.0"),
        ("5", "has schema version None"),
        ("{}", "has schema version None"),
        (broken(schema_version="2.0"), "has schema version 2.0; this version of fairwitness reads 1.0"),
        (broken({"schema_version": SCHEMA_VERSION}), "does not fit the result schema: model: Field required"),
        (broken(extra=1), "does not fit the result schema: extra"),
        (broken(verdict={"status": "good", "exit_status": 0, "text": ""}), "does not fit the result schema: verdict"),
        (broken().replace("0.5", "NaN", 1), "does not fit the result schema: measurements.0.value"),
    ],
)
def test_what_is_no_result_is_one_sentence(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_text(text)
    for place in (tmp_path, tmp_path / RESULT_FILE):
        with pytest.raises(ResultError) as error:
            read_result(place)
        said = str(error.value)
        assert told in said
        assert str(tmp_path) in said
        assert said.endswith(".")
        assert "\n" not in said


def test_not_text_at_all(tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ResultError, match="is not readable JSON"):
        read_result(tmp_path)


@pytest.mark.parametrize("place", ["nothing", "empty"])
def test_folder_without_a_result(place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError, match=r"is not a result folder: it has no result\.json\.$"):
        read_result(tmp_path / place)


@pytest.mark.parametrize("kind", ["folder", "below a file", "deep"])
def test_other_ways_not_to_be_a_result(kind: str, tmp_path: Path) -> None:
    place = tmp_path
    if kind == "folder":
        (tmp_path / RESULT_FILE).mkdir()
    elif kind == "deep":
        (tmp_path / RESULT_FILE).write_text("[" * 100_000)
    else:
        (tmp_path / "file").write_text("x")
        place = tmp_path / "file" / "below"
    with pytest.raises(ResultError):
        read_result(place)


def test_same_major_version_is_read(tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_text(broken(schema_version="1.7"))
    assert read_result(tmp_path).schema_version == "1.7"


# Records.

FULL = record(
    "all",
    template="t",
    axis="gender",
    group="women",
    tags={"side": "ü\0 🙂", "": ""},
    input="NUL \0, quote \" ', newline \n\r\u2028, 한국어, \u202e, <script>",
    output="",
    expected="nan",
    scores={"a": -0.1, "b": None, "c": 1e-300},
    status="refused",
    outcome="refusal",
    concern=0.25,
    seed=2**32,
    note="NaN",
    detail={"tokens": ["a", "\0"], "scores": [1.5, -2], "deep": {"x": None}},
)


@pytest.mark.parametrize(
    "records",
    [[], [record()], [FULL], [record(), FULL, record("2")], [FULL, record("2", output="None")]],
    ids=["none", "bare", "full", "mixed", "words that look missing"],
)
def test_records_round_trip(records: list[Record], tmp_path: Path) -> None:
    path = write_records(tmp_path, PROBE, records)
    assert path == tmp_path / "records" / f"{PROBE}.parquet"
    assert read_records(tmp_path, PROBE) == records
    assert list(pd.read_parquet(path).columns) == list(Record.model_fields)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
RECORDS = st.builds(
    record,
    TEXT,
    output=st.none() | TEXT,
    note=st.none() | TEXT,
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
    scores=st.dictionaries(TEXT, st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    seed=st.none() | st.integers(0, 2**53),
    concern=st.floats(0, 1),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(RECORDS, max_size=4))
def test_any_records_round_trip(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    folder = tmp_path_factory.mktemp("records")
    write_records(folder, PROBE, records)
    assert read_records(folder, PROBE) == records


def test_large_seed_beside_none(tmp_path: Path) -> None:
    records = [record("1", seed=2**53 + 1), record("2")]
    write_records(tmp_path, PROBE, records)
    assert read_records(tmp_path, PROBE) == records


def test_records_of_a_probe_that_left_none(tmp_path: Path) -> None:
    assert read_records(tmp_path, PROBE) == []


def test_same_records_are_the_same_bytes(tmp_path: Path) -> None:
    one = write_records(tmp_path / "1", PROBE, [FULL, record()]).read_bytes()
    assert write_records(tmp_path / "2", PROBE, [FULL, record()]).read_bytes() == one


def spoilt(folder: Path, **columns: Any) -> None:
    path = write_records(folder, PROBE, [record()])
    frame = pd.read_parquet(path)
    for name, value in columns.items():
        frame[name] = [value]
    frame.to_parquet(path)


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "truncated",
        "no column",
        "not JSON",
        "wrong value",
        "null",
    ],
)
def test_records_that_cannot_be_read_are_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "records" / f"{PROBE}.parquet"
    spoilt(tmp_path)
    if kind == "text":
        path.write_text("This is no Parquet.")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "no column":
        pd.read_parquet(path).drop(columns="tags").to_parquet(path)
    elif kind == "not JSON":
        spoilt(tmp_path, tags="{")
    elif kind == "null":
        spoilt(tmp_path, tags=None)
    else:
        spoilt(tmp_path, status="good")
    with pytest.raises(ResultError) as error:
        read_records(tmp_path, PROBE)
    said = str(error.value)
    assert said.startswith(f"{path} cannot be read as records: ")
    assert "\n" not in said


def test_records_of_an_earlier_version_have_no_claims(tmp_path: Path) -> None:
    spoilt(tmp_path)
    path = tmp_path / "records" / f"{PROBE}.parquet"
    pd.read_parquet(path).drop(columns="claims").to_parquet(path)
    assert [record.claims for record in read_records(tmp_path, PROBE)] == [[]]


def test_a_claim_holds_some_of_the_answer() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Claim(start=4, end=4, verdict="supported")


# The records behind a number.


def test_behind_selects_by_fields_and_tags() -> None:
    records = [record("1", group="a", tags={"side": "x"}), record("2", group="a"), record("3", tags={"side": "x"})]

    def ids(evidence: dict[str, str]) -> list[str]:
        return [r.id for r in behind(measurement(evidence=evidence), records)]

    assert ids({}) == ["1", "2", "3"]
    assert ids({"group": "a"}) == ["1", "2"]
    assert ids({"tags.side": "x"}) == ["1", "3"]
    assert ids({"tags.side": "x", "group": "a"}) == ["1"]
    assert ids({"group": "None"}) == []
    assert ids({"nonsense": "a"}) == []


def test_findings_name_their_most_concerning_records() -> None:
    def finding(**changes: Any) -> Finding:
        fields: dict[str, Any] = {"id": "f", "probe": PROBE, "risk": "bias", "outlook": "unclear", "severity": "none"}
        return Finding(**{**fields, "template": "So.", "advice": "None.", "measurements": ["p.a"], **changes})

    records = [record(f"{i}", concern=c) for i, c in enumerate([0.0, 0.5, 0.9, 0.5, 0.1])]
    own, without, unknown, empty = with_examples(
        [finding(records=["x"]), finding(), finding(measurements=["p.z"]), finding(measurements=[])],
        [measurement("p.a")],
        records,
    )
    assert own.records == ["x"]
    assert without.records == ["2", "1", "3"]
    assert unknown.records == empty.records == []


def test_schema_names_its_dialect() -> None:
    assert result_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
