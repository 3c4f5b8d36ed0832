"""From a number to the records behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from audit.results.schema import Finding, Measurement, Record

EXAMPLES = 3
SAME = 1e-9  # relative, and absolute below 1: how near records must come to their number to be what it is the mean of


@dataclass(frozen=True)
class Observation:
    """What one record adds to a number: ``value`` to its mean, or where ``less`` to the mean that is taken away."""

    record: Record
    value: float
    less: bool = False


def behind(measurement: Measurement, records: Iterable[Record]) -> list[Record]:
    """The records that a measurement was made of, in order.

    ``measurement.evidence`` names values of a record's fields, or of its tags as ``tags.<name>``.
    """
    return [r for r in records if _fits(r, measurement.evidence)]


def observations(measurement: Measurement, records: Iterable[Record]) -> list[Observation] | None:
    """What each scored record adds to the number, as its ``average`` says.

    Returns:
        None where the measurement has no ``average``, or where the mean of its records is not its value: then it is of
        something else, and records must not be set against those of another result.
    """
    rule = measurement.average
    if rule is None or measurement.value is None:
        return None
    found: list[Observation] = []
    for record in behind(measurement, records):
        value = _observed(record, rule.score, rule.outcomes)
        if value is None:
            continue
        if _fits(record, rule.among):
            found.append(Observation(record, value))
        if rule.less is not None and _fits(record, rule.less):
            found.append(Observation(record, value, less=True))
    first, second = [o.value for o in found if not o.less], [o.value for o in found if o.less]
    if not first or (rule.less is not None and not second):
        return None
    value = fmean(first) - (fmean(second) if second else 0.0)
    return found if math.isclose(value, measurement.value, rel_tol=SAME, abs_tol=SAME) else None


def _observed(record: Record, score: str | None, outcomes: Sequence[str]) -> float | None:
    if record.status != "scored":
        return None
    if score is not None:
        return record.scores.get(score)
    return None if record.outcome is None else float(record.outcome in outcomes)


def _fits(record: Record, wanted: Mapping[str, str]) -> bool:
    return all(_value(record, field) == value for field, value in wanted.items())


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
