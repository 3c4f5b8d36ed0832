"""Gates: does a measurement's interval lie on the good side of a threshold, or no worse than a baseline's.

A gate is decided by the interval, not by the point. For a family of gates the intervals' z-values give two-sided
p-values that are corrected after Holm (1979), so that with one gate a verdict is decided exactly when the interval
excludes the threshold, and with more the chance that any verdict is wrong stays at 1 - confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm

from audit.baselines import Against
from audit.config import GateConfig
from audit.metrics import CENSUS, holm, more_items_for_mean, more_items_for_rate, more_pairs_for_rates
from audit.pairing import Change
from audit.results import BaselineComparison, GateResult, GateVerdict, Measurement, ProbeRun, Verdict

Rule = Literal["at_most", "at_least", "no_worse_than_baseline"]


@dataclass(frozen=True)
class _Comparison:
    """A number with its interval set against a threshold; ``good_below`` says which side is good."""

    metric: str
    rule: Rule
    threshold: float
    good_below: bool
    value: float | None
    low: float | None
    high: float | None
    measurement: Measurement | None
    missing: str | None = None
    change: Change | None = None
    notes: tuple[str, ...] = ()
    level: float | None = None  # confidence of the interval, where it is not the measurement's

    @property
    def counted(self) -> bool:
        """Whether the value is of all that there is: it is then at its threshold, or it is not."""
        how = self.change.difference.method if self.change is not None else None
        census = self.measurement is not None and (how or self.measurement.interval) == CENSUS
        return census and self.value is not None and self.low == self.value == self.high

    @property
    def p_value(self) -> float | None:
        """Two-sided p-value of 'the truth lies exactly at the threshold', from the side of the interval that faces it."""
        if self.value is None or self.low is None or self.high is None or self.measurement is None:
            return None
        if self.counted:
            return 0.0
        distance = self.threshold - self.value
        side = self.high - self.value if distance > 0 else self.value - self.low
        if distance == 0:
            return 1.0
        if side <= 0:
            return 0.0
        z = norm.ppf(0.5 + (self.level or self.measurement.confidence) / 2) * abs(distance) / side
        return float(2 * norm.sf(z))


def judge(
    gates: Mapping[str, GateConfig],
    measurements: Sequence[Measurement],
    probes: Sequence[ProbeRun],
    against: Against | None,
    confidence: float,
) -> list[GateResult]:
    """The verdict on every condition of every gate, in the order of the config."""
    by_name = {m.metric: m for m in measurements}
    runs = {p.id: p for p in probes}
    comparisons: list[_Comparison] = []
    for name, gate in gates.items():
        found, missing = by_name.get(name), _why_missing(name, by_name.get(name), runs)
        if gate.at_most is not None:
            comparisons.append(_against(name, "at_most", gate.at_most, True, found, missing))
        if gate.at_least is not None:
            comparisons.append(_against(name, "at_least", gate.at_least, False, found, missing))
        if gate.no_worse_than_baseline is not None:
            margin = gate.no_worse_than_baseline
            comparisons.append(_against_baseline(name, margin, found, missing, against, confidence))
    adjusted = holm([c.p_value for c in comparisons])
    return [_verdict(c, p, confidence) for c, p in zip(comparisons, adjusted, strict=True)]


def _why_missing(name: str, found: Measurement | None, runs: Mapping[str, ProbeRun]) -> str | None:
    if found is not None:
        return found.reason if found.value is None else None
    probe = max((p for p in runs if name.startswith(f"{p}.")), key=len, default=None)
    if probe is None:
        return "The probe was not part of this audit."
    run = runs[probe]
    if run.status != "done":
        return f"The probe {probe} {'failed' if run.status == 'failed' else 'is not applicable'}: {run.reason}"
    return f"The audit has no measurement of that name; {probe} did not measure this slice."


def _against(
    name: str, rule: Rule, threshold: float, below: bool, found: Measurement | None, missing: str | None
) -> _Comparison:
    if found is None:
        return _Comparison(name, rule, threshold, below, None, None, None, None, missing)
    return _Comparison(name, rule, threshold, below, found.value, found.low, found.high, found, missing)


def _against_baseline(
    name: str, margin: float, found: Measurement | None, missing: str | None, against: Against | None, confidence: float
) -> _Comparison:
    """How much worse than the baseline: a test of non-inferiority by the interval (Piaggio et al. 2012, JAMA 308:2594)."""
    rule: Rule = "no_worse_than_baseline"
    change = None if against is None or found is None else against.change(found, confidence)
    worse = None if change is None or found is None else change.worse(found.direction)
    if against is None:
        missing = missing or "No baseline was given; use --baseline RESULT."
    elif change is None:
        missing = missing or "The baseline has no such measurement."
    elif worse is not None and (worse.value is None or worse.low is None):
        missing = missing or worse.reason or "The change has no interval."
    if missing or against is None or found is None or change is None or worse is None:
        return _Comparison(name, rule, margin, True, None, None, None, found, missing)
    notes = tuple(against.notes(found.probe))
    return _Comparison(
        name, rule, margin, True, worse.value, worse.low, worse.high, found, None, change, notes, confidence
    )


def _verdict(c: _Comparison, p: float | None, confidence: float) -> GateResult:
    inside = not c.counted and c.low is not None and c.high is not None and c.low <= c.threshold <= c.high
    decided = p is not None and p < 1 - confidence and not inside
    verdict: GateVerdict = "not_established"
    if decided and c.value is not None:
        met = (c.value < c.threshold) == c.good_below or (c.counted and c.value == c.threshold)
        verdict = "met" if met else "not_met"
    return GateResult(
        metric=c.metric,
        rule=c.rule,
        threshold=c.threshold,
        verdict=verdict,
        value=c.value,
        low=c.low,
        high=c.high,
        confidence=confidence,
        p_adjusted=p,
        more_items=_more_items(c, p, confidence) if verdict == "not_established" else None,
        comparison=_compared(c),
        reason=" ".join([_reason(c, verdict), *_how(c)]),
    )


def _reason(c: _Comparison, verdict: GateVerdict) -> str:
    if c.missing or c.value is None or c.low is None or c.high is None:
        return c.missing or "The measurement has no interval."
    side = {"met": "on the good side of", "not_met": "on the bad side of"}.get(verdict)
    if c.counted:
        return f"All were counted: {c.value:.3g} lies {side} {c.threshold:g}."
    interval = f"[{c.low:.3g}, {c.high:.3g}]"
    if side:
        return f"The whole interval {interval} lies {side} {c.threshold:g}."
    if c.low <= c.threshold <= c.high:
        return f"The interval {interval} holds {c.threshold:g}; the evidence does not decide."
    return f"The interval {interval} excludes {c.threshold:g}, but not once all gates are judged together."


def _how(c: _Comparison) -> list[str]:
    """How a number was set against the baseline's, in a few fixed sentences."""
    change = c.change
    if change is None:
        return []
    if not change.paired:
        return ["Compared with the baseline as independent samples.", change.why_not or "", *c.notes]
    now, then = f"{change.now or 0.0:.3g}", f"{change.then or 0.0:.3g}"
    told = [
        f"Compared record by record on {change.shared:,} shared of {change.shared + change.only_now + change.changed:,} "
        f"records: {now} now, {then} in the baseline."
    ]
    if change.only_now or change.only_then or change.changed:
        told.append(
            f"Left out: {change.only_now:,} with a score only now, {change.only_then:,} only in the baseline, "
            f"{change.changed:,} that ask something else."
        )
    return [*told, *c.notes]


