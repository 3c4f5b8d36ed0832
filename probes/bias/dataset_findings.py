"""What the numbers of ``bias.dataset`` say, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.results import Finding, Measurement, Severity
from probes.base import likely_range, percent
from probes.bias.dataset_items import DataSet, rare_crossings

MOST_NAMED = 3
ABLE = 0.8  # AUROC of predicted labels; below it a contradicted label is as likely a hard case as a wrong one
LEAK = 0.99  # AUROC of predicted labels from which a column is taken to repeat the label
LARGE_GAP = 0.20
SURE_PROXY, STRONG_PROXY = 0.90, 0.75
SMALLEST_TONE = 0.10  # in VADER's compound score, half of which (0.05) is where its authors call a text positive
Make = Callable[..., Finding]
SOURCES = {"proxy_auroc": "the other columns", "text_proxy_auroc": "the texts"}

_WHO = (
    "Say whom the data are to stand for, and compare with that (option reference); collect more cases of small groups before "
    "anything is learnt from them or claimed of them."
)
_LABELS = (
    "Find out how the labels came about and whether they measure the same in every group; a model learns the gap as it "
    "stands."
)
_PROXIES = (
    "Leaving out the sensitive column does not hide the group. Ask of each telling column whether the task needs it, and "
    "audit the predictions of a model by group."
)
_MISSING = "Find out why values are missing, and check what filling or dropping does to each group."
_NOISE = "Have people look at contradicted labels of each group, without seeing the group, before a model is trained."
_TEXTS = (
    "Read a sample of the sentences behind the numbers; rebalance or filter with care, for lists of words also catch "
    "quotation, reports and reclaimed speech."
)


@dataclass(frozen=True)
class Judged:
    """The numbers of a data set with what counts as an effect that matters, and what makes a finding of the probe."""

    data: DataSet
    numbers: Sequence[Measurement]
    minimum: int
    smallest_gap: float
    smallest_auroc: float
    make: Make

    def of(self, name: str, attribute: str | None = None) -> list[Measurement]:
        """The measurements of a metric: all, or those of an attribute and of what lies in it."""
        found = [m for m in self.numbers if m.metric.split("[")[0].rpartition(".")[2] == name]
        if attribute is None:
            return found
        return [m for m in found if m.slice == attribute or (m.slice or "").startswith(f"{attribute}: ")]

    def established(self, m: Measurement, smallest: float) -> bool:
        """Whether no effect is excluded, by the corrected test and by the interval, and the value is one that matters."""
        sure = m.p_adjusted is not None and m.p_adjusted < 1 - m.confidence and m.low is not None and m.low > 0
        return sure and m.value is not None and m.value >= smallest


def findings(judged: Judged) -> list[Finding]:
    """One about each question and, where groups of an attribute are compared, one for each attribute."""
    if judged.data.failure is not None:
        share = judged.of("group_share")
        reason = judged.data.failure.reason.rstrip(".")
        return [judged.make("data", "not_tested", "The data set was not examined: {r}.", {"r": reason}, share, _WHO)]
    names = [a.name for a in judged.data.attributes]
    told = _representation(judged)
    if names and not any(m.value is not None for s in SOURCES for m in judged.of(s)):
        reason = judged.of("proxy_auroc")[0].reason or "there is nothing to compare"
        text = "Whether anything else in the data tells the groups was not tested: {reason}."
        told.append(judged.make("proxies", "not_tested", text, {"reason": reason}, judged.of("proxy_auroc"), _PROXIES))
    for name in names:
        told += [_labels(judged, name), *_proxies(judged, name)]
    if names:
        told += [_missing(judged), _noise(judged)]
    return told + (_texts(judged) if any(judged.data.texts) else [])


def _name(m: Measurement) -> str:
    return (m.slice or "").partition(": ")[2]


def _listed(words: Sequence[str]) -> str:
    rest = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _points(m: Measurement) -> str:
    value, low, high = (_number(x or 0.0) for x in (m.value, m.low, m.high))
    return f"{value} points (likely between {low} and {high})"


def _number(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.01 or share == 0 else f"{100 * share:.1f}"


def _severity(m: Measurement) -> Severity:
    return "medium" if (m.value or 0.0) >= LARGE_GAP else "low"


def _representation(judged: Judged) -> list[Finding]:
    data = judged.data
    told: list[Finding] = []
    for distance in judged.of("representation_distance"):
        if distance.slice is not None and distance.value is not None:
            told.append(_against_reference(judged, distance))
    # Of the whole table: that a sample holds few of a group says nothing against the data.
    small = [f"“{n}” ({a.name}, {int((a.codes == a.names.index(n)).sum())})" for a in data.whole for n in a.small]
    shares = judged.of("group_share")
    values = {
        "cases": f"{len(data.whole[0].codes) if data.whole else data.cases:,}",
        "small": _listed(small),
        "minimum": str(judged.minimum),
    }
    few, every = rare_crossings(data, judged.minimum)
    crossed = " Of {every} combinations of two attributes, {few} have fewer than {minimum} cases." if few else ""
    values |= {"few": str(few), "every": str(every)}
    if small:
        few_of = {f"{a.name}: {n}" for a in data.whole for n in a.small}
        shares = [m for m in shares if m.slice in few_of] or shares
        text = (
            "Of {cases} cases, fewer than {minimum} each are of the groups {small}: nothing certain can be said of them, and "
            "a model learns little of them."
        )
        return [
            *told,
            judged.make("small_groups", "problem_found", text + crossed, values, shares, _WHO, severity="low"),
        ]
    if told or not data.attributes:
        return told
    text = (
        "Each group has at least {minimum} of {cases} cases. Whether the shares are right depends on whom the data are to "
        "stand for, which was not given."
    )
    return [judged.make("shares", "unclear", text + crossed, values, shares, _WHO)]


def _against_reference(judged: Judged, distance: Measurement) -> Finding:
    groups = judged.of("group_share", distance.slice)
    least = min(groups, key=lambda m: (m.value or 0.0) / (m.chance or 1.0))
    values = {
        "attribute": str(distance.slice),
        "group": _name(least),
        "share": percent(least.value or 0.0),
        "expected": percent(least.chance or 0.0),
        "range": likely_range(least.low, least.high),
        "distance": percent(distance.value or 0.0),
        "smallest": percent(judged.smallest_gap),
    }
    text = (
        "By {attribute}, {distance} of the cases would have to be of other groups for the shares to be those of the "
        "reference. Furthest below is “{group}”: {share} of the cases ({range}) against {expected}."
    )
    name, used = f"reference.{distance.slice}", [distance, least]
    if judged.established(distance, judged.smallest_gap):
        ratio = (least.value or 0.0) / (least.chance or 1.0)
        severity: Severity = "high" if ratio < 0.5 else "medium" if ratio < 0.8 else "low"
        return judged.make(name, "problem_found", text, values, used, _WHO, severity=severity)
    if distance.high is not None and distance.high < judged.smallest_gap:
        text += " A share of {smallest} would have been found."
        return judged.make(name, "no_problem_found", text, values, used, _WHO)
    return judged.make(name, "unclear", text + " There are too few cases to be sure.", values, used, _WHO)


def _labels(judged: Judged, attribute: str) -> Finding:
    [gap] = judged.of("base_rate_gap", attribute) or judged.of("base_rate_gap")
    name = f"labels.{attribute}"
    values = {"attribute": attribute, "positive": judged.data.positive, "smallest": percent(judged.smallest_gap)}
    compared = {a.part(p) for a in judged.data.attributes for p in a.large}
    rates = [m for m in judged.of("base_rate", attribute) if m.value is not None and m.slice in compared]
    if gap.value is None or not rates:
        text = "Labels by {attribute} were not compared: {reason}."
        values["reason"] = gap.reason or "there is nothing to compare"
        return judged.make(name, "not_tested", text, values, [gap], _LABELS)
    lowest, highest = (pick(rates, key=lambda m: m.value or 0.0) for pick in (min, max))
    values |= {
        "lowest": _name(lowest),
        "low_rate": percent(lowest.value or 0.0),
        "highest": _name(highest),
        "high_rate": percent(highest.value or 0.0),
        "gap": _points(gap),
    }
    text = (
        "By {attribute}, the label {positive} stands with {low_rate} of the group “{lowest}” and {high_rate} of the group "
        "“{highest}”: a gap of {gap}. The data cannot tell whether that is so in the world or comes from how labels were "
        "given."
    )
    if lowest.value == highest.value:
        text = "By {attribute}, the label {positive} stands with {low_rate} of every group that is large enough."
    used = [gap, lowest, highest]
    if judged.established(gap, judged.smallest_gap):
        return judged.make(name, "problem_found", text, values, used, _LABELS, severity=_severity(gap))
    if gap.high is not None and gap.high < judged.smallest_gap:
        text += " A gap of {smallest} would have been found."
        return judged.make(name, "no_problem_found", text, values, used, _LABELS)
    return judged.make(name, "unclear", text + " There are too few cases to be sure.", values, used, _LABELS)


def _proxies(judged: Judged, attribute: str) -> list[Finding]:
    told = []
    for metric, source in SOURCES.items():
        groups = [m for m in judged.of(metric, attribute) if m.value is not None]
        if groups:
            told.append(_proxy(judged, attribute, groups, source))
    return told


def _proxy(judged: Judged, attribute: str, groups: Sequence[Measurement], source: str) -> Finding:
    worst = max(groups, key=lambda m: m.value or 0.0)
    values = {
        "attribute": attribute,
        "source": source,
        "group": _name(worst),
        "auroc": f"{100 * (worst.value or 0.0):.0f}",
        "low": f"{100 * (worst.low or 0.0):.0f}",
        "high": f"{100 * (worst.high or 0.0):.0f}",
        "smallest": f"{100 * judged.smallest_auroc:.0f}",
    }
    text = (
        "Without the column {attribute}, {source} tell the group “{group}” from the others: of one case of each, a simple "
        "prediction picks the right one {auroc} times in 100 (likely between {low} and {high}; guessing gives 50)."
    )
    used = [worst]
    columns = [m for m in judged.of("column_association", attribute) if m.value is not None]
    if columns and source != "the texts":
        text += " The single column that tells most of {attribute} is “{column}”."
        values["column"] = _name(columns[0])
        used.append(columns[0])
    name = f"{'text_' if source == 'the texts' else ''}proxies.{attribute}"
    low, sure = worst.low or 0.0, judged.established(worst, judged.smallest_auroc)
    if sure and low > max(0.5, worst.chance or 0.5):
        severity: Severity = "high" if low >= SURE_PROXY else "medium" if low >= STRONG_PROXY else "low"
        return judged.make(name, "problem_found", text, values, used, _PROXIES, severity=severity)
    if all(m.high is not None and m.high < judged.smallest_auroc for m in groups):
        text += " {smallest} in 100 would have been found."
        return judged.make(name, "no_problem_found", text, values, used, _PROXIES)
    return judged.make(name, "unclear", text + " That is not surely more than chance.", values, used, _PROXIES)


def _missing(judged: Judged) -> Finding:
    gaps = [m for m in judged.of("missing_rate_gap") if m.value is not None]
    if not gaps:
        reason = judged.of("missing_rate_gap")[0].reason or "there is nothing to compare"
        text = "Missing values were not compared: {reason}."
        return judged.make(
            "missing", "not_tested", text, {"reason": reason}, judged.of("missing_rate_gap")[:1], _MISSING
        )
    flagged = [m for m in gaps if judged.established(m, judged.smallest_gap) and ": " in (m.slice or "")]
    flagged = flagged or [m for m in gaps if judged.established(m, judged.smallest_gap)]
    worst = sorted(flagged or gaps, key=lambda m: -(m.value or 0.0))
    values = {
        "listed": _listed([f"{_spoken(m)}: {_points(m)}" for m in worst[: MOST_NAMED if flagged else 1]]),
        "more": str(max(0, len(worst) - MOST_NAMED)),
        "smallest": percent(judged.smallest_gap),
    }
    if flagged:
        text = "Values are missing more often in some groups than in others. Largest gaps: {listed}."
        text += " {more} more gaps are in the report." if len(worst) > MOST_NAMED else ""
        return judged.make("missing", "problem_found", text, values, worst, _MISSING, severity=_severity(worst[0]))
    if not any(m.value for m in judged.of("missing_rate")):
        return judged.make(
            "missing", "no_problem_found", "No case of a known group has an empty cell.", {}, gaps, _MISSING
        )
    text = "Values are missing about alike in the groups. Largest gap: {listed}."
    if all(m.high is not None and m.high < judged.smallest_gap for m in gaps):
        text += " A gap of {smallest} would have been found."
        return judged.make("missing", "no_problem_found", text, values, gaps, _MISSING)
    text = "No gap in missing values is sure. Largest: {listed}. There are too few cases to be sure of none."
    return judged.make("missing", "unclear", text, values, gaps, _MISSING)


def _spoken(m: Measurement) -> str:
    attribute, _, column = (m.slice or "").partition(": ")
    return f"“{column}” by {attribute}" if column else f"any column by {attribute}"


def _noise(judged: Judged) -> Finding:
    ability, gaps = judged.of("label_auroc")[0], judged.of("label_disagreement_gap")
    measured = [m for m in gaps if m.value is not None]
    if ability.value is None or not measured:
        reason = ability.reason or (gaps[0].reason if gaps else None) or "there is nothing to compare"
        text = "Whether labels are wrong more often in some groups was not tested: {reason}."
        return judged.make("label_noise", "not_tested", text, {"reason": reason}, [ability], _NOISE)
    worst = max(measured, key=lambda m: m.value or 0.0)
    rates = [m for m in judged.of("label_disagreement", worst.slice) if m.value is not None]
    highest = max(rates, key=lambda m: m.value or 0.0)
    values = {
        "attribute": str(worst.slice),
        "gap": _points(worst),
        "highest": _name(highest),
        "rate": percent(highest.value or 0.0),
        "auroc": f"{ability.value:.2f}",
        "able": f"{ABLE:g}",
        "smallest": percent(judged.smallest_gap),
    }
    text = (
        "A prediction from the rest of the data contradicts labels with confidence, most often by {attribute} in the group "
        "“{highest}” ({rate}); the gap between groups is {gap}."
    )
    used = [worst, highest, ability]
    alike = judged.of("contradiction_rate")[0]
    if alike.value is not None:
        text += " Of cases that are alike in all else{aside}, {unlike} have one like them with another label."
        aside = [f"“{c.name}”" for c in judged.data.columns if c.kind == "names"]
        values["aside"] = f" ({_listed(aside)} aside)" if aside else ""
        values["unlike"] = percent(alike.value)
        used.append(alike)
    if ability.low is None or ability.low < ABLE:
        text += (
            " But labels are predicted too poorly (AUROC {auroc}, {able} would be enough) to tell wrong labels from hard "
            "cases."
        )
        return judged.make("label_noise", "unclear", text, values, used, _NOISE)
    if ability.value >= LEAK:
        text += (
            " But labels are predicted almost without fail (AUROC {auroc}): some column holds the label in another form. "
            "Name it under ignore."
        )
        return judged.make("label_noise", "unclear", text, values, used, _NOISE)
    if judged.established(worst, judged.smallest_gap):
        return judged.make("label_noise", "problem_found", text, values, used, _NOISE, severity=_severity(worst))
    if all(m.high is not None and m.high < judged.smallest_gap for m in measured):
        text += " A gap of {smallest} would have been found."
        return judged.make("label_noise", "no_problem_found", text, values, used, _NOISE)
    return judged.make("label_noise", "unclear", text + " There are too few cases to be sure.", values, used, _NOISE)


def _texts(judged: Judged) -> list[Finding]:
    named = sorted(judged.of("mention_rate"), key=lambda m: -(m.value or 0.0))
    told = ", ".join(f"{_name(m)} {percent(m.value or 0.0)}" for m in named[:MOST_NAMED])
    values = {"told": told, "texts": f"{named[0].coverage.scored:,}"}
    if not any(m.value for m in named):
        text = "None of {texts} texts names a group of the word lists, so what stands around such names was not tested."
        return [judged.make("texts", "not_tested", text, values, named, _TEXTS)]
    return [
        _around(judged, "sentiment_difference", "texts.sentiment", SMALLEST_TONE, -1, values),
        _around(judged, "hostile_word_difference", "texts.hostile_words", judged.smallest_gap, 1, values),
    ]


def _around(judged: Judged, metric: str, name: str, smallest: float, worse: int, values: dict[str, str]) -> Finding:
    """About sentiment or hostile words in sentences that name a group, against those that name others."""
    measured = [m for m in judged.of(metric) if m.value is not None]
    tone = metric == "sentiment_difference"
    what = "sentiment by VADER is lower" if tone else "hostile words of our list are more frequent"
    begin = "Of {texts} texts, the groups named most are: {told}. " if tone else ""
    if not measured:
        text = begin + "Too few texts name any one group to compare what stands around the names."
        return judged.make(name, "unclear", text, values, judged.of(metric), _TEXTS)
    sure = [m for m in measured if m.p_adjusted is not None and m.p_adjusted < 1 - m.confidence]
    flagged = sorted((m for m in sure if worse * (m.value or 0.0) >= smallest), key=lambda m: -worse * (m.value or 0.0))
    shown = flagged or sorted(measured, key=lambda m: -worse * (m.value or 0.0))[:1]
    values = values | {
        "what": what,
        "smallest": f"{smallest:g}" if tone else percent(smallest),
        "listed": _listed([f"“{_name(m)}” ({_difference(m, tone)})" for m in shown]),
    }
    if flagged:
        text = begin + "In sentences that name these groups, {what} than in those that name others: {listed}."
        large = any(abs(m.value or 0.0) >= (0.3 if tone else LARGE_GAP) for m in flagged)
        return judged.make(name, "problem_found", text, values, flagged, _TEXTS, severity="medium" if large else "low")
    text = begin + "For no group is it established that {what} where it is named; furthest goes {listed}."
    ends = [m.low if worse < 0 else m.high for m in measured]
    if all(end is not None and worse * end < smallest for end in ends):
        text += " A difference of {smallest} would have been found."
        return judged.make(name, "no_problem_found", text, values, measured, _TEXTS)
    return judged.make(name, "unclear", text + " There are too few texts to be sure.", values, measured, _TEXTS)


def _difference(m: Measurement, tone: bool) -> str:
    value, low, high = (x or 0.0 for x in (m.value, m.low, m.high))
    if tone:
        return f"{value:+.2f}, likely between {low:+.2f} and {high:+.2f}"
    return f"{100 * value:+.0f} points, likely between {100 * low:+.0f} and {100 * high:+.0f}"
