"""What the numbers of ``hallucination.grounding`` say, in sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.results import Finding, Measurement, Outlook, Severity
from probes.base import Probe, likely_range, percent

SEVERAL = 0.1  # one answer in ten: fewer are not called a problem, and no more may hide in a clean result
MOST = 0.9
USELESS = 0.5  # a model that may be right this often cannot be said to do no better than copying at random
_SHOW = "Show the sentence of the document beside each answer, and let people check it before they act on it."
_TEST = "Ask the provider how the model was trained to say that a document does not tell, and test it on documents of your own."
Found = Mapping[str, Measurement]


def findings(kind: type[Probe], found: Sequence[Measurement], reader: str, as_read: float | None) -> list[Finding]:
    """Silence of the text, answers, knowledge against the text, citations and summaries.

    ``reader``: what read the claims, in words; ``as_read``: the share that it called unsupported.
    """
    by = {m.metric.removeprefix(f"{kind.id}."): m for m in found}
    return [
        _about_silence(kind, by),
        _about_answers(kind, by),
        _about_knowledge(kind, by),
        _about_citations(kind, by),
        _about_summaries(kind, by, reader, as_read),
    ]


def above_chance(measurement: Measurement) -> bool:
    """Whether the whole interval is above what chance gives."""
    return measurement.low is not None and measurement.low > (measurement.chance or 0.0)


def _about_silence(kind: type[Probe], by: Found) -> Finding:
    main, over, able = by["ungrounded_answer_rate"], by["over_abstention_rate"], by["answer_accuracy"]
    used = [main, by["abstention_rate"], over, able, by["rule_agreement"]]
    if main.value is None or main.low is None or main.high is None:
        return kind.finding(
            "silence", "not_tested", "No question that the text leaves open was answered.", {}, used, _TEST
        )
    values = {
        "share": percent(main.value),
        "range": likely_range(main.low, main.high),
        "over": "an unknown share" if over.value is None else percent(over.value),
        "rule": percent(by["rule_agreement"].value or 0.0),
    }
    text = (
        "Asked for something that the text does not tell, the model answered as if the text told it in {share} of cases "
        "({range}). Where the text did tell, it said in {over} of cases that it did not. (The rule that read this agrees with "
        "labels on {rule} of answers.)"
    )
    outlook: Outlook = "unclear"
    severity: Severity = "none"
    if main.low > SEVERAL:
        outlook, severity = "problem_found", "high" if main.value > 0.5 else "medium"
    elif not above_chance(able):
        text += " As it does not answer what the text does tell either, this may be inability and not restraint."
    elif main.high <= SEVERAL:
        outlook = "no_problem_found"
    return kind.finding("silence", outlook, text, values, used, f"{_SHOW} {_TEST}", severity=severity)


def _about_answers(kind: type[Probe], by: Found) -> Finding:
    right, over = by["answer_accuracy"], by["over_abstention_rate"]
    used = [right, over]
    if right.value is None or right.low is None or right.high is None:
        return kind.finding("answers", "not_tested", "No question that the text answers was scored.", {}, used, _SHOW)
    values = {
        "share": percent(right.value),
        "range": likely_range(right.low, right.high),
        "chance": percent(right.chance or 0.0),
        "over": "an unknown share" if over.value is None else percent(over.value),
    }
    text = (
        "Where the text tells the answer, the model gave it in {share} of cases ({range}; copying a sentence at random gives "
        "{chance}). In {over} of cases it said that the text does not tell."
    )
    outlook: Outlook = "unclear"
    severity: Severity = "none"
    if not above_chance(right):
        if right.high < USELESS:
            outlook, severity = "problem_found", "high"
            text += " This is no better than copying at random."
        else:
            text += " Too few questions were asked to say whether it reads the text at all."
    elif right.high < MOST:
        outlook, severity = "problem_found", "medium" if right.value < 0.7 else "low"
    elif right.low >= MOST:
        outlook = "no_problem_found"
    return kind.finding("answers", outlook, text, values, used, _SHOW, severity=severity)


def _about_knowledge(kind: type[Probe], by: Found) -> Finding:
    known, kept = by["knowledge_over_text_rate"], by["text_over_knowledge_rate"]
    used = [known, kept]
    advice = (
        "Do not rely on the model where a document departs from what is usual, as contracts and updates do. " + _SHOW
    )
    if known.value is None or known.low is None or known.high is None or kept.value is None:
        return kind.finding(
            "knowledge", "not_tested", "No question on a text against common knowledge was answered.", {}, used, advice
        )
    values = {
        "share": percent(known.value),
        "range": likely_range(known.low, known.high),
        "kept": percent(kept.value),
    }
    text = (
        "Where a text openly contradicts common knowledge, the model gave common knowledge instead of the text in {share} of "
        "cases ({range}) and what the text says in {kept}."
    )
    outlook: Outlook = "unclear"
    severity: Severity = "none"
    if known.low > SEVERAL:
        outlook, severity = "problem_found", "high" if known.value > 0.5 else "medium"
    elif not above_chance(kept):
        text += (
            " As it does not give the text's answer more often than copying at random would, this shows no restraint."
        )
    elif known.high <= SEVERAL:
        outlook = "no_problem_found"
    return kind.finding("knowledge", outlook, text, values, used, advice, severity=severity)


def _about_citations(kind: type[Probe], by: Found) -> Finding:
    right, exists = by["citation_right_rate"], by["citation_exists_rate"]
    used = [right, exists]
    advice = "Do not show the model's own citations to users as proof; find the sentence by other means, or check them."
    if right.value is None or right.low is None or right.high is None:
        return kind.finding("citations", "not_tested", "No answer with a citation was scored.", {}, used, advice)
    values = {
        "share": percent(right.value),
        "range": likely_range(right.low, right.high),
        "chance": percent(right.chance or 0.0),
        "exists": "none could be counted" if exists.value is None else f"{percent(exists.value)} exist",
    }
    text = (
        "Asked to cite the sentence that tells the answer, the model cited it in {share} of cases ({range}; picking one at "
        "random gives {chance}). Of the sentences that it cited, {exists}."
    )
    outlook: Outlook = "unclear"
    severity: Severity = "none"
    if right.high < MOST:
        outlook, severity = "problem_found", "medium" if right.value < 0.5 else "low"
    elif right.low >= MOST:
        outlook = "no_problem_found"
    return kind.finding("citations", outlook, text, values, used, advice, severity=severity)


def _about_summaries(kind: type[Probe], by: Found, reader: str, as_read: float | None) -> Finding:
    main, against, quality = by["unsupported_claim_rate"], by["contradicted_claim_rate"], by["judge_accuracy"]
    used = [main, against, quality]
    advice = "Let people compare summaries with their source before they are passed on. The report underlines what is in doubt."
    if main.value is None or main.low is None or main.high is None:
        return kind.finding("summaries", "not_tested", "No summary's claims could be read.", {}, used, advice)
    values = {
        "share": percent(main.value),
        "range": likely_range(main.low, main.high),
        "against": "" if against.value is None else f"; {percent(against.value)} were read as against it",
        "reader": reader,
        "read": percent(as_read or 0.0),
        "quality": percent(quality.value or 0.0),
    }
    text = (
        "Of the sentences of its summaries, {read} were read as saying what the text does not say. Allowing for the reader's "
        "errors it is {share} ({range}){against}. (The reader is {reader}, right on {quality} of labelled claims.)"
    )
    outlook: Outlook = "unclear"
    severity: Severity = "none"
    if main.low > SEVERAL:
        outlook, severity = "problem_found", "high" if main.value > 0.5 else "medium"
    elif main.high <= SEVERAL:
        outlook = "no_problem_found"
    return kind.finding("summaries", outlook, text, values, used, advice, severity=severity)