def _compared(c: _Comparison) -> BaselineComparison | None:
    change = c.change
    if change is None:
        return None
    return BaselineComparison(
        paired=change.paired,
        why_not=change.why_not,
        method=change.difference.method,
        now=change.now,
        then=change.then,
        shared=change.shared,
        only_now=change.only_now,
        only_then=change.only_then,
        changed=change.changed,
        notes=list(c.notes),
    )


def _more_items(c: _Comparison, adjusted: float | None, confidence: float) -> int | None:
    m = c.measurement
    if m is None or c.value is None or c.low is None or c.high is None or m.n == 0:
        return None
    n = c.change.difference.n if c.change is not None and c.change.paired else m.n
    raw = c.p_value
    if adjusted is not None and raw and not c.low <= c.threshold <= c.high:
        # Decided alone, but not in its family: the interval must exclude the threshold at the family's level.
        needed, now = norm.isf((1 - confidence) * raw / adjusted / 2), norm.isf(raw / 2)
        return max(1, math.ceil(n * float(needed / now) ** 2) - n)
    rate = m.unit == "rate" and c.rule != "no_worse_than_baseline" and 0 <= c.threshold <= 1
    if c.change is not None and c.change.discordant is not None and m.direction != "zero_is_better":
        only_now, only_then = c.change.discordant
        worse = (only_now, only_then) if m.direction == "lower_is_better" else (only_then, only_now)
        return more_pairs_for_rates(*worse, c.low, c.high, n, min(c.threshold, 1.0))
    planner = more_items_for_rate if rate else more_items_for_mean
    return planner(c.value, c.low, c.high, n, c.threshold)


def verdict(gates: Sequence[GateResult], probes: Iterable[ProbeRun], on_inconclusive: str) -> Verdict:
    """The one verdict of an audit, with the exit status of the command.

    An audit that tested nothing is incomplete. A gate that is not met decides first; then a probe that failed, because
    an audit with a hole is never a pass.
    """
    probes = list(probes)
    failed = [p.id for p in probes if p.status == "failed"]
    if probes and all(p.status == "not_applicable" for p in probes):
        text = "Nothing was tested: none of the probes applies to this model."
        return Verdict(status="incomplete", exit_status=3, text=text)
    counts = {v: sum(g.verdict == v for g in gates) for v in ("met", "not_met", "not_established")}
    hole = f" The audit is incomplete: {', '.join(failed)} failed." if failed else ""
    told = f"{counts['met']} of {len(gates)} gates met, {counts['not_met']} not met"
    told += f", {counts['not_established']} not established."
    if counts["not_met"]:
        return Verdict(status="not_met", exit_status=1, text=told + hole)
    if failed:
        return Verdict(status="incomplete", exit_status=3, text=(told if gates else "No gates were set.") + hole)
    if not gates:
        return Verdict(status="no_gates", exit_status=0, text="No gates were set, so nothing was passed or failed.")
    if counts["not_established"]:
        return Verdict(status="not_established", exit_status=4 if on_inconclusive == "fail" else 0, text=told)
    return Verdict(
        status="met", exit_status=0, text=f"All {len(gates)} gates met." if len(gates) > 1 else "The gate is met."
    )
