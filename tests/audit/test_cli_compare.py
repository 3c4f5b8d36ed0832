"""``audit compare`` and ``audit trend``: what they print, the page that they write, one sentence for each mistake."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.results import (
    AuditResult,
    Average,
    GateResult,
    read_result,
    write_records,
    write_result,
    write_text,
)
from tests.audit.shell import Command, entry_point
from tests.audit.support import measurement, record, result_of

METRIC = "tiny.rate.rate"
GATE = GateResult(metric=METRIC, rule="at_most", threshold=0.7, verdict="met", confidence=0.95, reason="So.")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd)


def audit_of(value: float = 0.5, day: int = 1, **changes: Any) -> AuditResult:
    told = {"gates": [GATE], **changes}
    result = result_of(measurement(value=value, low=value - 0.05, high=value + 0.05), **told)
    dated = {"created": f"2026-01-{day:02}T00:00:00Z", "audit_id": f"{day:064}"}
    return result.model_copy(update={"manifest": result.manifest.model_copy(update=dated)})


def three(place: Path) -> None:
    for name, value, day in (("old", 0.5, 1), ("same", 0.5, 2), ("new", 0.9, 3)):
        write_result(place / "results" / name, audit_of(value, day), {})
    write_text(place / "results" / "old" / "card.html", "a card")
    write_text(place / "results" / "broken" / "result.json", "{")
    write_text(place / "file.txt", "text")
    (place / "empty").mkdir()


FOLDERS = ("results/old", "results/same", "results/new")


def test_compare_prints_the_table_and_where_the_page_is(place: Path, command: Command) -> None:
    three(place)
    done = command("compare", *FOLDERS)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[:8] == [
        "A  results/old: scripted, 2026-01-01T00:00:00Z",
        "B  results/same: scripted, 2026-01-02T00:00:00Z",
        "C  results/new: scripted, 2026-01-03T00:00:00Z",
        "",
        METRIC,
        "  A  0.500 (0.450 to 0.550)",
        "  B  0.500 (0.450 to 0.550)  no difference shown: +0.000 (-0.071 to +0.071)",
        "  C  0.900 (0.850 to 0.950)  * worse: +0.400 (+0.329 to +0.471)",
    ]
    assert (
        "B against A: 1 no difference shown\nC against A: 1 worse\n* differs from A (95%, corrected for the "
        in done.out
    )
    assert (
        "Compared record by record: 0 on the same records, 0 on those that both share; as independent samples: 2"
        in done.out
    )
    assert "Not listed" not in done.out
    (page,) = (place / "audits").iterdir()
    assert done.out.splitlines()[-1] == f"Page: audits/{page.name}"
    html = page.read_text("utf-8")
    assert '<a href="./../results/old/card.html"><bdi>results/old</bdi></a>' in html
    assert '<a href="./../results/old/card.html#risk-' in html
    assert html.count("card.html") == 2


def test_compare_writes_where_it_is_told_and_in_which_language(place: Path, command: Command) -> None:
    three(place)
    assert command("compare", *FOLDERS, "--output", "x/y.html", "--lang", "ko,en").status == 0
    assert '<html lang="ko">' in (place / "x" / "y.html").read_text("utf-8")
    assert not (place / "audits").exists()


def test_json_writes_a_page_only_where_one_is_named(place: Path, command: Command) -> None:
    three(place)
    (row,) = json.loads(command("compare", *FOLDERS, "--json").out)
    assert not (place / "audits").exists()
    assert row["differs_from_first"] == [False, True]
    assert [found["value"] for found in row["results"]] == [0.5, 0.5, 0.9]
    same, new = row["differences"]
    assert (same["word"], new["word"]) == ("no_difference_shown", "worse")
    assert new["value"] == pytest.approx(0.4)
    assert new["low"] == pytest.approx(0.4 - 0.05 * 2**0.5)
    assert new["p_adjusted"] == pytest.approx(2 * new["p_value"])
    assert same["low"] < 0 < same["high"]
    json.loads(command("compare", *FOLDERS, "--json", "--output", "p.html").out)
    assert (place / "p.html").is_file()


def test_compare_takes_the_file_of_a_result(place: Path, command: Command) -> None:
    three(place)
    assert command("compare", "results/old/result.json", "results/new", "--output", "p.html").status == 0


def test_changed_items_are_told_and_only_the_shared_ones_compared(place: Path, command: Command) -> None:
    for day, (name, start) in enumerate((("old", 0), ("new", 15)), start=1):
        result = audit_of(0.5, day)
        (m,) = result.measurements
        counted = m.model_copy(update={"average": Average(outcomes=["right"])})
        write_result(place / "r" / name, result.model_copy(update={"measurements": [counted]}), {})
        answers = [
            record(f"{i:03}", item=str(i), cluster=str(i), input=f"Text {i}.", outcome="right" if i % 2 else "wrong")
            for i in range(start, start + 200)
        ]
        write_records(place / "r" / name, "tiny.rate", answers)
    done = command("compare", "r/old", "r/new", "--output", "p.html")
    assert "no difference shown: +0.000 (" in done.out
    assert " on 185 shared records\n" in done.out
    assert "0 on the same records, 1 on those that both share; as independent samples: 0" in done.out
    page = (place / "p.html").read_text("utf-8")
    assert "Compared on the 185 tries that both share, of 200 in the first and 200 in this one." in page
    told = command("trend", "r")
    assert " on 185 shared records" in told.out


def test_records_that_cannot_be_read_are_one_sentence(place: Path, command: Command) -> None:
    three(place)
    write_text(place / "results" / "new" / "records" / "tiny.rate.parquet", "text")
    done = command("compare", *FOLDERS)
    assert (done.status, len(done.told)) == (2, 1)
    assert "cannot be read as records" in done.err


def test_compare_of_what_one_lacks(place: Path, command: Command) -> None:
    nothing = measurement("p.b", value=None, low=None, high=None, n=0, reason="None.")
    write_result(place / "a", result_of(measurement("p.a", low=None, high=None), nothing), {})
    write_result(place / "b", result_of(nothing), {})
    lines = command("compare", "a", "b", "--metric", "p.a", "--metric", "p.b").out.splitlines()
    assert lines[3:9] == [
        "p.a",
        "  A  0.500",
        "  B  -      The audit has no number of this name.",
        "",
        "p.b",
        "  A  -  None.",
    ]
    assert "B against A: 2 not measured by both" in lines


def test_compare_lists_what_differs_or_has_a_gate_and_counts_the_rest(place: Path, command: Command) -> None:
    for folder, moved in (("a", 0.2), ("b", 0.8)):
        held = [measurement(f"tiny.rate.{i:03}", low=0.4, high=0.6) for i in range(100)]
        held += [measurement(METRIC, low=0.4, high=0.6)]
        held += [measurement("tiny.rate.moved", value=moved, low=moved - 0.01, high=moved + 0.01)]
        result = result_of(*held, gates=[GATE])
        stamp = {"audit_id": folder * 64, "created": "2026-01-01T00:00:00Z"}
        write_result(
            place / folder, result.model_copy(update={"manifest": result.manifest.model_copy(update=stamp)}), {}
        )
    done = command("compare", "a", "b")
    assert [line for line in done.out.splitlines() if line.startswith("tiny.")] == [METRIC, "tiny.rate.moved"]
    assert "B against A: 1 worse, 101 no difference shown" in done.out
    assert "Not listed: 100 without a gate that are not shown to differ; the page and --json hold them." in done.out
    assert max(map(len, done.out.splitlines()[:-2])) <= 100
    assert len(json.loads(command("compare", "a", "b", "--json").out)) == 102
    named = command("compare", "a", "b", "--metric", "tiny.rate.007")
    assert "\ntiny.rate.007\n" in named.out
    assert "Not listed" not in named.out


@pytest.mark.parametrize("name", [r"x\[/b]", "[red]x[/red]", "\x1b[31mx", "한국어", "a" * 500])
def test_models_with_odd_names(place: Path, command: Command, name: str) -> None:
    for place_, folder in enumerate(("a", "b"), start=1):
        write_result(place / folder, audit_of(day=place_).model_copy(update={"model": result_of(name=name).model}), {})
    done = command("compare", "a", "b")
    assert done.status == 0
    assert "\x1b" not in done.out
    told = command("trend", ".")
    assert told.status == 0
    assert "\x1b" not in told.out


def test_trend_prints_the_latest_and_its_change(place: Path, command: Command) -> None:
    three(place)
    done = command("trend", "results")
    assert (done.status, done.err) == (0, "")
    assert "scripted: 3 audits, 2026-01-01T00:00:00Z to 2026-01-03T00:00:00Z" in done.out
    assert (
        f"  {METRIC}\n    latest  0.900 (0.850 to 0.950)\n    gate    at most 0.7: met\n"
        "    change  ↑ worse: +0.400 (+0.329 to +0.471)\n"
    ) in done.out
    assert "Left out: broken: " in done.out
    (page,) = (place / "audits").iterdir()
    assert done.out.splitlines()[-1] == f"Page: audits/{page.name}"
    assert "1 folder is left out" in page.read_text("utf-8")


def test_trend_as_json(place: Path, command: Command) -> None:
    three(place)
    told = json.loads(command("trend", "results", "--json").out)
    (trend,) = told["trends"]
    assert [a["folder"] for a in trend["audits"]] == ["old", "same", "new"]
    (series,) = trend["series"]
    assert [p["measurement"]["value"] for p in series["points"]] == [0.5, 0.5, 0.9]
    assert series["change"]["word"] == "worse"
    assert [left["folder"] for left in told["left_out"]] == ["broken"]
    assert not (place / "audits").exists()


def test_trend_of_one_audit_and_of_a_metric_without_a_gate(place: Path, command: Command) -> None:
    write_result(place / "only" / "a", audit_of(gates=[]), {})
    done = command("trend", "only", "--metric", METRIC)
    assert done.status == 0
    assert done.out.splitlines()[1:4] == [f"  {METRIC}", "    latest  0.500 (0.450 to 0.550)", ""]


def without_gates(place: Path) -> None:
    write_result(place / "g" / "a", audit_of(gates=[]), {})


MISTAKES: dict[str, tuple[Callable[[Path], None], Sequence[str], str]] = {
    "one result twice": (three, ("compare", "results/old", "./results/old/"), "results/old is given twice; a result cannot"),
    "a folder and its file": (three, ("compare", "results/old", "results/old/result.json"), "is given twice"),
    "not there": (three, ("compare", "results/old", "nowhere"), "nowhere is not a result folder"),
    "too many": (three, ("compare", *["results/old"] * 27), "At most 26 results can be compared at once."),
    "a text file": (three, ("compare", "results/old", "file.txt"), "file.txt is not readable JSON"),
    "unknown metric": (
        three,
        ("compare", "results/old", "results/new", "--metric", "tiny.rate.rat"),
        "None of the results has a metric tiny.rate.rat. Did you mean tiny.rate.rate?",
    ),
    "output is a folder": (
        three,
        ("compare", "results/old", "results/new", "--output", "empty"),
        "The output empty is a folder; name a file, such as empty/comparison.html.",
    ),
    "output is no page": (
        three,
        ("compare", "results/old", "results/new", "--output", "results/old/result.json"),
        "results/old/result.json is no name for a web page; name a file that ends in .html.",
    ),
    "no such language": (three, ("compare", "results/old", "results/new", "--lang", "xx"), "There is no text in xx"),
    "trend of nothing": (three, ("trend", "empty"), "There is no result below empty."),
    "trend of what is broken": (three, ("trend", "results/broken"), "There is no result below results/broken. 1 could not"),
    "trend of a file": (three, ("trend", "file.txt"), "file.txt is a file; name a folder that holds results."),
    "trend of nowhere": (three, ("trend", "nowhere"), "nowhere is not there; name a folder that holds results."),
    "trend without gates": (without_gates, ("trend", "g"), "has no gates; name what to draw with --metric."),
    "trend of an unknown metric": (three, ("trend", "results", "--metric", "zzz"), "None of the results has a metric zzz."),
    "trend into a folder": (three, ("trend", "results", "--output", "empty"), "such as empty/trend.html."),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name: str, place: Path, command: Command) -> None:
    prepare, arguments, sentence = MISTAKES[name]
    prepare(place)
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert len(done.told) == 1
    assert sentence in done.err
    assert not (place / "audits").exists()
    if (place / "results").exists():
        assert read_result(place / "results" / "old")
