"""The verdict of each method by the rule of the config, and the sentences that tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from audit.metrics import Estimate, bootstrap, smallest_detectable
from audit.models import Method
from audit.results import Finding, Measurement, Outlook, Severity
from probes.base import LEAST_SCORED, percent
from probes.explainability.attribution_measures import CLAIMS_COMPLETENESS, Explained, says_nothing
from probes.explainability.attribution_requests import Rule, diverged

Verdict = Literal["supported", "weak", "not supported", "not tested"]
LEAST_DROP = 0.5
"""What the change with randomised weights must exceed: half of the way from the same order to an unrelated one."""
MOST = 0.5
"""Share of cases in which methods must name the same word to be called agreed: better than chance is too little."""
LABELS: Mapping[Method, str] = {
    "leave_one_out": "leave one out",
    "shapley_sampling": "Shapley sampling",
    "kernel_shap": "KernelSHAP",
    "lime": "LIME",
    "saliency": "saliency",
    "input_x_gradient": "input x gradient",
    "integrated_gradients": "integrated gradients",
}
ADVICE = (
    "Show an explanation to a person only with its test beside it. Where the law grants a right to an explanation, "
    "ask the provider for one that passes such a test."
)


class Says(Protocol):
    """How a probe makes a finding."""

    def __call__(
        self,
        name: str,
        outlook: Outlook,
        template: str,
        values: Mapping[str, str],
        used: Sequence[Measurement],
        advice: str,
        *,
        severity: Severity = "none",
    ) -> Finding:
        """See ``probes.base.Probe.finding``."""
        ...


@dataclass(frozen=True)
class Judged:
    """A method's verdict; ``why`` it is no better, in half a sentence."""

    verdict: Verdict
    why: str = ""


def judged(
    method: Method, gain: Measurement, error: Measurement | None, drop: Measurement | None, rule: Rule
) -> Judged:
    """The verdict of one method.

    Supported: the gain is above 0 after Holm's correction over methods, the median completeness error is within the rule
    where the method claims to add up, randomised weights change the explanation, and at most a tenth of what each of these
    was to be of has no score, because the rest need not be like it. Weak: the gain is above 0, but one of the others fails or
    was not measured. Not supported: the gain is not above 0. Not tested: too few decisions.
    """
    if gain.value is None:
        return Judged("not tested", "no explanation could be tested")
    if gain.n < rule.fewest:
        return Judged("not tested", f"{gain.n} of at least {rule.fewest} examples")
    p = gain.p_adjusted
    if gain.low is None or gain.low <= 0 or p is None or p > rule.level:
        return Judged("not supported", "hiding its words could not be told from hiding random words")
    failed = (
        [f"it could be tested on only {percent(_scored(gain))} of the decisions"]
        if _scored(gain) < LEAST_SCORED
        else []
    )
    if method in CLAIMS_COMPLETENESS:
        if error is None or error.value is None:
            failed.append("whether its scores add up was not measured")
        elif error.value > rule.completeness:
            failed.append(f"its scores miss their sum by {percent(error.value)} in the middle case")
        elif _scored(error) < LEAST_SCORED and not failed:
            failed.append(f"whether its scores add up was measured on only {percent(_scored(error))} of the decisions")
    if rule.randomisation:
        if drop is None or drop.value is None or drop.low is None:
            failed.append("whether it depends on the model's weights was not measured")
        elif drop.low <= LEAST_DROP:
            failed.append("it changed too little, or too unclearly, when the model's weights were shuffled")
        elif _scored(drop) < LEAST_SCORED:
            failed.append(
                f"with shuffled weights it could be asked for on only {percent(_scored(drop))} of those to be checked"
            )
    return Judged("weak", " and ".join(failed)) if failed else Judged("supported")


def _scored(of: Measurement) -> float:
    """The share of what a measurement was to be of that it is of."""
    return of.coverage.scored / of.coverage.planned if of.coverage.planned else 1.0


def faithfulness_finding(
    says: Says, done: Sequence[Explained], found: Judged, used: Sequence[Measurement], rule: Rule, family: int
) -> Finding:
    """What the default method's explanations are worth; ``family``: how many methods share the level."""
    gain = used[0]
    values = {"n": str(gain.n), "fewest": str(rule.fewest), "why": found.why}
    outlook: Outlook = "not_tested"
    severity: Severity = "none"
    if found.verdict == "not tested":
        text = "Too few decisions could be explained to judge the explanations ({n}; {fewest} are needed)."
        return says("faithfulness", outlook, text, values, used, ADVICE)
    values |= _numbers(done, gain, rule, family)
    how = (
        "hiding them changed the model's confidence {ratio} times as much as hiding the same number of random words "
        "(likely range {lo} to {hi}; {n} examples)"
        if "ratio" in values
        else "hiding them, and leaving nothing but them, told {gain} nats more of the model's confidence than as many random "
        "words did ({n} examples)"
    )
    told = " An advantage of {smallest} would have been noticed; it was {gain} (in nats, the unit of confidence used here)."
    if found.verdict == "supported":
        outlook = "no_problem_found"
        text = "The words that this report highlights really drove the answers: " + how + "." + told
    elif found.verdict == "weak":
        outlook = "unclear"
        text = "The words that this report highlights mattered more than others: " + how + ". But {why}." + told
    else:
        below = gain.high is not None and gain.high <= 0
        outlook, severity = ("problem_found", "medium") if below else ("unclear", "none")
        text = "Do not rely on the highlighted words: " + (
            "hiding them, or leaving nothing but them, changed the answers no more than random words do ({n} examples)."
            if below
            else "with {n} examples, hiding them, and leaving nothing but them, could not be told from doing so with random "
            "words. An advantage of {smallest} nats would have been noticed."
        )
    return says("faithfulness", outlook, text, values, used, ADVICE, severity=severity)


