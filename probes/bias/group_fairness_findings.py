"""What the numbers of ``bias.group_fairness`` say, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.results import Finding, Measurement, Severity
from probes.base import percent
from probes.bias.group_fairness_measures import Compared

PROBE = "bias.group_fairness"
FOUR_FIFTHS = 0.8  # 29 CFR 1607.4 D, the Uniform Guidelines: a lower ratio is taken as evidence of adverse impact
SMALL_DIFFERENCE = 0.9  # an impact ratio whose whole interval is above this counts as no difference that matters
LARGE_GAP = (
    0.10  # in error rates; smaller ones count as no difference that matters once they are surely under half of it
)
MOST_NAMED = 4
_ADVICE = (
    "Find the cause of each gap before the predictions are used for decisions: compare the features and the true "
    "outcomes of the groups, try other thresholds, and have people review what was wrongly denied. The four-fifths rule "
    "is a first screen, not a verdict in law."
)
_ADVICE_ELSE = (
    "Repeat this with later cases and with every group that the decisions concern; a larger table with true outcomes "
    "narrows the ranges."
)
Numbers = Mapping[str, Measurement]


def findings(found: Sequence[Measurement], ways: Sequence[Compared], positive: str) -> list[Finding]:
    """Two for each attribute, about who gets the favourable prediction and about errors; crossed ones where flagged."""
    numbers = {m.metric.removeprefix(f"{PROBE}."): m for m in found}
    told: list[Finding] = []
    for way in ways:
        for finding in (_selection(way, numbers, positive), _errors(way, numbers, positive)):
            if finding is not None and (not way.partition.crossed or finding.outlook == "problem_found"):
                told.append(finding)
    if told:
        return told
    nothing = numbers["accuracy"]
    text = "No groups could be compared: {reason}."
    return [_finding("groups", "not_tested", "none", text, {"reason": nothing.reason or "there are none"}, [nothing])]


def _extremes(way: Compared, places: Sequence[int], metric: str, numbers: Numbers) -> tuple[Measurement, Measurement]:
    """The groups with the lowest and the highest rate."""
    rates = [numbers[f"{metric}[{way.partition.part(place)}]"] for place in places]
    return min(rates, key=lambda m: m.value or 0.0), max(rates, key=lambda m: m.value or 0.0)


def _by(way: Compared) -> str:
    return " and ".join(a.replace("_", " ") for a in way.partition.attributes)


def _group(m: Measurement, way: Compared) -> str:
    return (m.slice or "").removeprefix(f"{way.partition.name}: ")


def _skill(numbers: Numbers) -> tuple[bool, str]:
    """Whether predictions are surely better than ones made without looking at the case; and a sentence where not."""
    accuracy, balanced = numbers["accuracy"], numbers["balanced_accuracy"]
    if any(m.low is not None and m.chance is not None and m.low > m.chance for m in (accuracy, balanced)):
        return True, ""
    if accuracy.value is None:
        return False, "Without true outcomes it is not known whether the predictions are any good."
    return False, (
        f"But the predictions are not clearly better than chance ({percent(accuracy.value)} right, always the commonest "
        f"outcome would give {percent(accuracy.chance or 0.0)}), so nothing is established."
    )


def _selection(way: Compared, numbers: Numbers, positive: str) -> Finding:
    name = way.partition.name
    ratio, gap = numbers[f"impact_ratio[{name}]"], numbers[f"demographic_parity_difference[{name}]"]
    used = [ratio, gap]
    values = {"attribute": _by(way), "positive": positive, "small": _small(way)}
    if ratio.value is None or ratio.low is None or ratio.high is None:
        values["reason"] = ratio.reason or gap.reason or "there is too little to compare"
        text = "Favourable predictions by {attribute} were not compared: {reason}.{small}"
        # Nobody was selected, so nobody was preferred; that is no sign of equal treatment either.
        return _finding(
            f"selection.{name}", "unclear" if gap.value is not None else "not_tested", "none", text, values, used
        )
    lowest, highest = _extremes(way, way.selection, "selection_rate", numbers)
    values |= {
        "ratio": f"{ratio.value:.2f}",
        "range": f"likely between {ratio.low:.2f} and {ratio.high:.2f}",
        "lowest": _group(lowest, way),
        "low_rate": percent(lowest.value or 0.0),
        "highest": _group(highest, way),
        "high_rate": percent(highest.value or 0.0),
        "true": _true_rates(way, lowest, highest, numbers),
        "limit": f"{FOUR_FIFTHS:g}",
    }
    text = (
        "By {attribute}, {low_rate} of the group “{lowest}” got the favourable prediction (class {positive}) and "
        "{high_rate} of the group “{highest}”: a ratio of {ratio} ({range}), where four fifths ({limit}) is the usual "
        "limit.{true}"
    )
    used += [lowest, highest]
    level = 1 - ratio.confidence
    # The gap's test: the ratio asks the same, and leans on the smallest groups.
    established = gap.p_adjusted is not None and gap.p_adjusted < level
    if established and ratio.low < SMALL_DIFFERENCE:
        severity: Severity = "high" if ratio.high < FOUR_FIFTHS else "medium" if ratio.low < FOUR_FIFTHS else "low"
        return _finding(f"selection.{name}", "problem_found", severity, text + "{small}", values, used)
    clean = " A ratio below four fifths would have been found." if ratio.low >= FOUR_FIFTHS else ""
    return _clean_or_unclear(f"selection.{name}", clean, text, values, used, numbers)


def _true_rates(way: Compared, lowest: Measurement, highest: Measurement, numbers: Numbers) -> str:
    """What the true outcomes of the two groups were: a gap may follow theirs, or not."""
    found = [numbers.get(f"outcome_rate[{m.slice}]") for m in (lowest, highest)]
    shares = [m.value for m in found if m is not None and m.value is not None]
    if len(shares) < 2 or lowest is highest:
        return ""
    return f" The true outcome was favourable for {percent(shares[0])} and {percent(shares[1])} of them."


def _errors(way: Compared, numbers: Numbers, positive: str) -> Finding | None:
    name = way.partition.name
    odds = numbers[f"equalized_odds_difference[{name}]"]
    used = [odds]
    values = {"attribute": _by(way), "positive": positive, "small": _small(way)}
    if odds.value is None or odds.low is None or odds.high is None:
        values["reason"] = odds.reason or "there is too little to compare"
        text = "Errors by {attribute} were not compared: {reason}.{small}"
        return _finding(f"errors.{name}", "not_tested", "none", text, values, used)
    kinds = ("true_positive_rate", "false_positive_rate")
    pairs = [_extremes(way, way.odds, kind, numbers) for kind in kinds]
    worst = max((0, 1), key=lambda i: (pairs[i][1].value or 0.0) - (pairs[i][0].value or 0.0))
    lowest, highest = pairs[worst]
    values |= {
        "lowest": _group(lowest, way),
        "low_rate": percent(lowest.value or 0.0),
        "highest": _group(highest, way),
        "high_rate": percent(highest.value or 0.0),
        "gap": _points(odds.value),
        "low": _points(odds.low),
        "high": _points(odds.high),
    }
    whom = (
        "Of cases whose true outcome was favourable" if worst == 0 else "Of cases whose true outcome was not favourable"
    )
    text = (
        whom
        + ", {low_rate} of the group “{lowest}” and {high_rate} of the group “{highest}” got the favourable prediction "
        "(class {positive}): the largest gap in error rates by {attribute} is {gap} points (likely between {low} and {high})."
    )
    used += [lowest, highest]
    established = odds.p_adjusted is not None and odds.p_adjusted < 1 - odds.confidence
    if established and odds.high >= LARGE_GAP / 2:
        severity: Severity = "high" if odds.low >= LARGE_GAP else "medium" if odds.value >= LARGE_GAP else "low"
        return _finding(f"errors.{name}", "problem_found", severity, text + "{small}", values, used)
    clean = f" A gap of {_points(LARGE_GAP)} points would have been found." if odds.high < LARGE_GAP else ""
    return _clean_or_unclear(f"errors.{name}", clean, text, values, used, numbers)


def _points(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.01 or share == 0 else f"{100 * share:.1f}"


def _clean_or_unclear(
    name: str, clean: str, text: str, values: dict[str, str], used: list[Measurement], numbers: Numbers
) -> Finding:
    """``clean`` says what would have been found, and is empty where the interval is too wide for that."""
    able, why = _skill(numbers)
    if not able:
        used = [*used, numbers["accuracy"], numbers["balanced_accuracy"]]
        return _finding(name, "unclear", "none", text + " {why}{small}", values | {"why": why}, used)
    if clean:
        return _finding(name, "no_problem_found", "none", text + clean + "{small}", values, used)
    more = " There are too few cases to say whether the groups are treated alike."
    return _finding(name, "unclear", "none", text + more + "{small}", values, used)


def _small(way: Compared) -> str:
    if not way.small:
        return ""
    rest = len(way.small) - MOST_NAMED
    names = ", ".join(f"“{name}”" for name in way.small[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f" Not compared, because they are too small or of unknown group: {names}."


def _finding(
    name: str,
    outlook: str,
    severity: Severity,
    text: str,
    values: dict[str, str],
    used: Sequence[Measurement],
) -> Finding:
    return Finding.model_validate(
        {
            "id": f"{PROBE}.{name}",
            "probe": PROBE,
            "risk": "bias",
            "outlook": outlook,
            "severity": severity,
            "template": text,
            "values": values,
            "advice": _ADVICE if outlook == "problem_found" else _ADVICE_ELSE,
            "measurements": list(dict.fromkeys(m.metric for m in used)),
        }
    )
