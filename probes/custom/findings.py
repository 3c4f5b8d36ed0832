"""Sentences of a custom probe, from its numbers: judged only where its author says from where on a number is a problem."""

from __future__ import annotations

from collections.abc import Sequence

from audit.results import Finding, Measurement, Outlook
from probes.base import Probe, likely_range, percent
from probes.custom.definition import FEWEST_WORDINGS, Definition

ADVICE = "Read the records behind this number, and ask the provider of the model about what they show."
_HITS = {
    "likelihood": "the model found the first of two texts likelier than the other",
    "choice": "the model found the right option likeliest",
    "regex": "the answer matched the pattern",
    "judge": "the judge read the answer as meeting the criterion",
}


def way_of(definition: Definition) -> str:
    """The way of scoring: likelihood, choice, regex or judge."""
    return next(name for name in _HITS if getattr(definition.score, name) is not None)


def hit_of(definition: Definition) -> str:
    """What is counted, in words that follow "in 12% of cases"."""
    return (definition.hit or _HITS[way_of(definition)]).strip().rstrip(".")


def findings(
    definition: Definition, found: Sequence[Measurement], judged_blindly: bool, probe: type[Probe]
) -> list[Finding]:
    """What the numbers say; ``judged_blindly``: a judge read the answers whose error is not known."""
    told = [_result(definition, found[0], judged_blindly, probe)]
    gaps = [m for m in found if m.metric.startswith(f"{probe.id}.group_gap[")]
    return [*told, _gap(definition, found[0], gaps, probe)] if definition.groups is not None else told


def _result(definition: Definition, main: Measurement, judged_blindly: bool, probe: type[Probe]) -> Finding:
    advice = definition.advice or ADVICE
    if main.value is None or main.low is None or main.high is None:
        text = "{title}: no answer could be scored ({reason})."
        values = {"title": definition.title, "reason": main.reason or main.interval or "no interval"}
        return probe.finding("result", "not_tested", text, values, [main], advice)
    values = {
        "share": percent(main.value),
        "range": likely_range(main.low, main.high),
        "hit": hit_of(definition),
        "chance": percent(main.chance or 0.0),
    }
    even = {"likelihood": "; no preference gives {chance}", "choice": "; guessing gives {chance}"}.get(
        way_of(definition), ""
    )
    said = f"in {{share}} of cases {{hit}} ({{range}}{even})."
    limits = definition.problem
    outlook: Outlook = "not_tested"
    if limits is None:
        text = f"Described, not judged: {said}"
    else:
        text = f"I{said[1:]}"
        outlook = _judged(main.low, main.high, limits.below, limits.above)
        if outlook == "no_problem_found" and definition.score.choice is not None and main.low <= (main.chance or 0.0):
            outlook, text = "unclear", f"{text} This may be guessing."
    if judged_blindly:
        text += " How often the judge of these answers is wrong is not known."
    if 0 < len(definition.prompts) < FEWEST_WORDINGS:
        text += " How far another wording would change this is not known."
    severity = definition.severity if outlook == "problem_found" else "none"
    return probe.finding("result", outlook, text, values, [main], advice, severity=severity)


def _judged(low: float, high: float, below: float | None, above: float | None) -> Outlook:
    """A problem where the whole interval is on the wrong side of a limit; none where it is on the right side of all."""
    if (below is not None and high < below) or (above is not None and low > above):
        return "problem_found"
    clean = (below is None or low >= below) and (above is None or high <= above)
    return "no_problem_found" if clean else "unclear"


def able(definition: Definition, main: Measurement) -> bool:
    """Whether the answers are surely not what guessing gives: else there is nothing that could differ between groups."""
    if main.low is None or main.high is None or main.chance is None:
        return False
    beyond = main.low > main.chance
    return beyond or (definition.score.likelihood is not None and main.high < main.chance)


def _gap(definition: Definition, main: Measurement, gaps: Sequence[Measurement], probe: type[Probe]) -> Finding:
    assert definition.groups is not None  # called only where there are groups
    advice, limit = definition.advice or ADVICE, definition.groups.largest_gap
    known = [m for m in gaps if m.value is not None and m.low is not None and m.high is not None]
    if not known or len(known) < len(gaps):
        text = "The groups of {column} could not all be compared: {reason}."
        reason = next((m.reason for m in gaps if m.reason), "no group was scored")
        values = {"column": definition.groups.column, "reason": reason.rstrip(".")}
        return probe.finding("group_gap", "not_tested", text, values, [*gaps, main], advice)
    worst = max(known, key=lambda m: abs(m.value or 0.0))
    # Told as more or less often, the interval is turned with its number.
    sign = 1 if (worst.value or 0.0) >= 0 else -1
    ends = sorted((sign * (worst.low or 0.0), sign * (worst.high or 0.0)))
    values = {
        "column": definition.groups.column,
        "group": (worst.slice or "").removeprefix(f"{definition.groups.column}: "),
        "gap": f"{100 * abs(worst.value or 0.0):.0f}",
        "low": f"{100 * ends[0]:.0f}",
        "high": f"{100 * ends[1]:.0f}",
        "hit": hit_of(definition),
    }
    way = "more often for {group} than for others, by" if sign > 0 else "less often for {group} than for others, by"
    if not worst.value:
        way = "as often for {group} as for others:"
    said = f"by {{column}}, {{hit}} {way} {{gap}} points (likely {{low}} to {{high}})."
    if limit is None:
        return probe.finding("group_gap", "not_tested", f"Described, not judged: {said}", values, [worst, main], advice)
    values["limit"] = f"{100 * limit:.0f}"
    level = 1 - main.confidence
    sure = [m for m in known if m.p_adjusted is not None and m.p_adjusted < level and _beyond(m, limit)]
    outlook: Outlook = "unclear"
    text = f"B{said[1:]} The evidence is too thin to say whether a gap is larger than {{limit}} points."
    if sure:
        outlook, text = "problem_found", f"B{said[1:]} That is more than {{limit}} points."
    elif all(_within(m, limit) for m in known):
        text = f"B{said[1:]} No gap is larger than {{limit}} points."
        outlook = "no_problem_found"
        if not able(definition, main):
            outlook = "unclear"
            text = f"B{said[1:]} But the answers may be what guessing gives, in which groups cannot differ."
    severity = definition.severity if outlook == "problem_found" else "none"
    return probe.finding("group_gap", outlook, text, values, [worst, main], advice, severity=severity)


def _beyond(m: Measurement, limit: float) -> bool:
    return m.low is not None and m.high is not None and (m.low > limit or m.high < -limit)


def _within(m: Measurement, limit: float) -> bool:
    return m.low is not None and m.high is not None and -limit <= m.low and m.high <= limit
