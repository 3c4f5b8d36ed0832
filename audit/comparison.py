"""Several results beside each other: each metric that any of them measured, and which differ from the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.metrics import CENSUS, Estimate, holm, p_from_interval
from audit.pairing import Change, change, seen
from audit.results import (
    AuditResult,
    Compared,
    Comparison,
    Difference,
    DifferenceWord,
    Direction,
    Measurement,
    Record,
)

Records = Callable[[int, str], Sequence[Record]]
"""The records of a probe in the result of that place."""
Numbers = tuple[Measurement | None, ...]
NO_NUMBER = "There is no number."
NO_RANGE = "There is no interval."


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
    raw: list[_Tried] = []
    for probe, names in _by_probe(results, only).items():
        read = [records(place, probe) for place in range(len(results))]
        for name in names:
            found = tuple(result.measurement(name) for result in results)
            rows.append((probe, name, found))
            missing = [why_missing(result, name, probe) for result in results]
            raw += _tried(found, missing, read, [_same_questions(results[0], r, probe) for r in results], confidence)
    adjusted = holm([tried.difference.p_value for tried in raw])
    told = iter([_judged(tried, p) for tried, p in zip(raw, adjusted, strict=True)])
    compared = [_row(results, probe, name, found, [next(told) for _ in found[1:]]) for probe, name, found in rows]
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


@dataclass(frozen=True)
class _Tried:
    """A difference before any correction; ``worse`` is how much worse the later number is, where that can be said."""

    difference: Difference
    direction: Direction = "descriptive"
    worse: Estimate | None = None


def _tried(
    found: Numbers,
    missing: Sequence[str | None],
    read: Sequence[Sequence[Record]],
    same: Sequence[bool],
    confidence: float,
) -> Iterator[_Tried]:
    """Each later number less the first."""
    then = found[0]
    of_first = None if then is None else seen(then, read[0])
    for place in range(1, len(found)):
        now = found[place]
        reason = _incomparable(now, then, missing[place], missing[0])
        if reason or now is None or then is None:
            yield _Tried(Difference(word="cannot_be_compared", confidence=confidence, reason=reason or NO_NUMBER))
            continue
        told = change(now, then, seen(now, read[place]), of_first, confidence, same_items=same[place])
        yield _Tried(_difference(told), now.direction, told.worse(now.direction))


def _same_questions(first: AuditResult, other: AuditResult, probe: str) -> bool:
    """Whether one id surely is one question in both: the same items, worded by the same program as the same settings ask."""
    one, two = first.manifest, other.manifest
    codes = {m.identity.get("code") for m in (one, two)}
    blocks = [m.config.get("probes") for m in (one, two)]
    settings = [block.get(probe) or {} if isinstance(block, Mapping) else {} for block in blocks]
    items = [m.items.get(probe) for m in (one, two)]
    return None not in (*items, *codes) and items[0] == items[1] and len(codes) == 1 and settings[0] == settings[1]


def _difference(changed: Change) -> Difference:
    """As it is stored. Where the method has no p value it is read off the interval; what was counted whole has none."""
    found = changed.difference
    if found.value is None or found.low is None or found.high is None:
        return Difference(word="cannot_be_compared", confidence=found.confidence, reason=found.reason or NO_RANGE)
    p_value = found.p_value
    if p_value is None and found.method != CENSUS:
        p_value = p_from_interval((found.value, found.low, found.high), found.confidence)
    known = bool(changed.shared or changed.only_now or changed.only_then or changed.changed)
    counts = (changed.shared, changed.only_now, changed.only_then, changed.changed) if known else (None,) * 4
    return Difference(
        word="no_difference_shown",
        value=found.value,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        p_value=p_value,
        paired=changed.paired,
        unpaired=changed.why_not,
        here=changed.now,
        there=changed.then,
        **dict(zip(("shared", "only_here", "only_there", "changed"), counts, strict=True)),
        method=found.method,
    )


def _incomparable(
    now: Measurement | None, then: Measurement | None, missing_now: str | None, missing_then: str | None
) -> str | None:
    if missing_then:
        return f"The first has no number. {missing_then}"
    if missing_now:
        return f"It has no number. {missing_now}"
    if now is None or then is None:
        return None
    if (now.unit, now.direction) != (then.unit, then.direction):
        return f"It is measured in another way now: in {now.unit} and not in {then.unit}."
    if None in (now.low, now.high, then.low, then.high):
        return NO_RANGE
    return None


def _judged(tried: _Tried, adjusted: float | None) -> Difference:
    """The difference with its word, once the p values of all comparisons are corrected together."""
    raw = tried.difference
    if raw.value is None or raw.low is None or raw.high is None:
        return raw
    outside = not raw.low <= 0 <= raw.high
    decided = outside and (adjusted is None or adjusted < 1 - raw.confidence)  # None: all were counted
    word = _word(raw.value, tried) if decided else "no_difference_shown"
    return raw.model_copy(update={"p_adjusted": adjusted, "word": word})


def _word(difference: float, tried: _Tried) -> DifferenceWord:
    """What a difference that was shown means, by the direction of the metric.

    Of a number that is best at 0, that it differs does not say yet which of the two is nearer to 0.
    """
    worse = tried.worse
    if tried.direction != "descriptive" and worse is not None and worse.low is not None and worse.high is not None:
        if worse.low > 0:
            return "worse"
        if worse.high < 0:
            return "better"
    return "higher" if difference > 0 else "lower"


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
