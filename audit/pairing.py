"""What became of a number from one result to the next, record by record where both hold the same records.

Two audits of the same questions share most of what makes a number vary: some questions are hard for every model. To set each
record against itself takes that out. What is not shared is counted and left out; what cannot be paired is compared through
the two intervals as of independent samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics import (
    CENSUS,
    FEW_CLUSTERS,
    Estimate,
    difference_of_means,
    mover_difference,
    not_measured,
    p_from_interval,
    paired_mean_difference,
    paired_rate_difference,
)
from audit.results import Direction, Measurement, Record, Turn, observations

SHARES = ("rate", "probability", "share")  # units whose values lie between 0 and 1
PRECISION = 7  # significant digits of a value: more is noise of the machine, and would be a change where there is none
DIGITS = 12  # of the hash of a question; it only tells versions of one record apart
ROUNDING = 1e-9  # of the values: a smaller spread is none
_LONG = 12  # characters: a shorter answer may stand in a question by chance
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What one record adds to a number, without any of its text.

    ``question`` is a hash of what was asked; ``value`` adds to the mean, or where ``less`` to the mean that is taken away.
    """

    record: str
    question: str
    cluster: str
    value: float
    less: bool = False


@dataclass(frozen=True)
class Change:
    """A number now against the same number then.

    Attributes:
        difference: now minus then with its interval and p value; None in it where the two cannot be compared.
        total: now plus then, which the distances from 0 need.
        now, then: the two values over what is compared: over the shared records only, where paired.
        shared, only_now, only_then, changed: records with a score in both results; in one of them; in both, but of another
            question. All 0 where records are not known.
        discordant: of paired shares, the share of pairs with 1 only now and of those with 1 only then.
        paired: whether record was set against record.
        why_not: why it was not, as a sentence.
    """

    difference: Estimate
    total: Estimate
    now: float | None = None
    then: float | None = None
    shared: int = 0
    only_now: int = 0
    only_then: int = 0
    changed: int = 0
    discordant: tuple[float, float] | None = None
    paired: bool = False
    why_not: str | None = None

    def worse(self, direction: Direction) -> Estimate:
        """How much worse it is now: above 0 worse, below 0 better.

        Of a number that is best at 0 the distance from 0 counts, |now| - |then|. With d = now - then and s = now + then that
        is sign(d s) min(|d|, |s|), and its interval is the range of this over the intervals of d and s. Where the signs of
        both numbers are clear it is the interval of d or of s.
        """
        d, s = self.difference, self.total
        if direction == "descriptive":
            return not_measured("The metric has no better or worse direction.", d.confidence)
        if d.value is None or d.low is None or d.high is None or direction == "lower_is_better":
            return d
        if direction == "higher_is_better":
            return replace(d, value=0.0 - d.value, low=0.0 - d.high, high=0.0 - d.low)  # never -0.0
        if s.value is None or s.low is None or s.high is None:
            return replace(d, value=_farther(d.value, (self.now or 0.0) + (self.then or 0.0)), low=None, high=None)
        low, high = _range((d.low, d.high), (s.low, s.high))
        value = _farther(d.value, s.value)
        return replace(d, value=value, low=min(low, value), high=max(high, value), p_value=None)


def seen(measurement: Measurement, records: Sequence[Record]) -> list[Seen] | None:
    """What each record adds to the number; None where it is no mean over ``records`` or their ids are not unique."""
    found = observations(measurement, records)
    if found is None or len({(o.record.id, o.less) for o in found}) < len(found):
        return None
    written: dict[str, set[str]] = {}
    for record in records:
        if record.output and len(record.output.strip()) >= _LONG:
            written.setdefault(record.item, set()).add(record.output.strip())
    return [
        Seen(
            o.record.id,
            question(o.record, written.get(o.record.item, ())),
            o.record.cluster,
            float(f"{o.value:.{PRECISION}g}"),
            o.less,
        )
        for o in found
    ]


def question(record: Record, written: Iterable[str] = ()) -> str:
    """A hash of what was asked: two records of one id with different hashes are of different questions.

    What the model itself wrote earlier is part of many a prompt, and no part of the question: turns of the assistant and
    the answers ``written`` to the same item are left out.
    """
    turns = record.asked.prompt if record.asked is not None else None
    told = turns if isinstance(turns, list) else [Turn(role="user", content=record.input)]
    asked = [turn.content for turn in told if turn.role != "assistant"]
    for answer in sorted(written, key=lambda text: (-len(text), text)):
        asked = [text.replace(answer, "") for text in asked]
    content = [record.item, record.template, record.axis, record.group, asked]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:DIGITS]


