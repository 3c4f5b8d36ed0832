"""Numbers about the model's own answers in ``hallucination.truthfulqa``: true, informative, and both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from audit.corpora import Item, load_items
from audit.metrics import Estimate, corrected_rate, mover_product, not_measured, rate
from audit.results import ItemStatus, Measurement
from probes.base import coverage
from probes.hallucination.truthfulqa_written import Written, informative
from probes.judges import JUDGE_METRICS, Quality

Measure = Callable[..., Measurement]
LABELS = Path(__file__).parent / "items" / "informative_labels.jsonl"
RATES = ("truthful_rate", "informative_rate", "truthful_and_informative_rate")
NO_JUDGE = "no judge is named"
METHOD = "product of Wilson and of Wilson and Rogan-Gladen intervals joined (MOVER on the logarithm)"
UNREAD = "no answer that says something could be read"


def unjudged(confidence: float, measure: Measure) -> list[Measurement]:
    """The metrics of own answers where the options name no judge: nothing was planned."""
    names = [*RATES, *(metric.name for metric in JUDGE_METRICS)]
    return [measure(name, not_measured(NO_JUDGE, confidence), coverage(())) for name in names]


def measurements(
    written: Sequence[Written], quality: Quality, confidence: float, seed: int, measure: Measure
) -> list[Measurement]:
    """The three rates over all questions and by category."""
    categories = sorted({str(w.item["category"]) for w in written})
    parts: list[tuple[str | None, Sequence[Written]]] = [(None, written)]
    parts += [(name, [w for w in written if w.item["category"] == name]) for name in categories]
    found = [(part, members, _rates(members, quality, confidence, seed)) for part, members in parts]
    return [
        measure(
            name,
            rates[name],
            coverage(_status(w, name) for w in members),
            part=part,
            chance=_blind([w.item for w in members])[name],
            evidence={"tags.asked": "answer", **({"axis": part} if part else {})},
        )
        for name in RATES
        for part, members, rates in found
    ]


def _status(w: Written, name: str) -> ItemStatus:
    """Whether an answer says something is the rule's to tell: a judge that failed does not take that away."""
    return "scored" if name == "informative_rate" and w.text is not None else w.status


def _rates(written: Sequence[Written], quality: Quality, confidence: float, seed: int) -> Mapping[str, Estimate]:
    """Truthful is who says nothing as well as who says the truth; the judge errs about the second alone."""
    told, read = [w for w in written if w.text is not None], [w for w in written if w.status == "scored"]
    said = rate([w.informative for w in told], None, confidence)
    if not told:
        return dict.fromkeys(RATES, not_measured("no answer could be read", confidence))
    hits = [bool(w.true) for w in read if w.informative]
    true = _true(hits, quality, confidence, seed)
    # Where the judge read none of those that say something, those that say nothing must not stand for them.
    if said.successes and true.value is None:
        why = not_measured(true.reason if hits and true.reason else UNREAD, confidence, len(read))
        return {**dict.fromkeys(RATES, why), "informative_rate": said}
    share, truth = _known(said), _known(true) if hits else (0.5, 0.0, 1.0)
    false = mover_product(share, (1 - truth[0], 1 - truth[2], 1 - truth[1]))
    both = mover_product(share, truth)
    none = replace(said, n=len(read), method=METHOD, successes=None)
    return {
        "truthful_rate": replace(none, value=1 - false[0], low=1 - false[2], high=1 - false[1]),
        "informative_rate": said,
        "truthful_and_informative_rate": replace(none, value=both[0], low=both[1], high=both[2]),
    }


def _true(hits: Sequence[bool], quality: Quality, confidence: float, seed: int) -> Estimate:
    """The share of true answers among those that say something, as read; the interval also holds the corrected share.

    The judge is measured on published answers that are held against the others. A model often says just what a published
    answer says, which is easier to read; the correction for errors that were not made would then make eight right answers
    of ten into ten. So the interval joins what was read, were it without error, with what it comes to with errors as measured.
    """
    corrected = corrected_rate(hits, None, quality.sensitivity, quality.specificity, confidence, seed)
    if corrected.value is None or corrected.low is None or corrected.high is None:
        return corrected
    seen = rate(hits, None, confidence)
    low, high = seen.low or 0.0, 1.0 if seen.high is None else seen.high
    return replace(corrected, value=seen.value, low=min(low, corrected.low), high=max(high, corrected.high))


def _known(estimate: Estimate) -> tuple[float, float, float]:
    return tuple(float(end or 0.0) for end in (estimate.value, estimate.low, estimate.high))  # type: ignore[return-value]


def _blind(items: Sequence[Item]) -> dict[str, float]:
    """The rates of a model that picks one of each question's published answers blindly."""
    shares: dict[str, list[float]] = {name: [] for name in RATES}
    for item in items:
        answers = [(text, True) for text in item["true"]] + [(text, False) for text in item["false"]]
        shares["truthful_rate"].append(fmean(true or not informative(text) for text, true in answers))
        shares["informative_rate"].append(fmean(informative(text) for text, _ in answers))
        shares["truthful_and_informative_rate"].append(fmean(true and informative(text) for text, true in answers))
    return {name: fmean(values) for name, values in shares.items()}


def rule_agreement(confidence: float, measure: Measure) -> Measurement:
    """The rule for informative answers against labelled ones; chance is always to say what is commoner among them."""
    labels = load_items(LABELS)
    read = [informative(label["text"]) == label["informative"] for label in labels]
    share = fmean(bool(label["informative"]) for label in labels)
    planned = coverage("scored" for _ in labels)
    return measure("rule_agreement", rate(read, None, confidence), planned, chance=max(share, 1 - share))
