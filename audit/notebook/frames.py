"""A result's lists as tables: one row each, one column a fact, and the same columns and types whatever is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from audit.results import Finding, Measurement, Record

TEXT, NUMBER, WHOLE, COUNT, FLAG, OBJECT = "string", "float64", "Int64", "int64", "bool", "object"
_COVERAGE = ("planned", "scored", "unparsed", "refused", "truncated", "not_a_number", "failed")
MEASUREMENT_COLUMNS: dict[str, str] = {
    "probe": TEXT,
    "name": TEXT,
    "slice": TEXT,
    "main": FLAG,
    "axis": TEXT,
    "group": TEXT,
    "label": TEXT,
    "value": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "chance": NUMBER,
    "n": COUNT,
    "clusters": WHOLE,
    "successes": WHOLE,
    "unit": TEXT,
    "direction": TEXT,
    "confidence": NUMBER,
    "interval": TEXT,
    "p_value": NUMBER,
    "p_adjusted": NUMBER,
    "adjustment": TEXT,
    "spread_low": NUMBER,
    "spread_high": NUMBER,
    "templates": WHOLE,
    **dict.fromkeys(_COVERAGE, COUNT),
    "reason": TEXT,
}
"""Columns of the measurements, beside one for each further fact that selects their records, such as ``tags.kind``."""
RECORD_COLUMNS: dict[str, str] = {
    **{name: TEXT for name in Record.model_fields if name not in ("tags", "scores", "detail")},
    "concern": NUMBER,
    "seed": WHOLE,
    "claims": OBJECT,
    "asked": OBJECT,
    "withheld": OBJECT,
}
"""Columns of the records, beside one for each tag and ``score.<name>`` for each score."""
_FINDING_COLUMNS: dict[str, str] = {
    **dict.fromkeys(Finding.model_fields, TEXT),
    **dict.fromkeys(("values", "measurements", "records"), OBJECT),
    "text": TEXT,
}


Axes = frozenset[tuple[str, str]]


def axes_of(measurements: Iterable[Measurement]) -> Axes:
    """What the slices ``axis: group`` of each probe name as axes, each with its probe."""
    slices = ((m.probe, (m.slice or "").partition(": ")) for m in measurements)
    return frozenset((probe, before) for probe, (before, mark, _) in slices if mark)


def place_of(measurement: Measurement, axes: Axes = frozenset()) -> tuple[str | None, str | None]:
    """What a measurement is sliced by, and for which part of it: by the records behind it, else by its slice's words.

    None and None for a whole; a slice ``axis: group`` names both. Any other is a whole axis where it is one of ``axes``,
    which ``axes_of`` finds, as the gap of ``sex`` beside the rates of ``sex: women``; else a group without an axis.
    """
    axis, group = measurement.evidence.get("axis"), measurement.evidence.get("group")
    if measurement.slice is None or axis is not None or group is not None:
        return (None, None) if measurement.slice is None else (axis, group)
    before, mark, after = measurement.slice.partition(": ")
    if mark:
        return before, after
    return (before, None) if (measurement.probe, before) in axes else (None, before)


def measurement_frame(measurements: Sequence[Measurement], axes: Axes | None = None) -> pd.DataFrame:
    """One row a measurement, ``metric`` as index; ``axes``: those of the whole result, where these are a part of it."""
    known = axes_of(measurements) if axes is None else axes
    rows = [_measured(m, known) for m in measurements]
    frame = _table(rows, {"metric": TEXT, **MEASUREMENT_COLUMNS}, TEXT).set_index("metric")
    frame.index = frame.index.astype(object)  # looked up by plain text
    return frame


def _measured(m: Measurement, axes: Axes) -> dict[str, Any]:
    axis, group = place_of(m, axes)
    row = m.model_dump(mode="json", exclude={"spread", "coverage", "evidence", "average"})
    row |= m.coverage.model_dump()
    if m.spread is not None:
        row |= {"spread_low": m.spread.low, "spread_high": m.spread.high, "templates": m.spread.templates}
    name = m.metric.split("[")[0].removeprefix(f"{m.probe}.")
    row |= {"name": name, "main": m.slice is None, "axis": axis, "group": group}
    return row | {_apart(key, row): value for key, value in m.evidence.items() if key not in ("axis", "group")}


def _apart(key: str, row: Mapping[str, Any]) -> str:
    """A column of its own for what selects records by a field that a measurement has as well."""
    return f"records.{key}" if key in row or key in MEASUREMENT_COLUMNS else key


def record_frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row a record, in the order of the file; a tag whose name is a column's becomes ``tags.<name>``."""
    rows, scores = [], []
    for record in records:
        row = record.model_dump(mode="json", exclude={"tags", "scores", "detail"})
        rows.append(row | {_tag(name): value for name, value in record.tags.items()})
        scores.append({f"score.{name}": value for name, value in record.scores.items()})
    known = dict.fromkeys((name for row in scores for name in row), NUMBER)
    tags = dict.fromkeys((name for row in rows for name in row if name not in RECORD_COLUMNS), TEXT)
    # A tag can have the name of a score's column, and must not take its place.
    both = [
        {k if k not in known else f"tags.{k}": v for k, v in r.items()} | s for r, s in zip(rows, scores, strict=True)
    ]
    named = {k if k not in known else f"tags.{k}": kind for k, kind in tags.items()}
    return _table(both, RECORD_COLUMNS | named | known, TEXT)


def _tag(name: str) -> str:
    return f"tags.{name}" if name in RECORD_COLUMNS else name


def finding_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row a finding, with its finished sentence in ``text``."""
    return _table([{**f.model_dump(mode="json"), "text": f.text} for f in findings], _FINDING_COLUMNS, OBJECT)


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], others: str) -> pd.DataFrame:
    """The rows with these columns first, each of its type, also where there is no row."""
    further = dict.fromkeys(name for row in rows for name in row if name not in columns)
    kinds = {**columns, **dict.fromkeys(further, others)}
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()},
        columns=list(kinds),
    )
