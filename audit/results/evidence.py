"""From a number to the records behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audit.results.schema import Finding, Measurement, Record

EXAMPLES = 3


def behind(measurement: Measurement, records: Iterable[Record]) -> list[Record]:
    """The records that a measurement was made of, in order.

    ``measurement.evidence`` names values of a record's fields, or of its tags as ``tags.<name>``.
    """
    return [r for r in records if all(_value(r, field) == wanted for field, wanted in measurement.evidence.items())]


def _value(record: Record, field: str) -> str | None:
    if field.startswith("tags."):
        return record.tags.get(field.removeprefix("tags."))
    value = getattr(record, field, None)
    return None if value is None else str(value)


def with_examples(
    findings: Iterable[Finding], measurements: Sequence[Measurement], records: Sequence[Record]
) -> list[Finding]:
    """The findings with the ids of the most concerning records behind their first measurement, where they name none."""
    by_name = {m.metric: m for m in measurements}
    told = []
    for finding in findings:
        first = next((by_name[m] for m in finding.measurements if m in by_name), None)
        if finding.records or first is None:
            told.append(finding)
            continue
        worst = sorted((r for r in behind(first, records) if r.concern > 0), key=lambda r: (-r.concern, r.id))
        told.append(finding.model_copy(update={"records": [r.id for r in worst[:EXAMPLES]]}))
    return told
