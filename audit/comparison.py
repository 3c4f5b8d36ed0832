"""Several results beside each other: each metric that any of them measured, and which differ from the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from audit.metrics import holm, mover_difference, p_from_interval
from audit.results import AuditResult, Compared, Comparison, Difference, DifferenceWord, Measurement, Record

Records = Callable[[int, str], Sequence[Record]]
"""The records of a probe in the result of that place."""
Numbers = tuple[Measurement | None, ...]


def compare(results: Sequence[AuditResult], records: Records, only: Collection[str] = ()) -> Comparison:
    """Each metric of the results, each later result against the first.

    Where two results share records that their numbers follow from, they are compared record by record; otherwise as
    independent samples, which is cautious where they share items. The p values are Holm-corrected (Holm 1979) over all
    metrics and results; the intervals are not.

    Args:
        results: at least one; the first is what the others are set against.
        records: asked for each probe whose numbers are compared.
        only: full names of metrics; where there are none, all that are no slices.
    """
    confidence = results[0].manifest.confidence
    rows: list[tuple[str, str, Numbers]] = []
    raw: list[Difference] = []
    for probe, names in _by_probe(results, only).items():
        read = [records(place, probe) for place in range(len(results))]
        for name in names:
            found = tuple(result.measurement(name) for result in results)
            rows.append((probe, name, found))
            missing = [why_missing(result, name, probe) for result in results]
            raw += _differences(found, missing, read, confidence)
    adjusted = holm([difference.p_value for difference in raw])
    told = iter(zip(raw, adjusted, strict=True))
    compared = []
    for probe, name, found in rows:
        first = found[0]
        judged = [_judged(*next(told), now, first) for now in found[1:]]
        compared.append(_row(results, probe, name, found, judged))
    return Comparison(confidence=confidence, tests=sum(p is not None for p in adjusted), rows=tuple(compared))


def why_missing(result: AuditResult, metric: str, probe: str) -> str | None:
    """Why the result has no number of that name; None where it has one."""
    found = result.measurement(metric)
    if found is not None:
        return found.reason if found.value is None else None
    run = next((run for run in result.probes if run.id == probe), None)
    if run is None:
        return "The probe was not part of this audit."
    if run.status == "failed":
        return f"The probe failed: {run.reason}"
    if run.status == "not_applicable":
        return f"The probe is not applicable: {run.reason}"
    return "The audit has no number of this name."


def _by_probe(results: Sequence[AuditResult], only: Collection[str]) -> dict[str, list[str]]:
    """The names of metrics by probe, in the order of the results that have them."""
    found: dict[str, list[str]] = {}
    for result in results:
        for m in result.measurements:
            names = found.setdefault(m.probe, [])
            if (m.metric in only if only else m.slice is None) and m.metric not in names:
                names.append(m.metric)
    return {probe: names for probe, names in found.items() if names}


def _differences(
    found: Numbers, missing: Sequence[str | None], read: Sequence[Sequence[Record]], confidence: float
) -> Iterator[Difference]:
    """Each later number less the first, before any correction."""
    for place in range(1, len(found)):
        now, then = found[place], found[0]
        reason = _incomparable(now, then, missing[place], missing[0])
        if reason or now is None or then is None:
            yield Difference(word="cannot_be_compared", confidence=confidence, reason=reason)
            continue
        yield _independent(now, then, confidence)


def _independent(now: Measurement, then: Measurement, confidence: float) -> Difference:
    known = mover_difference(
        (now.value or 0, now.low or 0, now.high or 0), (then.value or 0, then.low or 0, then.high or 0)
    )
    value, low, high = known
    return Difference(
        word="no_difference_shown",
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        p_value=p_from_interval(known, confidence),
        method="MOVER, as independent samples",
        unpaired="TODO",
    )


def _incomparable(
    now: Measurement | None, then: Measurement | None, missing_now: str | None, missing_then: str | None
) -> str | None:
    if missing_then:
        return f"The first has no number. {missing_then}"
    if missing_now:
        return f"It has no number. {missing_now}"
    if now is None or then is None:
        return "There is no number."
    if (now.unit, now.direction) != (then.unit, then.direction):
        return f"It is measured in another way now: in {now.unit} and not in {then.unit}."
    if None in (now.low, now.high, then.low, then.high):
        return "There is no interval."
    return None


def _judged(raw: Difference, adjusted: float | None, now: Measurement | None, then: Measurement | None) -> Difference:
    """The difference with its word, once the p values of all comparisons are corrected together."""
    if raw.value is None or raw.low is None or raw.high is None or now is None or then is None:
        return raw
    decided = adjusted is not None and adjusted < 1 - raw.confidence and not raw.low <= 0 <= raw.high
    word = _word(raw.value, now, then) if decided else "no_difference_shown"
    return raw.model_copy(update={"p_adjusted": adjusted, "word": word})


def _word(difference: float, now: Measurement, then: Measurement) -> DifferenceWord:
    """What a difference that was shown means, by the direction of the metric."""
    if now.direction == "zero_is_better":
        return _nearer_zero(now, then) or ("higher" if difference > 0 else "lower")
    if now.direction == "descriptive":
        return "higher" if difference > 0 else "lower"
    return "better" if (difference > 0) == (now.direction == "higher_is_better") else "worse"


def _nearer_zero(now: Measurement, then: Measurement) -> DifferenceWord | None:
    """For numbers that should be 0, of which it is shown that they differ: whether it is shown which is nearer to it.

    On one side of 0 the difference itself says so. On different sides the intervals of the distances must not meet.
    """
    if now.value is None or then.value is None:
        return None
    if now.value * then.value >= 0:
        return "better" if abs(now.value) < abs(then.value) else "worse"
    (near, far), (near_then, far_then) = _distances(now), _distances(then)
    return "better" if far < near_then else "worse" if near > far_then else None


def _distances(m: Measurement) -> tuple[float, float]:
    """The ends of the interval of the distance from 0."""
    low, high = m.low or 0.0, m.high or 0.0
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _row(
    results: Sequence[AuditResult], probe: str, name: str, found: Numbers, differences: Sequence[Difference]
) -> Compared:
    latest = next(m for m in found if m is not None)
    risk = next((run.risk for result in results for run in result.probes if run.id == probe), probe.split(".")[0])
    return Compared(
        metric=name,
        probe=probe,
        risk=risk,
        label=latest.label,
        slice=latest.slice,
        unit=latest.unit,
        direction=latest.direction,
        found=found,
        missing=tuple(why_missing(result, name, probe) for result in results),
        differences=(None, *differences),
    )
