"""Words and numbers that all exports share.

Names, reasons and findings can carry text from a model or its files. Characters that hide or reorder text, or that a
format forbids, are written out as ``⟨U+202E⟩``: a reader sees that they were there.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence

from audit.results import AuditResult, Coverage, Finding, GateResult, GateVerdict, ProbeRun, Severity

# Controls, lone surrogates, bidirectional marks, invisible spaces, tag characters, and what XML 1.0 forbids. Tab and
# newline stay, and so do the two joiners (U+200C, U+200D), which several scripts need for ordinary words.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)

GATE_WORDS: dict[GateVerdict, str] = {"met": "met", "not_met": "not met", "not_established": "not established"}
SEVERITY_ORDER: dict[Severity, int] = {"high": 0, "medium": 1, "low": 2, "none": 3}
NO_NUMBER = "not measured"
INCOMPLETE = "audit.incomplete"  # the name of the alert


def visible(text: str) -> str:
    """The text with every hidden or forbidden character written out as its code point."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text.replace("\r\n", "\n"))


def one_line(text: str, limit: int | None = None) -> str:
    """The visible text on one line, cut with an ellipsis where it is longer than ``limit``."""
    line = " ".join(visible(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def number(value: float | None) -> str:
    """A number to four significant digits, whole from ten thousand on; words where there is none."""
    if value is None:
        return NO_NUMBER
    if abs(value) >= 1e15:
        return f"{value:.3e}"
    if abs(value) >= 10_000:
        return f"{value:.0f}"
    return f"{value + 0.0:.4g}" if value else "0"


def percent(confidence: float) -> str:
    """A confidence level, or another share, as people write it: 0.95 is ``95%``."""
    return f"{100 * confidence:.4g}%"


def interval(low: float | None, high: float | None) -> str:
    """An interval in words; the open side of a one-sided one is named."""
    if low is None and high is None:
        return "no interval"
    if low is None:
        return f"up to {number(high)}"
    return f"from {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def measured(gate: GateResult) -> str:
    """The value that a gate compared, with its interval; a share of what was planned is counted and has none."""
    if gate.value is None:
        return NO_NUMBER
    if gate.rule == "coverage_at_least":
        return planned(gate.coverage) or number(gate.value)
    return f"{number(gate.value)} ({percent(gate.confidence)} interval: {interval(gate.low, gate.high)})"


def condition(gate: GateResult) -> str:
    """What the gate asks for."""
    words = {
        "at_most": "at most {}",
        "at_least": "at least {}",
        "no_worse_than_baseline": "no more than {} worse than the baseline",
        "coverage_at_least": "at least {} of what was planned scored",
    }
    mark = percent(gate.threshold) if gate.rule == "coverage_at_least" else number(gate.threshold)
    return words[gate.rule].format(mark)


def planned(coverage: Coverage | None) -> str:
    """How many of the planned were scored; nothing where that is not known."""
    return "" if coverage is None else f"{coverage.scored} of {coverage.planned}"


def observations(result: AuditResult, metric: str) -> int | None:
    """How many observations are behind a metric; None where it was not measured."""
    measurement = result.measurement(metric)
    return None if measurement is None else measurement.n


def count(observed: int | None) -> str:
    """A number of observations in words."""
    return "unknown" if observed is None else str(observed)


def fails(result: AuditResult, gate: GateResult) -> bool:
    """Whether a gate fails the audit: not met, or not established where the config counts that as a failure.

    The config says so and not the exit status, which is that of the gravest gate or of a probe that failed.
    """
    run = result.manifest.config.get("run")
    strict = result.verdict.exit_status == 4 or (isinstance(run, dict) and run.get("on_inconclusive") == "fail")
    return gate.verdict == "not_met" or (gate.verdict == "not_established" and strict)


def stopped_outside(result: AuditResult) -> bool:
    """Whether the audit is incomplete though no probe failed: nothing else would say that it is not as it should be."""
    return result.verdict.status == "incomplete" and all(probe.status != "failed" for probe in result.probes)


def settles(gate: GateResult) -> str:
    """How much more testing a gate that is not established would need; empty where that is not known."""
    return "" if gate.more_items is None else f"About {gate.more_items} more items would settle it."


def gate_told(result: AuditResult, gate: GateResult) -> str:
    """What a gate asks for, what was measured, and what follows, for a system that shows one text."""
    n = count(observations(result, gate.metric))
    asked = f"{gate.metric} must be {condition(gate)}; measured {measured(gate)}, n {n}."
    return f"{asked} {gate.reason} {settles(gate)}".rstrip()


def fingerprint(result: AuditResult, identity: Sequence[str]) -> str:
    """What an alert is known by from run to run: of the model and of what it is about, without any number."""
    return hashlib.sha256(json.dumps([result.model.name, *identity]).encode()).hexdigest()


def sentence(finding: Finding) -> str:
    """The finding in English; its bare template where the values do not fit, since a report must always be drawn."""
    try:
        return finding.text
    except (LookupError, ValueError, AttributeError):
        return finding.template


def probe_of(result: AuditResult, metric: str) -> ProbeRun | None:
    """The probe that a metric belongs to; by name where the metric has no measurement."""
    measurement = result.measurement(metric)
    if measurement is not None:
        return next((probe for probe in result.probes if probe.id == measurement.probe), None)
    owners = [probe for probe in result.probes if metric.startswith(f"{probe.id}.")]
    return max(owners, key=lambda probe: len(probe.id), default=None)


def whole(seconds: float) -> str:
    """Seconds with three decimals, never negative."""
    return f"{max(seconds, 0.0):.3f}" if math.isfinite(seconds) else "0.000"
