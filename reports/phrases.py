"""Sentences about numbers, in the language of the report."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from babel.numbers import format_compact_decimal

from audit.results.schema import (
    Finding,
    Measurement,
)
from audit.results.verdicts import GateResult, Verdict
from reports.amounts import Amounts, kind
from reports.charts import Mark
from reports.languages import SOURCE, mark
from reports.text import count, number, sentences

NARROW = 28  # characters of a translated label in a line: those of some scripts are twice as wide
# Phrases with numbers that the probes put into the places of their sentences.
VALUE_PHRASES = (
    mark("likely between {low} and {high}"),
    mark("likely between {low} and {high} points"),
    mark("difference likely between {low} and {high} points"),
    mark("{x} (likely {low} to {high})"),
    mark("{x} points (likely between {low} and {high})"),
    mark("{x} (range not known)"),
    mark("range not known"),
    mark("{n} percentage points"),
    mark("{n} percentage points more frequent"),
    mark("{n} percentage points less frequent"),
    mark("{n} percentage points more often than"),
    mark("{n} percentage points less often than"),
    mark("{k} of at least {n} examples"),
    mark("{n} files"),
    mark("more than {n}"),
)


# What the verdict on all pass marks is made of; ``audit.gates`` says gates.
VERDICT_PHRASES = (
    mark("{met} of {all} pass marks met, {missed} not met, {open} not established."),
    mark("All {all} pass marks met."),
    mark("The pass mark is met."),
    mark("No pass marks were set, so nothing was passed or failed."),
    mark("No pass marks were set."),
    mark("The audit is incomplete: {failed} failed."),
    mark("Nothing was tested: none of the probes applies to this model."),
)

# What the reason of a gate is made of; ``audit.gates`` writes them.
REASON_PHRASES = (
    mark("The whole interval {interval} lies on the good side of {threshold}."),
    mark("The whole interval {interval} lies on the bad side of {threshold}."),
    mark("The interval {interval} holds {threshold}; the evidence does not decide."),
    mark("The interval {interval} excludes {threshold}, but not once all gates are judged together."),
    mark("All were counted: {x} lies on the good side of {threshold}."),
    mark("All were counted: {x} lies on the bad side of {threshold}."),
    mark("Compared record by record on {n} shared of {all} records: {now} now, {then} in the baseline."),
    mark("Left out: {new} with a score only now, {gone} only in the baseline, {changed} that ask something else."),
)
# Whole sentences of the same, which have no places.
REASONS = (
    mark("Compared with the baseline as independent samples."),
    mark("The number is not known as a mean over records in both results."),
    mark("The number follows from its records in another way than in the earlier result."),
    mark("They share no records."),
    mark("They share records of fewer than two clusters."),
    mark("All were counted in both results, so that there is nothing to test."),
    mark("The probe had other options in the baseline."),
    mark("The baseline was made by another version of the code."),
    mark("Other models read the answers in the baseline."),
    mark("No baseline was given; use --baseline RESULT."),
    mark("The baseline has no such measurement."),
    mark("The metric has no better or worse direction."),
    mark("The change has no interval."),
    mark("The two are measured in different units or directions."),
    mark("One of the two has no value."),
    mark("One of the two has no interval."),
    mark("The probe was not part of this audit."),
    mark("The audit has no number of this name."),
    mark("The first has no number."),
    mark("There is no number."),
    mark("There is no interval."),
    mark("The measurement has no interval."),
)


def _pattern(phrase: str, inside: str = "[^ ]+") -> re.Pattern[str]:
    """What a phrase looks like with its places filled, by numbers if nothing else is said."""
    parts = re.split(r"\{(\w+)\}", phrase)
    return re.compile("".join(f"(?P<{part}>{inside})" if i % 2 else re.escape(part) for i, part in enumerate(parts)))


_VERDICTS = tuple((phrase, _pattern(phrase, ".+")) for phrase in VERDICT_PHRASES)
_PHRASES = tuple((phrase, _pattern(phrase)) for phrase in VALUE_PHRASES)
_REASONS = tuple((phrase, _pattern(phrase, ".+?")) for phrase in REASON_PHRASES)


class Phrases(Amounts):
    """Turns measurements, findings and gates into words for people who know no statistics.

    The words themselves go through ``gettext``; numbers are put in afterwards, as plain text that the template escapes.
    """

    def __init__(self, gettext: Callable[[str], str], language: str = SOURCE) -> None:
        super().__init__(gettext)
        self.language = language

    def say(self, text: str) -> str:
        """A text of the result in the language of the page: as a whole where the catalogue has it, else by sentences."""
        whole = self._(text) if text else ""  # under the empty text lies the catalogue's head
        return whole if whole != text else " ".join(self._(part) if part else "" for part in sentences(text))

    def value(self, text: str) -> str:
        """What fills a place of a finding: a word that the catalogue has, or numbers in one of a few phrases."""
        return self._filled(text, _PHRASES) or self.say(text)

    def _filled(self, text: str, phrases: Sequence[tuple[str, re.Pattern[str]]]) -> str | None:
        """The first of the phrases that the text is, translated and filled again."""
        for phrase, pattern in phrases:
            match = pattern.fullmatch(text)
            if match:
                return self._(phrase).format_map(match.groupdict())
        return None

    def lines(self, mark: Mark) -> list[str]:
        """The label of a mark of a chart in the lines that are kept for it."""
        label = self.say(mark.label)
        if label == mark.label:
            return mark.lines
        made = textwrap.wrap(label, NARROW) or [""]
        return (
            made if len(made) <= len(mark.lines) else [*made[: len(mark.lines) - 1], made[len(mark.lines) - 1] + " …"]
        )

    def sentence(self, finding: Finding) -> str:
        """A finding's sentence; a template that does not fit its values is shown as it is."""
        try:
            values = {key: self.value(value) for key, value in finding.values.items()}
            return self.say(finding.template).format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError):
            return finding.template

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

    def rule(self, gate: GateResult, m: Measurement | None = None) -> str:
        """The pass mark in words; without its measurement, the bare threshold."""
        if gate.rule == "coverage_at_least":
            return self._("at least {share} % could be scored").format(share=f"{100 * gate.threshold:.4g}")
        mark = self.mark(m, gate.threshold) if m is not None else number(gate.threshold)
        if m is not None and gate.rule == "no_worse_than_baseline" and kind(m.unit) == "rate":
            # A loss is a difference of two rates: "5 %" could be read as 5 % of the earlier rate.
            mark = self._("{n} percentage points").format(n=f"{100 * gate.threshold:.4g}")
        return {
            "at_most": self._("at most {mark}"),
            "at_least": self._("at least {mark}"),
            "no_worse_than_baseline": self._("no more than {mark} worse than the earlier audit"),
        }[gate.rule].format(mark=mark)

    def told(self, verdict: Verdict) -> str:
        """The verdict's text as the card puts it: a gate is called a pass mark there."""
        text = re.sub(r"\b([Gg])ate(s?)\b", lambda m: f"{'P' if m[1] == 'G' else 'p'}ass mark{m[2]}", verdict.text)
        return " ".join(self._filled(sentence, _VERDICTS) or self.say(sentence) for sentence in sentences(text))

    def reason(self, text: str) -> str:
        """The reason of a gate, sentence by sentence."""
        return " ".join(self._filled(sentence, _REASONS) or self.say(sentence) for sentence in sentences(text))

    def big(self, value: int | None) -> str:
        """A number of parameters in words: '135 million', or as the page's language counts."""
        if value is None:
            return self._("not known")
        if self.language != SOURCE:
            return format_compact_decimal(value, format_type="short", locale=self.language, fraction_digits=2)
        if value >= 1_000_000_000:
            return f"{value / 1e9:.3g} billion"
        if value >= 1_000_000:
            return f"{value / 1e6:.3g} million"
        return count(value)
