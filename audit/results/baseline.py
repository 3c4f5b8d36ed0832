"""The baseline file: what is left of a result so that a later one can be compared with it, small enough to be committed.

It holds no text: of a record the hash of its id, the hash of what was asked, and what it adds to each number. Names of groups
stand in it only where the name of a metric, or the rule by which a number follows from its records, has one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from audit.results.folder import ResultError
from audit.results.schema import Average, Direction
from audit.results.stored import Finite, Stored

BASELINE_VERSION = "1.0"

Number = Annotated[Finite, Field(ge=-1e15, le=1e15)]  # a larger one is of no audit
Row = Annotated[str, Field(pattern="^[0-9a-f]{12} [0-9a-f]{12}$")]

Values = Annotated[str, Field(pattern="^[01.]*$")] | list[tuple[Annotated[int, Field(ge=0)], Number]]


class BaselineAudit(Stored):
    """Which audit it was."""

    audit_id: str
    model: str
    weights_sha256: str | None = None
    created: str
    suite: str
    seed: int
    tool_version: str
    code: str | None = Field(None, description="Hash of the code that asked and measured.")
    judges: dict[str, str] = Field(
        default_factory=dict, description="Models that read answers, with their weights' hash."
    )


class BaselineProbe(Stored):
    """The records of one probe, as rows that the numbers point to."""

    id: str
    items: str | None = Field(None, description="Hash of its items.")
    options: str = Field(description="Hash of its options, but for how many items are drawn.")
    records: list[Row] = Field(default_factory=list, description="Hash of the record's id, hash of what was asked.")

    @field_validator("records")
    @classmethod
    def _unique(cls, records: list[str]) -> list[str]:
        if len({row.split()[0] for row in records}) < len(records):
            raise ValueError("a record stands there twice")
        return records


class BaselineMeasurement(Stored):
    """One number with its interval, and what each record adds to it.

    ``adds`` and ``takes`` are of the mean and of the mean that is taken away. A text says 0 or 1 of each row, and ``.`` of
    those that are not in it; the rows after its end are not. A list holds [row, value].
    """

    metric: str
    probe: str
    unit: str
    direction: Direction
    value: Number
    low: Number | None = None
    high: Number | None = None
    confidence: Finite = Field(gt=0, lt=1)
    n: int = Field(ge=1)
    interval: str | None = None
    average: Average | None = None
    adds: Values | None = None
    takes: Values | None = None

    @model_validator(mode="after")
    def _honest(self) -> BaselineMeasurement:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.metric}: an interval with one end")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"{self.metric}: the interval [{self.low}, {self.high}] misses the value {self.value}")
        if self.takes is not None and self.adds is None:
            raise ValueError(f"{self.metric}: nothing that something could be taken from")
        return self


class Baseline(Stored):
    """The content of a baseline file."""

    baseline_version: Literal["1.0"] = "1.0"
    audit: BaselineAudit
    probes: list[BaselineProbe]
    measurements: list[BaselineMeasurement]

    @model_validator(mode="after")
    def _fits_together(self) -> Baseline:
        rows = {probe.id: len(probe.records) for probe in self.probes}
        names = [m.metric for m in self.measurements]
        if len(rows) < len(self.probes) or len(set(names)) < len(names):
            raise ValueError("a probe or a metric stands there twice")
        for m in self.measurements:
            for values in (m.adds, m.takes):
                found = [row for row, _ in unpacked(values)]
                if len(set(found)) < len(found) or max(found, default=-1) >= rows.get(m.probe, 0):
                    raise ValueError(f"{m.metric}: a row twice, or one that its probe does not have")
        return self


def unpacked(values: str | list[tuple[int, float]] | None) -> list[tuple[int, float]]:
    """Rows with their values."""
    if isinstance(values, str):
        return [(row, float(sign)) for row, sign in enumerate(values) if sign != "."]
    return values or []


def packed(values: dict[int, float]) -> str | list[tuple[int, float]]:
    """As a text where all are 0 or 1, else as a list, in the order of rows."""
    if all(value in (0.0, 1.0) for value in values.values()):
        signs = (str(int(values[row])) if row in values else "." for row in range(max(values, default=-1) + 1))
        return "".join(signs)
    return sorted(values.items())


def baseline_text(baseline: Baseline) -> str:
    """JSON with one record and one measurement a line, in a stable order, so that a diff shows what changed."""
    content = baseline.model_dump(mode="json", exclude_none=True)
    probes = []
    for probe in content["probes"]:
        rows = probe.pop("records")
        listed = "[\n  " + ",\n  ".join(_line(row) for row in rows) + "]" if rows else "[]"
        probes.append(f'{_line(probe)[:-1]},"records":{listed}}}')
    return (
        f'{{"baseline_version":{_line(content["baseline_version"])},\n'
        f'"audit":{_line(content["audit"])},\n'
        f'"probes":[\n{_lines(probes)}],\n'
        f'"measurements":[\n{_lines([_line(m) for m in content["measurements"]])}]}}\n'
    )


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _lines(parts: list[str]) -> str:
    return " " + ",\n ".join(parts) if parts else ""


def parse_baseline(path: Path, text: str) -> Baseline | None:
    """The baseline that a file holds; None where it is JSON of another kind.

    Raises:
        ResultError: where it is not readable JSON, of another version, or does not fit the format.
    """
    try:
        content = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path} is not readable JSON: {error}.") from None
    if not isinstance(content, dict) or "baseline_version" not in content:
        return None
    version = content["baseline_version"]
    if version != BASELINE_VERSION:
        told = str(version)[:20]
        raise ResultError(f"{path} has baseline version {told}; this version of fairwitness reads {BASELINE_VERSION}.")
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:4])
        raise ResultError(
            f"{path} does not fit the baseline format: {place + ': ' if place else ''}{first['msg']}."
        ) from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def text_hash(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