def change(
    now: Measurement,
    then: Measurement,
    seen_now: Sequence[Seen] | None,
    seen_then: Sequence[Seen] | None,
    confidence: float,
    *,
    same_items: bool = False,
) -> Change:
    """Now minus then, paired where both are means over records of which they share some.

    Shares: Tango's score interval (1998) and McNemar's exact test (1947). Other means: paired t, or cluster-robust where
    records share a cluster. The change of a difference of two means: cluster-robust, clusters may hold both sides. Where
    nothing can be paired: MOVER of two independent values (Zou & Donner 2008).

    Args:
        now, then: measurements of one metric.
        seen_now, seen_then: what their records add to them; None where that is not known.
        confidence: of the interval, between 0 and 1; ``then`` may have been measured with another.
        same_items: whether it is known that equal ids are equal questions, so that no hashes need agree.
    """
    if now.unit != then.unit or now.direction != then.direction:
        return _neither("The two are measured in different units or directions.", confidence)
    if now.value is None or then.value is None:
        return _neither("One of the two has no value.", confidence)
    if now.interval == then.interval == CENSUS:
        return _apart(now, then, confidence, "All were counted in both results, so that there is nothing to test.")
    if seen_now is None or seen_then is None:
        return _apart(now, then, confidence, "The number is not known as a mean over records in both results.")
    if now.average != then.average:
        return _apart(
            now, then, confidence, "The number follows from its records in another way than in the earlier result."
        )
    pairs, counts = _matched(seen_now, seen_then, same_items)
    sides = [[p for p in pairs if p[0].less is less] for less in (False, True)]
    wanted = sides if now.average is not None and now.average.less is not None else sides[:1]
    if any(len({one.cluster for one, _ in side}) < 2 for side in wanted):
        few = "They share no records." if not pairs else "They share records of fewer than two clusters."
        return _counted(_apart(now, then, confidence, few), counts)
    difference, total = (_combined(wanted, sign, now.unit in SHARES, confidence) for sign in (1, -1))
    discordant = _discordant(wanted[0]) if difference.method.startswith("Tango") else None
    found = Change(difference, total, _mean(wanted, 0), _mean(wanted, 1), discordant=discordant, paired=True)
    return _counted(found, counts)


Pair = tuple[Seen, Seen]


def _mean(sides: Sequence[Sequence[Pair]], which: int) -> float:
    """The number over the pairs, now (0) or then (1)."""
    first, *rest = (fmean(pair[which].value for pair in side) for side in sides)
    return first - sum(rest)


def _discordant(side: Sequence[Pair]) -> tuple[float, float]:
    return fmean(a.value > b.value for a, b in side), fmean(a.value < b.value for a, b in side)


def _matched(now: Sequence[Seen], then: Sequence[Seen], same_items: bool) -> tuple[list[Pair], dict[str, int]]:
    """Pairs of one record each, and how many records are in both, in one, or of another question."""
    before = {(s.record, s.less): s for s in then}
    both = [(s, before[s.record, s.less]) for s in now if (s.record, s.less) in before]
    pairs = [(a, b) for a, b in both if same_items or a.question == b.question]
    ids_now, ids_then = {s.record for s in now}, {s.record for s in then}
    shared = {a.record for a, _ in pairs}
    counts = {
        "shared": len(shared),
        "only_now": len(ids_now - {a.record for a, _ in both}),
        "only_then": len(ids_then - {b.record for _, b in both}),
        "changed": len({a.record for a, _ in both} - shared),
    }
    return pairs, counts


def _counted(found: Change, counts: dict[str, int]) -> Change:
    shared, only_now, only_then, changed = (counts[name] for name in ("shared", "only_now", "only_then", "changed"))
    return replace(found, shared=shared, only_now=only_now, only_then=only_then, changed=changed)


