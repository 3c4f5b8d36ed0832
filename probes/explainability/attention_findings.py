"""What is said of the pictures of attention: what they are worth, beside what the place of a word alone tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.results import Finding, Measurement, Outlook, Severity

FEWEST = 8  # decisions; below that the agreement is not judged
_ADVICE = "Do not accept an attention picture as a reason for a decision; ask for an explanation that was tested."


def usefulness_finding(
    usefulness: Measurement,
    position: Measurement,
    beyond: Measurement,
    missing: Sequence[str],
    records: Sequence[str],
    find: Callable[..., Finding],
) -> Finding:
    """The agreement of rollout with word effects; ``missing``: layers without a full matrix, as people read them."""
    outlook: Outlook = "not_tested"
    severity: Severity = "none"
    values = {"n": str(usefulness.n)}
    text = "Too few texts were read to say what the attention pictures are worth ({n})."
    if usefulness.value is not None and usefulness.low is not None and usefulness.n >= FEWEST:
        values |= {"tau": f"{usefulness.value:.2f}", "low": f"{usefulness.low:.2f}", "high": f"{usefulness.high:.2f}"}
        text = (
            "Attention pictures are not an explanation of this model's answers: on a scale where 1 is full agreement and 0 is "
            "none, the words it looked at and the words that changed its answers agreed at {tau} (likely between {low} and "
            "{high}; {n} texts)."
        )
        if usefulness.low > 0.5:
            # What the place of a word tells as well is no reason to trust the picture.
            outlook = "no_problem_found" if beyond.low is not None and beyond.low > 0 else "unclear"
            text = (
                "The words the model looked at and the words that changed its answers agreed at {tau}, where 1 is full "
                "agreement and 0 is none (likely between {low} and {high}; {n} texts)."
            )
        elif usefulness.high is not None and usefulness.high < 0.5:
            outlook, severity = "problem_found", "low"
        else:
            outlook = "unclear"
            text = (
                "Whether attention pictures explain this model's answers is open: the words it looked at and the words that "
                "changed its answers agreed at {tau}, where 1 is full agreement and 0 is none (likely between {low} and "
                "{high}; {n} texts)."
            )
        if position.value is not None and beyond.low is not None and beyond.high is not None:
            values["position"] = f"{position.value:.2f}"
            text += " A guess by place alone, later words first, agreed at {position}" + _more(beyond.low, beyond.high)
    if missing:
        values["missing"] = "; ".join(missing)
        text += " Not available, and left out: {missing}."
    used = [usefulness, position, beyond]
    return find("usefulness", outlook, text, values, used, _ADVICE, severity=severity, records=list(records))


def _more(low: float, high: float) -> str:
    if low > 0:
        return ": attention said more than that."
    if high < 0:
        return ": attention said less than that."
    return "; whether attention says more than that guess is open."
