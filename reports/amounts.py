"""Measured values in words that need no statistics: counts, odds and scales instead of units."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from audit.results.schema import Measurement
from reports.text import count, number

Kind = Literal["rate", "odds", "gap", "agreement", "scale", "date", "other"]

# Rates whose comparison level of 1 is a model that never declines, one that answers whatever it is asked, and a text that
# has nothing to do with the matter. Elsewhere a level of 1 can be a measured one.
_SAFEGUARDED = ("compliance_rate", "compliance_rate_corrected")
_ANSWERED = (
    "invented_entities.fabrication_rate",
    "grounding.ungrounded_answer_rate",
    "premise_accepted_rate",
    "accepted_though_known_rate",
    "accepted_unknown_rate",
    "true_premise_answered_rate",
)
_UNSUPPORTED = (
    "self_consistency.unsupported_rate",
    "self_consistency.corrected_unsupported_rate",
    "grounding.unsupported_claim_rate",
)
_FAR = 14.0  # beyond a million times the odds, or below a millionth, the digits say nothing


def kind(unit: str) -> Kind:
    """How a unit is put into words."""
    if unit.startswith("share"):
        return "scale"
    kinds: dict[str, Kind] = {
        "rate": "rate",
        "nats": "odds",
        "rate difference": "gap",
        "probability difference": "gap",
        "correlation": "agreement",
        "kappa": "agreement",
        "probability": "scale",
        "ratio": "scale",
        "calendar year": "date",
    }
    return kinds.get(unit, "other")


def factor(log_odds: float) -> str:
    """The factor by which odds change, for a difference of log-odds."""
    if abs(log_odds) > _FAR:
        return "over 1,000,000" if log_odds > 0 else "under 0.000001"
    times = math.exp(log_odds)
    return f"{times:,.0f}" if times >= 99.95 else f"{times:.1f}" if times >= 9.995 else f"{times:.2f}"


def hundredths(value: float) -> str:
    """Two decimals, or one digit where two decimals would hide the number."""
    return f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.1g}"


def percent(value: float) -> str:
    """A share as a percentage, with a decimal where it is small."""
    return f"{100 * value:.{0 if value >= 0.0995 or value == 0 else 1}f} %"


class Amounts:
    """Values, ranges and comparison levels of measurements, in the language of the report."""

    def __init__(self, gettext: Callable[[str], str]) -> None:
        self._ = gettext

    def figure(self, m: Measurement, value: float) -> str:
        """A bare number in the terms of :meth:`amount`."""
        return {
            "rate": lambda: count(round(value * m.n)),
            "odds": lambda: factor(value),
            "gap": lambda: number(round(100 * value, 0 if abs(value) >= 0.01 else 1)),
            "agreement": lambda: hundredths(value),
            "scale": lambda: hundredths(value),
            "date": lambda: f"{value:.1f}",
            "other": lambda: number(value),
        }[kind(m.unit)]()

    def amount(self, m: Measurement) -> str:
        """The value: '7 of 200' for a rate, '1.3 times the odds' for a shift, a place on a scale otherwise."""
        return " ".join(part for part in (self.head(m), self.scale(m)) if part)

    def head(self, m: Measurement) -> str:
        """The value without the words about its scale."""
        if m.value is None:
            return self._("not measured")
        x = self.figure(m, m.value)
        known = kind(m.unit)
        if known == "rate":
            hits = m.successes if m.successes is not None else round(m.value * m.n)
            return self._("{k} of {n}").format(k=count(hits), n=count(m.n))
        if known == "odds":
            times = m.direction == "zero_is_better"
            return (self._("{x} times the odds") if times else self._("odds change by a factor of {x}")).format(x=x)
        if known == "gap":
            return self._("a gap of {x} in 100").format(x=x)
        return f"{x} {m.unit}".strip() if known == "other" else x

    def scale(self, m: Measurement) -> str:
        """What the ends of a value's scale mean, where it has ends."""
        known = kind(m.unit)
        if m.value is None or known not in ("agreement", "scale"):
            return ""
        return (
            self._("on a scale where 1 is full agreement and 0 is none")
            if known == "agreement"
            else self._("on a scale from 0 to 1")
        )

    def range(self, m: Measurement) -> str:
        """'likely between 3 and 14', in the terms of :meth:`amount`."""
        if m.value is None or m.low is None or m.high is None:
            return self._("how sure we can be is not known")
        if m.low == m.high:  # counted whole, or the only one there is: no range is likely
            return ""
        low, high = self.figure(m, m.low), self.figure(m, m.high)
        times = kind(m.unit) == "odds" and m.direction == "zero_is_better"
        words = self._("likely between {low} and {high} times") if times else self._("likely between {low} and {high}")
        return words.format(low=low, high=high)

    def frequency(self, m: Measurement) -> str:
        """'7 of 200; likely between 3 and 14'."""
        if m.value is None:
            return m.reason or self.amount(m)
        return "; ".join(part for part in (self.amount(m), self.range(m)) if part)

    def share(self, m: Measurement) -> str:
        """A rate as a percentage, to hold against a pass mark; other values as in :meth:`frequency`."""
        if m.value is None or kind(m.unit) != "rate":
            return self.frequency(m)
        told = f"{percent(m.value)} ({self.amount(m)})"
        if m.low is None or m.high is None:
            return f"{told}; {self.range(m)}"
        if m.low == m.high:
            return told
        words = self._("likely between {low} and {high}").format(low=percent(m.low), high=percent(m.high))
        return f"{told}; {words}"

    def chance(self, m: Measurement) -> str:
        """What guessing, or no effect, would give; nothing where that is not known or goes without saying."""
        if m.chance is None or m.value is None:
            return ""
        known = kind(m.unit)
        if known == "rate" and m.chance >= 1:
            name = m.metric.split("[")[0]
            if m.direction == "lower_is_better" and name.endswith(_SAFEGUARDED):
                return self._("a model without safeguards would do it every time")
            if name.endswith(_ANSWERED):
                return self._("a model that answers whatever it is asked would do it every time")
            if name.endswith(_UNSUPPORTED):
                return self._("with texts on something else: every time")
            return self._("in the comparison: every time")
        if m.chance == 0:
            if known == "odds":
                return (
                    self._("no change would be 1 times")
                    if m.direction == "zero_is_better"
                    else self._("no change would be a factor of 1")
                )
            return ""
        level = self.figure(m, m.chance)
        if known == "rate":
            level = self._("{k} of {n}").format(k=level, n=count(m.n))
        elif known == "gap":
            level = self._("{x} in 100").format(x=level)
        elif known == "other":
            level = f"{level} {m.unit}".strip()
        return self._("chance would give {level}").format(level=level)

    def tendency(self, m: Measurement) -> str:
        """For values that should be zero: to which side they lie, as far as the range tells."""
        if m.direction != "zero_is_better" or m.value is None:
            return ""
        odds = kind(m.unit) == "odds"
        if m.low is None or m.high is None or m.low <= 0 <= m.high:
            return self._("may be up or down")
        if m.low > 0:
            return self._("the odds go up") if odds else self._("above zero")
        return self._("the odds go down") if odds else self._("below zero")

    def direction(self, m: Measurement) -> str:
        """Which way is good, in the terms of :meth:`amount`."""
        if m.direction == "zero_is_better" and kind(m.unit) == "odds":
            return self._("closer to 1 is better")
        return self.side(m)

    def side(self, m: Measurement) -> str:
        """Which way is good, for the value as it was measured."""
        return {
            "lower_is_better": self._("lower is better"),
            "higher_is_better": self._("higher is better"),
            "zero_is_better": self._("closer to zero is better"),
            "descriptive": self._("neither high nor low is good"),
        }[m.direction]

    def basis(self, m: Measurement) -> str:
        """How much lies behind a value, where the value itself does not say it all."""
        if m.value is None:
            return ""
        if m.clusters is not None and m.clusters < m.n:
            words = self._("{n} tries on about {k} different questions")
            return words.format(n=count(m.n), k=count(m.clusters))
        if kind(m.unit) == "rate":
            return ""
        return self._("1 try") if m.n == 1 else self._("{n} tries").format(n=count(m.n))

    def mark(self, m: Measurement | None, threshold: float) -> str:
        """A pass mark in the terms of :meth:`amount`; a share as a percentage."""
        known = "other" if m is None else kind(m.unit)
        if m is None or known == "other":
            return number(threshold)
        if known == "rate":
            return f"{threshold * 100:.4g} %"
        words = {"odds": self._("a factor of {x}"), "gap": self._("{x} in 100")}.get(known, "{x}")
        return words.format(x=self.figure(m, threshold))
