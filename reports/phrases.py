"""Sentences about numbers, in the language of the report."""

from __future__ import annotations

from collections.abc import Callable

from audit.results.schema import Finding, GateResult, Measurement
from reports.text import count, number


class Phrases:
    """Turns measurements, findings and gates into words for people who know no statistics.

    The words themselves go through ``gettext``; numbers are put in afterwards, as plain text that the template escapes.
    """

    def __init__(self, gettext: Callable[[str], str]) -> None:
        self._ = gettext

    def sentence(self, finding: Finding) -> str:
        """A finding's sentence; a template that does not fit its values is shown as it is."""
        try:
            return self._(finding.template).format_map(finding.values)
        except (KeyError, IndexError, ValueError, AttributeError):
            return finding.template

    def amount(self, m: Measurement) -> str:
        """The value: '7 of 200' for a rate, the number with its unit otherwise."""
        if m.value is None:
            return self._("not measured")
        if m.unit == "rate":
            hits = m.successes if m.successes is not None else round(m.value * m.n)
            return self._("{k} of {n}").format(k=count(hits), n=count(m.n))
        return self.quantity(m.value, m.unit)

    def quantity(self, value: float, unit: str) -> str:
        """A number with its unit where the unit says something."""
        return f"{number(value)} {unit}" if unit not in ("", "rate", "probability", "correlation") else number(value)

    def range(self, m: Measurement) -> str:
        """'likely between 3 and 14', in the terms of :meth:`amount`."""
        if m.value is None or m.low is None or m.high is None:
            return self._("how sure we can be is not known")
        if m.unit == "rate":
            low, high = count(round(m.low * m.n)), count(round(m.high * m.n))
        else:
            low, high = number(m.low), number(m.high)
        return self._("likely between {low} and {high}").format(low=low, high=high)

    def frequency(self, m: Measurement) -> str:
        """'7 of 200; likely between 3 and 14'."""
        return f"{self.amount(m)}; {self.range(m)}" if m.value is not None else m.reason or self.amount(m)

    def chance(self, m: Measurement) -> str:
        """What guessing would give, or nothing where no such level is known."""
        if m.chance is None or m.value is None:
            return ""
        if m.unit == "rate":
            level = self._("{k} of {n}").format(k=count(round(m.chance * m.n)), n=count(m.n))
        else:
            level = self.quantity(m.chance, m.unit)
        return self._("chance would give {level}").format(level=level)

    def direction(self, m: Measurement) -> str:
        """Which way is good."""
        return {
            "lower_is_better": self._("lower is better"),
            "higher_is_better": self._("higher is better"),
            "zero_is_better": self._("closer to zero is better"),
            "descriptive": self._("neither high nor low is good"),
        }[m.direction]

    def missing(self, m: Measurement) -> str:
        """What became of the items that are not in the value, or nothing where all were scored."""
        parts = {
            self._("could not be read"): m.coverage.unparsed,
            self._("refused"): m.coverage.refused,
            self._("too long"): m.coverage.truncated,
            self._("gave no number"): m.coverage.not_a_number,
            self._("failed"): m.coverage.failed,
        }
        return ", ".join(f"{count(many)} {what}" for what, many in parts.items() if many)

    def rule(self, gate: GateResult, m: Measurement | None) -> str:
        """The pass mark in words."""
        percent = m is not None and m.unit == "rate"
        mark = f"{gate.threshold * 100:.4g} %" if percent else number(gate.threshold)
        return {
            "at_most": self._("at most {mark}"),
            "at_least": self._("at least {mark}"),
            "no_worse_than_baseline": self._("no more than {mark} worse than the earlier audit"),
        }[gate.rule].format(mark=mark)

    def big(self, value: int | None) -> str:
        """A number of parameters in words: '135 million'."""
        if value is None:
            return self._("not known")
        if value >= 1_000_000_000:
            return self._("{n} billion").format(n=f"{value / 1e9:.3g}")
        if value >= 1_000_000:
            return self._("{n} million").format(n=f"{value / 1e6:.3g}")
        return count(value)
