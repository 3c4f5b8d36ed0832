"""What became of the planned records: counted for each probe, added up for the audit, and asked for by a gate.

A record is one question and its answer. Every record counts once, in whichever slices it stands, so that the sum is of
what was asked and not of the numbers that were drawn from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from audit.results import Coverage, GateResult, GateVerdict, ItemStatus, Measurement, ProbeRun


def of_probe(statuses: Iterable[ItemStatus], items: int, failed: bool) -> Coverage:
    """What became of the records of a probe.

    Args:
        statuses: of the records that it wrote.
        items: how many items were drawn for it.
        failed: whether it failed. Nothing of it then counts as scored; where it wrote no record, each of its items
            counts as one that failed, and where it failed before it drew any, one does: a crash is never whole.
    """
    counts = Counter[str](statuses)
    if failed and not counts:
        counts["failed"] = max(items, 1)
    elif failed:
        counts["failed"] += counts.pop("scored", 0)
    parts = {name: counts[name] for name in Coverage.model_fields if name != "planned"}
    return Coverage(planned=counts.total(), **parts)


def total(probes: Iterable[ProbeRun]) -> Coverage:
    """The coverage of all probes, added up; a probe without one (of an older result) adds nothing."""
    found = [probe.coverage for probe in probes if probe.coverage is not None]
    return Coverage(**{name: sum(getattr(c, name) for c in found) for name in Coverage.model_fields})


def covered(
    metric: str, least: float, found: Measurement | None, missing: str | None, run: ProbeRun | None, confidence: float
) -> GateResult:
    """Whether at least the share ``least`` of what a measurement was planned on was scored.

    It is a count: met or not met, with no interval and no part in the family of gates that is corrected. What was not
    measured, or is of a probe that failed, is not met.

    Args:
        metric: the full name of the measurement.
        least: from 0 to 1.
        found: the measurement, or None.
        missing: why there is none.
        run: how its probe went, or None where it was not part of the audit.
        confidence: the audit's; it changes nothing here.
    """
    coverage = found.coverage if found is not None else None
    verdict: GateVerdict = "not_met"
    if run is not None and run.status == "failed":
        reason = f"The probe {run.id} failed: {run.reason}"
    elif coverage is None:
        reason = missing or "The audit has no measurement of that name."
    else:
        verdict = "met" if coverage.share is not None and coverage.share >= least else "not_met"
        reason = coverage.text
    return GateResult(
        metric=metric,
        rule="coverage_at_least",
        threshold=least,
        verdict=verdict,
        value=coverage.share if coverage is not None else None,
        confidence=confidence,
        coverage=coverage,
        reason=reason,
    )
