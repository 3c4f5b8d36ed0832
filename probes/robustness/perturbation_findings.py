"""The sentences of ``robustness.perturbation``: do answers hold when a question is typed, put or ordered differently?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.results import Finding, Measurement, Outlook, Severity
from probes.base import Probe, likely_range, percent
from probes.robustness.perturbation_measures import GUESSING

KNOWING = 0.35  # a model that may be right this often cannot be said to guess
HIGH, MEDIUM = 0.3, 0.15  # of answers flipped beyond a paraphrase, or lost: from here on the severity is that
NAMES = {
    "case": "letter case",
    "typos": "typing errors",
    "spacing": "odd spacing",
    "homoglyphs": "look-alike letters",
    "instruction": "another instruction",
    "option_order": "another order of the options",
}
ADVICE = (
    "Put the model before people who type as your users do, not only before clean test questions. Correct spelling and "
    "normalise characters before the text reaches it, and ask the provider for results under such changes."
)
ADVICE_ORDER = (
    "Do not let the model choose from one list alone: ask with the options in several orders and take what it chooses most "
    "often, or ask without a list."
)
ADVICE_WORDS = (
    "Treat a single answer as one of several that the model might have given: ask in two or three ways where it matters, "
    "and hand the matter to a person where the answers differ."
)
SURFACE_TEXT = (
    "How many answers changed when only the surface of the question did: {shares}. Putting the question in other words "
    "changes {paraphrase}."
)
ORDER_TEXT = (
    "With the same four options listed in another order, the model chose another one in {share} of cases; putting the "
    "question in other words changes {paraphrase} of its answers."
)
Numbers = Mapping[str, Measurement]


def findings(probe: type[Probe], found: Sequence[Measurement], smallest: float, level: float) -> list[Finding]:
    """What the numbers say; ``smallest`` is the share of answers that matters, ``level`` that of the tests."""
    by = {m.metric.removeprefix(f"{probe.id}."): m for m in found}
    kinds = [k for k in NAMES if f"flip_rate[{k}]" in by]
    surface = [k for k in kinds if k != "option_order"]
    told = [_about_rewording(probe, by, smallest)]
    if surface:
        told.append(_about(probe, by, surface, "surface", ADVICE, smallest, level))
    if "option_order" in kinds:
        told.append(_about(probe, by, ["option_order"], "option_order", ADVICE_ORDER, smallest, level))
    return told


def _unable(by: Numbers) -> tuple[Outlook, str, dict[str, str]] | None:
    """Why nothing can be said where the model cannot do the task: there is no answer of its own that could change."""
    accuracy = by["accuracy"]
    if accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return "not_tested", "No unchanged question could be scored.", {}
    if accuracy.low > GUESSING:
        return None
    values = {"accuracy": percent(accuracy.value), "range": likely_range(accuracy.low, accuracy.high)}
    text = (
        "Too few questions were asked to say whether the model can answer them ({accuracy} right; {range}; chance 25%)."
        if accuracy.high >= KNOWING
        else "The model answers these easy questions no better than by guessing ({accuracy} right; {range}), so there is no "
        "knowledge that a change of surface could disturb."
    )
    return "unclear", text, values


def _about_rewording(probe: type[Probe], by: Numbers, smallest: float) -> Finding:
    flips, accuracy = by["paraphrase_flip_rate"], by["accuracy"]
    used = [flips, accuracy, by["worst_case_accuracy"]]

    def told(outlook: Outlook, text: str, values: Mapping[str, str], severity: Severity = "none") -> Finding:
        return probe.finding("rewording", outlook, text, values, used, ADVICE_WORDS, severity=severity)

    unable = _unable(by)
    if unable:
        return told(*unable)
    if flips.value is None or flips.low is None or flips.high is None or accuracy.value is None:
        return told("not_tested", "No paraphrase could be scored beside its question.", {})
    values = {
        "share": percent(flips.value),
        "range": likely_range(flips.low, flips.high),
        "accuracy": percent(accuracy.value),
        "smallest": percent(smallest),
    }
    text = (
        "Asked the same question in other words, the model gave another answer in {share} of cases ({range}); it answers "
        "{accuracy} of the questions rightly as they stand."
    )
    if flips.low > smallest:
        severity: Severity = "high" if flips.low >= HIGH else "medium" if flips.low >= MEDIUM else "low"
        return told("problem_found", text, values, severity)
    if flips.high < smallest:
        return told("no_problem_found", text + " More than {smallest} would have been noticed.", values)
    return told("unclear", text + " Too few questions were asked to say whether that is more than {smallest}.", values)


def _matters(m: Measurement, smallest: float, level: float) -> bool:
    """Whether there is an effect after Holm's correction and it is as large as what matters."""
    if m.value is None or m.low is None or m.p_adjusted is None:
        return False
    return m.low > 0 and m.value >= smallest and m.p_adjusted < level


def _about(
    probe: type[Probe], by: Numbers, kinds: Sequence[str], name: str, advice: str, smallest: float, level: float
) -> Finding:
    flips = {k: by[f"flip_rate[{k}]"] for k in kinds}
    tests = {k: (by[f"flips_beyond_paraphrase[{k}]"], by[f"accuracy_drop[{k}]"]) for k in kinds}
    yardstick = by["paraphrase_flip_rate"]
    listed = [by["accuracy_listed"]] if name == "option_order" else []
    used = [*flips.values(), yardstick, *(m for pair in tests.values() for m in pair), by["accuracy"], *listed]

    def told(outlook: Outlook, text: str, values: Mapping[str, str], severity: Severity = "none") -> Finding:
        return probe.finding(name, outlook, text, values, used, advice, severity=severity)

    unable = _unable(by)
    if unable:
        return told(*unable)
    if yardstick.value is None or any(m.value is None for m in used):
        return told("not_tested", "Not every kind of change could be scored beside its unchanged question.", {})
    values = {
        "shares": ", ".join(f"{NAMES[k]} {percent(m.value or 0)}" for k, m in flips.items()),
        "share": percent(flips[kinds[0]].value or 0),
        "paraphrase": percent(yardstick.value),
        "smallest": f"{100 * smallest:.0f}",
    }
    text = ORDER_TEXT if name == "option_order" else SURFACE_TEXT
    flagged = [k for k, pair in tests.items() if any(_matters(m, smallest, level) for m in pair)]
    if flagged:
        values |= {"flagged": ", ".join(NAMES[k] for k in flagged), "lost": _lost(flagged, tests)}
        worst = max(m.value or 0 for k in flagged for m in tests[k])
        severity: Severity = "high" if worst >= HIGH else "medium" if worst >= MEDIUM else "low"
        return told(
            "problem_found",
            text + " That goes beyond other words, or costs right answers, for {flagged} (right answers lost: {lost}).",
            values,
            severity,
        )
    if listed and (listed[0].low is None or listed[0].low <= GUESSING):
        text += " It is not shown to choose from a list better than by guessing, so that this cannot count as steady."
        return told("unclear", text, values)
    if yardstick.low is not None and yardstick.low > smallest:
        text += " As answers change with any rewording, this cannot count as steady."
        return told("unclear", text, values)
    if all(m.high is not None and m.high < smallest for pair in tests.values() for m in pair):
        return told("no_problem_found", text + " {smallest} points more, or lost, would have been noticed.", values)
    return told("unclear", text + " Too few questions were asked to say whether the difference matters.", values)


def _lost(flagged: Sequence[str], tests: Mapping[str, tuple[Measurement, Measurement]]) -> str:
    return ", ".join(f"{NAMES[k]} {100 * (tests[k][1].value or 0):+.0f} points" for k in flagged)
