"""Baselines: an earlier result made small, opened again, and set against the audit at hand, number by number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.pairing import DIGITS, Change, Seen, change, seen
from audit.results import (
    RESULT_FILE,
    AuditResult,
    Baseline,
    BaselineAudit,
    BaselineMeasurement,
    BaselineProbe,
    ComparedWith,
    Coverage,
    Measurement,
    Record,
    ResultError,
    packed,
    parse_baseline,
    read_records,
    read_result,
    text_hash,
    unpacked,
)

MOST_BYTES = 200_000_000  # a larger file is no baseline, and would fill the memory
Records = Callable[[str], Sequence[Record]]


@dataclass(frozen=True)
class Opened:
    """A baseline with what the manifest says of it."""

    baseline: Baseline
    told: ComparedWith


def baseline_of(result: AuditResult, records: Records, wanted: Collection[str]) -> Baseline:
    """The measurements of a result that are ``wanted`` by their full names, with what each record adds to them."""
    content = BaselineAudit(
        audit_id=result.manifest.audit_id,
        model=result.model.name,
        weights_sha256=result.model.weights_sha256,
        created=result.manifest.created,
        suite=result.manifest.suite,
        seed=result.manifest.seed,
        tool_version=result.manifest.tool_version,
        code=result.manifest.identity.get("code"),
        judges=result.manifest.judges,
    )
    probes, measurements = [], []
    chosen = [m for m in result.measurements if m.metric in wanted and m.value is not None]
    for name in sorted({m.probe for m in chosen}):
        found = records(name)
        numbers = [(m, seen(m, found)) for m in chosen if m.probe == name]
        rows = {s.record: f"{hashed(s.record)} {s.question}" for _, all_seen in numbers for s in all_seen or ()}
        order = {record: row for row, record in enumerate(sorted(rows, key=lambda record: rows[record]))}
        measurements += [_small(m, all_seen, order) for m, all_seen in sorted(numbers, key=lambda one: one[0].metric)]
        probes.append(
            BaselineProbe(
                id=name,
                items=result.manifest.items.get(name),
                options=options_hash(result.manifest.config, name),
                records=sorted(rows.values()),
            )
        )
    return Baseline(audit=content, probes=probes, measurements=measurements)


def _small(m: Measurement, all_seen: Sequence[Seen] | None, order: Mapping[str, int]) -> BaselineMeasurement:
    adds, takes = ({order[s.record]: s.value for s in all_seen or () if s.less is less} for less in (False, True))
    assert m.value is not None  # those without were not chosen
    return BaselineMeasurement(
        **m.model_dump(include={"metric", "probe", "unit", "direction", "confidence", "n", "interval", "average"}),
        value=m.value,
        low=m.low,
        high=m.high,
        adds=None if all_seen is None else packed(adds),
        takes=packed(takes) if takes else None,
    )


def hashed(record: str) -> str:
    """The hash of a record's id, which may hold words of a file of the user's."""
    return hashlib.sha256(record.encode()).hexdigest()[:DIGITS]


def options_hash(config: Mapping[str, Any], probe: str) -> str:
    """Hash of a probe's options in the config, but for how many items are drawn: that is told by the items."""
    options = config.get("probes", {}).get(probe) or {}
    kept = {name: value for name, value in options.items() if name != "limit"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


def main_metrics(result: AuditResult) -> list[str]:
    """The metrics that a baseline holds by default: all without slice, and the slices that gates of the config name."""
    gates = result.manifest.config.get("gates") or {}
    return [m.metric for m in result.measurements if m.slice is None or m.metric in gates]


def open_baseline(path: Path, wanted: Collection[str]) -> Opened:
    """What gates compare with: a baseline file, or the ``wanted`` measurements of a result folder or its result.json.

    Raises:
        ResultError: where it is neither, in one sentence.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ResultError(f"{path} is too large to be a result or a baseline file.")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        missing = f"it has no {RESULT_FILE}" if path.is_dir() else "it does not exist"
        raise ResultError(f"{path} is not a result folder or a baseline file: {missing}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path} is not readable as a result or a baseline file: {error}.") from None
    found = parse_baseline(path, text)
    if found is None:
        found = baseline_of(read_result(file), lambda probe: read_records(file.parent, probe), wanted)
    told = ComparedWith(
        audit_id=found.audit.audit_id,
        model=found.audit.model,
        weights_sha256=found.audit.weights_sha256,
        created=found.audit.created,
        sha256=text_hash(text),
    )
    return Opened(found, told)


@dataclass(frozen=True)
class Against:
    """A baseline against the audit at hand, of which ``records`` are read where a gate needs them."""

    baseline: Baseline
    records: Records
    config: Mapping[str, Any]
    items: Mapping[str, str]
    code: str | None
    judges: Mapping[str, str]

    def change(self, now: Measurement, confidence: float) -> Change | None:
        """The number now against the baseline's; None where the baseline does not hold it."""
        then = next((m for m in self.baseline.measurements if m.metric == now.metric), None)
        if then is None:
            return None
        before = None if then.adds is None else self._seen(then)
        found = None if before is None else seen(now, self.records(now.probe))
        found = None if found is None else [replace(s, record=hashed(s.record)) for s in found]
        return change(now, _whole(then), found, before, confidence, same_items=not self._differences(now.probe))

    def _seen(self, m: BaselineMeasurement) -> list[Seen]:
        rows = [row.split() for row in next(p.records for p in self.baseline.probes if p.id == m.probe)]
        both = ((m.adds, False), (m.takes, True))
        found = [(rows[row], value, less) for values, less in both for row, value in unpacked(values)]
        # Clusters are those of now: what a pair belongs to is in one of the two.
        return [Seen(row[0], row[1], row[0], value, less) for row, value, less in found]

    def _differences(self, probe: str) -> list[str]:
        then = next((p for p in self.baseline.probes if p.id == probe), None)
        notes = [] if then is None or then.items == self.items.get(probe) else ["The items are not all the same."]
        return notes + self.notes(probe)

    def notes(self, probe: str) -> list[str]:
        """What else differs between the two audits besides the model, as sentences."""
        then = next((p for p in self.baseline.probes if p.id == probe), None)
        told = {
            "The probe had other options in the baseline.": then is not None
            and then.options != options_hash(self.config, probe),
            "The baseline was made by another version of the code.": self.baseline.audit.code != self.code,
            "Other models read the answers in the baseline.": dict(self.baseline.audit.judges) != dict(self.judges),
        }
        return [sentence for sentence, true in told.items() if true]


def _whole(m: BaselineMeasurement) -> Measurement:
    return Measurement(
        **m.model_dump(exclude={"adds", "takes", "average"}),
        average=m.average,
        label=m.metric,
        coverage=Coverage(planned=m.n, scored=m.n),
    )
