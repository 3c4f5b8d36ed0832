"""Annotations: workflow commands that no text can break, at the lines of the config, and no more than GitHub keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.results import AuditResult, Verdict
from reports.exports.annotations import Place, command, render_annotations
from reports.exports.text import one_line
from tests.reports.test_exports import (
    HOSTILE,
    METRIC,
    every_case,
    failed_probe,
    make_gate,
    make_probe,
    make_result,
    not_covered,
    not_established,
    not_met,
    nothing_tested,
    strict,
    with_text,
)
from tests.reports.workflow_commands import Read, parsed

MARKUP = "%:,\r\n=; 01AaDd25::\u2028\x00\x85"


def nowhere(_: Place) -> int | None:
    return None


def read(result: AuditResult, line: Callable[[Place], int | None] = nowhere) -> list[Read]:
    """The commands of a result as the runner reads them."""
    found = []
    for text in render_annotations(result, "model.yaml", line):
        assert len(text.splitlines()) == 1
        told = parsed(text)
        assert told is not None, text
        found.append(told)
    return found


def test_a_gate_that_is_not_met_is_an_error_at_its_line() -> None:
    places = []

    def line(place: Place) -> int:
        places.append(place)
        return 7

    error, notice = read(not_met(), line)
    assert (error.name, notice.name) == ("error", "notice")
    assert error.properties == {"file": "model.yaml", "line": "7", "title": "Gate not met"}
    assert error.data.startswith(f"{METRIC} must be at most 0.1; measured 0.18 (95% interval: 0.12 to 0.24), n 500. ")
    assert notice.data == "One gate is not met."
    assert places[0] == ("gates", METRIC, "at_most")


@pytest.mark.parametrize(("exit_status", "kind"), [(0, "warning"), (4, "error")])
def test_what_is_not_established_warns_or_fails(exit_status: int, kind: str) -> None:
    first = read(not_established(exit_status))[0]
    assert (first.name, first.properties["title"]) == (kind, "Gate not established")
    assert first.data.endswith("About 900 more items would settle it.")


@pytest.mark.parametrize("other", [not_met, failed_probe])
def test_what_is_not_established_fails_whatever_else_does(other: Callable[[], AuditResult]) -> None:
    found = [a for a in read(strict(other())) if a.properties["title"] == "Gate not established"]
    assert {a.name for a in found} == {"error"}


def test_a_probe_that_failed_is_an_error() -> None:
    first = read(failed_probe())[0]
    assert (first.name, first.properties["title"]) == ("error", "Probe failed")
    assert first.data == "bias.bbq: The endpoint closed the connection."


def test_an_audit_that_tested_nothing_is_an_error() -> None:
    verdict = Verdict(status="incomplete", exit_status=3, text="Nothing was tested.")
    probes = [make_probe(status="not_applicable", reason="No.")]
    assert [(a.name, a.data) for a in read(make_result(verdict=verdict, probes=probes, gates=[]))] == [
        ("error", "Nothing was tested."),
        ("notice", "Nothing was tested."),
    ]


def test_the_notice_tells_the_coverage() -> None:
    assert read(not_covered())[-1].data == (
        "Two gates are not met. 250 of 600 planned were scored (41.6%); 50 unreadable, 200 refused, 100 failed."
    )


def test_an_audit_whose_gates_are_met_gives_one_notice() -> None:
    assert [a.name for a in read(make_result())] == ["notice"]
    assert [a.name for a in read(nothing_tested())] == ["notice"]


@pytest.mark.parametrize(("many", "shown"), [(1, 1), (10, 10), (11, 10), (500, 10)])
def test_at_most_ten_of_a_kind(many: int, shown: int) -> None:
    gates = [make_gate(metric=f"bias.bbq.m{i}", verdict=v) for v in ("not_met", "not_established") for i in range(many)]
    found = read(make_result(gates=gates))
    for kind in ("error", "warning"):
        of_kind = [a for a in found if a.name == kind]
        assert len(of_kind) == shown
        if many > shown:
            assert of_kind[-1].data.startswith(f"{many - 9} more are in")


@every_case
def test_every_annotation_is_one_command(result: AuditResult) -> None:
    found = read(result)
    assert found[-1].name == "notice"
    assert {a.properties["file"] for a in found} == {"model.yaml"}


def test_hostile_text_stays_text() -> None:
    text = "x%0A::error::one\n::error file=a,line=1::two\r\n::stop-commands::y\u2028::add-mask::z"
    for result in (with_text(text), with_text(HOSTILE)):
        assert {a.name for a in read(result)} <= {"error", "warning", "notice"}
    assert "%0A::error::one ::error file=a,line=1::two" in read(with_text(text))[0].data


@given(
    st.text(max_size=40) | st.text(st.sampled_from(MARKUP), max_size=40), st.text(st.sampled_from(MARKUP), max_size=9)
)
def test_whatever_is_said_is_read_again(text: str, file: str) -> None:
    said = command("error", text, text, file, 3)
    assert not set("\r\n") & set(said), "the runner ends a line there, and nowhere else"
    found = parsed(said)
    assert found is not None
    assert found.data == one_line(text)
    assert found.properties == {"file": file, "line": "3", "title": one_line(text)}


def test_a_long_text_is_cut() -> None:
    assert len(read(make_result(gates=[make_gate(verdict="not_met", reason="x" * 5000)]))[0].data) == 1000