def _combined(sides: Sequence[Sequence[Pair]], sign: int, shares: bool, confidence: float) -> Estimate:
    """Now minus ``sign`` times then: the mean over the first side, less the mean over the second where there is one."""
    parts = [_side(side, sign, shares, confidence) for side in sides]
    if len(parts) == 1:
        return parts[0]
    (a, b, named), (c, d, others) = (_columns(side, sign) for side in sides)
    found = difference_of_means(a - b, c - d, (named, others), confidence)
    robust = replace(found, method=f"paired {found.method}")
    if all(_departing(side, sign) >= FEW_CLUSTERS for side in sides):
        return robust
    # Too few clusters differ for their variance to mean much: at least as wide as the two sides on their own.
    known = [
        (p.value, p.low, p.high) for p in parts if p.value is not None and p.low is not None and p.high is not None
    ]
    if len(known) < 2:
        return replace(robust, low=None, high=None, p_value=None, method=next(p.method for p in parts if p.low is None))
    _, low, high = mover_difference(known[0], known[1])
    if robust.low is not None and robust.high is not None:
        low, high = min(low, robust.low), max(high, robust.high)
    return replace(
        robust, low=low, high=high, p_value=None, method="MOVER of the two paired changes; few clusters differ"
    )


def _columns(side: Sequence[Pair], sign: int) -> tuple[Floats, Floats, list[str]]:
    now, then = (np.array([p[i].value for p in side]) for i in (0, 1))
    return now, sign * then, [a.cluster for a, _ in side]


def _departing(side: Sequence[Pair], sign: int) -> int:
    """Clusters in which anything differs."""
    return len({a.cluster for a, b in side if a.value != sign * b.value})


def _side(side: Sequence[Pair], sign: int, shares: bool, confidence: float) -> Estimate:
    """Mean of now minus ``sign`` times then over pairs."""
    now, then, clusters = _columns(side, sign)
    if sign == 1 and np.isin([now, then], (0.0, 1.0)).all():
        return paired_rate_difference(now, then, clusters, confidence)
    limits: tuple[float, float] | None = None
    if shares and min(now.min(), (sign * then).min()) >= 0 and max(now.max(), (sign * then).max()) <= 1:
        limits = (-1.0, 1.0) if sign == 1 else (0.0, 2.0)
    elif _departing(side, sign) < FEW_CLUSTERS or np.ptp(now - then) <= ROUNDING * np.abs([now, then]).max():
        # No bound is known: a record that changed is taken to move no farther than the values seen lie apart.
        reach = float(max(np.ptp(np.concatenate([now, then])), np.abs(now - then).max()))
        limits = (-reach, reach) if reach > 0 else None
    return paired_mean_difference(now, then, clusters, confidence, bounds=limits)


def at_confidence(m: Measurement, confidence: float) -> Measurement:
    """The measurement with its interval widened or narrowed to another confidence, as a normal one would be."""
    if m.confidence == confidence or m.value is None or m.low is None or m.high is None:
        return m
    factor = stats.norm.ppf(0.5 + confidence / 2) / stats.norm.ppf(0.5 + m.confidence / 2)
    low, high = m.value - factor * (m.value - m.low), m.value + factor * (m.high - m.value)
    return m.model_copy(update={"low": low, "high": high, "confidence": confidence})


def _apart(now: Measurement, then: Measurement, confidence: float, why_not: str) -> Change:
    """The two as independent samples, through their intervals."""
    ends = []
    for m in (at_confidence(now, confidence), at_confidence(then, confidence)):
        if m.value is None or m.low is None or m.high is None:
            return replace(_neither("One of the two has no interval.", confidence), now=now.value, then=then.value)
        ends.append((m.value, m.low, m.high))
    first, (value, low, high) = ends
    n = now.n + then.n
    counted = now.interval == then.interval == CENSUS
    method = CENSUS if counted else "MOVER of two independent values"
    found = []
    for known in (mover_difference(first, (value, low, high)), mover_difference(first, (-value, -high, -low))):
        p_value = None if counted else p_from_interval(known, confidence)
        found.append(Estimate(*known, n, None, confidence, method, p_value=p_value))
    return Change(found[0], found[1], now.value, then.value, why_not=why_not)


def _neither(reason: str, confidence: float) -> Change:
    none = not_measured(reason, confidence)
    return Change(none, none, why_not=reason)


def _farther(d: float, s: float) -> float:
    """|now| - |then| from their difference and sum."""
    return float(np.sign(d) * np.sign(s)) * min(abs(d), abs(s)) + 0.0  # never -0.0


def _range(d: tuple[float, float], s: tuple[float, float]) -> tuple[float, float]:
    """The lowest and the highest of ``_farther`` over a box: at its corners, or 0 where the box crosses an axis."""
    found = [_farther(x, y) for x in d for y in s]
    if d[0] <= 0 <= d[1] or s[0] <= 0 <= s[1]:
        found.append(0.0)
    return min(found), max(found)