def _numbers(done: Sequence[Explained], gain: Measurement, rule: Rule, family: int) -> dict[str, str]:
    """The gain, the smallest that would show, and how many times as much as random words the marked ones mattered.

    The smallest is that of the level divided by the number of methods, which is the least that Holm leaves to one of them. The
    ratio is of hiding alone and is left out where it is not surely above 1: the gain then comes from keeping, too.
    """
    gains = [e.main.gain for e in done]
    smallest = smallest_detectable(gains, rule.level / family) or 0.0
    values = {"gain": f"{gain.value or 0.0:.2f}", "smallest": f"{smallest:.2f}"}
    ratio = ratio_to_random(done, gain.confidence)
    if ratio.value is not None and ratio.low is not None and ratio.high is not None and ratio.low > 1:
        values |= {"ratio": f"{ratio.value:.1f}", "lo": f"{ratio.low:.1f}", "hi": f"{ratio.high:.1f}"}
    return values


def ratio_to_random(done: Sequence[Explained], confidence: float) -> Estimate:
    """Mean comprehensiveness over that of random words, with a paired bootstrap interval over decisions."""

    def ratio(own: np.ndarray, random: np.ndarray, axis: int = -1) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            below = random.mean(axis=axis)
            return np.where(below > 0, own.mean(axis=axis) / below, np.nan)

    pairs = np.array([(e.main.comprehensiveness, e.main.random_comprehensiveness) for e in done]).reshape(-1, 2)
    return bootstrap((pairs[:, 0], pairs[:, 1]), ratio, None, confidence)


def methods_finding(
    says: Says,
    verdicts: Mapping[Method, Judged],
    explained: Sequence[Explained],
    used: Sequence[Measurement],
    rule: Rule,
) -> Finding:
    """Whether methods agree, and the verdict of each."""
    same, agreement = used
    each = "; ".join(
        f"{LABELS[m]}: {j.verdict}{f' ({j.why})' if j.why else ''}{_not_drawn(m, explained, rule)}"
        for m, j in verdicts.items()
    )
    values = {"each": each, "n": str(same.n), "fewest": str(rule.fewest)}
    advice = "Do not choose among methods by what their pictures show; use the ones that passed their test."
    if len(verdicts) < 2:
        text = "Only one method explained the decisions, so there is nothing to compare it with. By method: {each}."
        return says("methods", "not_tested", text, values, used, advice)
    if same.value is None or same.chance is None or agreement.low is None or same.n < 2:
        text = "Too few decisions were explained by several methods to compare them. By method: {each}."
        return says("methods", "not_tested", text, values, used, advice)
    values |= {"share": percent(same.value), "chance": percent(same.chance)}
    text = (
        "Different explanation methods named the same most important word in {share} of cases; chance would be {chance} "
        "({n} examples). By method: {each}."
    )
    outlook: Outlook = "unclear"
    sound = all(j.verdict != "not supported" for j in verdicts.values())
    most = same.low is not None and same.low > max(same.chance, MOST)
    if same.n >= rule.fewest and agreement.low > 0 and most and sound:
        outlook = "no_problem_found"
    return says("methods", outlook, text, values, used, advice)


def _not_drawn(method: Method, explained: Sequence[Explained], rule: Rule) -> str:
    """How many explanations of a method have no picture, and why."""
    reasons = [why_not_drawn(e, method, rule) for e in explained if method in e.tested]
    counts = Counter(r.split(":")[0] for r in reasons if r is not None)
    return "".join(f", {reason} in {n} of {len(reasons)}" for reason, n in counts.items())


def why_not_drawn(one: Explained, method: Method, rule: Rule) -> str | None:
    """Why a method's explanation of a decision has no picture, if it has none."""
    tested = one.tested[method]
    if tested.found is None:
        return f"not answered: {tested.note}"
    if says_nothing(tested.found.scores) is not None:
        return f"no explanation found: all scores are {'alike' if any(tested.found.scores) else 'zero'}"
    if diverged(method, tested.found, rule.completeness):
        steps = f" after {tested.found.steps} steps" if tested.found.steps else ""
        return f"not converged: the scores miss their sum by {percent(tested.found.error or 0.0)}{steps}"
    return None
