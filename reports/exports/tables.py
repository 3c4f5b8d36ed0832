"""The tables that the job summary and the model card share."""

from __future__ import annotations

from collections.abc import Sequence

from audit.results import AuditResult, Direction, GateVerdict, Measurement, Outlook
from reports.exports.markdown import code, inline, table
from reports.exports.text import (
    GATE_WORDS,
    condition,
    count,
    interval,
    measured,
    number,
    observations,
    percent,
    planned,
    settles,
)

SYMBOLS: dict[GateVerdict, str] = {"met": "✅", "not_met": "❌", "not_established": "❔"}
OUTLOOKS: dict[Outlook, str] = {
    "problem_found": "Problem found",
    "no_problem_found": "No problem found in what was tried",
    "unclear": "Unclear",
    "not_tested": "Not tested",
}
DIRECTIONS: dict[Direction, str] = {
    "lower_is_better": "lower is better",
    "higher_is_better": "higher is better",
    "zero_is_better": "closer to zero is better",
    "descriptive": "describes, does not judge",
}
_TEXT_LIMIT = 400


def gate_table(result: AuditResult) -> list[str]:
    """One row a gate: the metric, what was measured, what was asked, and the verdict with its reason."""
    rows = []
    for gate in result.gates:
        measurement = result.measurement(gate.metric)
        label = f"{inline(measurement.label, _TEXT_LIMIT)} " if measurement else ""
        rows.append(
            [
                label + code(gate.metric),
                measured(gate),
                count(observations(result, gate.metric)),
                planned(gate.coverage),
                condition(gate),
                f"{SYMBOLS[gate.verdict]} {GATE_WORDS[gate.verdict]}",
                f"{inline(gate.reason, _TEXT_LIMIT)} {settles(gate)}".rstrip(),
            ]
        )
    return table(["Metric", "Measured", "n", "Scored of planned", "Condition", "Verdict", "Why"], rows)


def measurement_table(measurements: Sequence[Measurement]) -> list[str]:
    """One row a measurement: value, interval, n, chance level and how to read it."""
    rows = [
        [
            f"{inline(m.label, _TEXT_LIMIT)} {code(m.metric)}",
            number(m.value) if m.value is not None else f"not measured: {inline(m.reason or '', _TEXT_LIMIT)}",
            "" if m.value is None else f"{interval(m.low, m.high)} ({percent(m.confidence)})",
            str(m.n),
            "" if m.chance is None else number(m.chance),
            f"{inline(m.unit)}, {DIRECTIONS[m.direction]}",
        ]
        for m in measurements
    ]
    return table(["Metric", "Value", "Interval", "n", "Chance level", "Unit and direction"], rows)


def coverage_notes(result: AuditResult) -> list[str]:
    """A line for each whole-probe measurement that some planned items are missing from."""
    notes = []
    for m in result.measurements:
        cover = m.coverage
        if m.slice is not None or cover.scored == cover.planned:
            continue
        losses = {
            "unreadable": cover.unparsed,
            "refused": cover.refused,
            "truncated": cover.truncated,
            "not a number": cover.not_a_number,
            "failed": cover.failed,
        }
        lost = ", ".join(f"{count} {word}" for word, count in losses.items() if count)
        notes.append(f"{code(m.metric)}: {cover.scored} of {cover.planned} planned items counted; {lost}.")
    return notes
