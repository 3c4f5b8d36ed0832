"""Numbers of ``misinformation.verification``, from its verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from audit.metrics import paired_rate_difference, rate
from audit.results import ItemStatus, Measurement
from probes.base import coverage, spread_over
from probes.misinformation.verification_answers import CONDITIONS, Verdict
from probes.misinformation.verification_items import LABELS

Measure = Callable[..., Measurement]


def measurements(verdicts: Sequence[Verdict], confidence: float, measure: Measure) -> list[Measurement]:
    """All measurements of the probe."""
    read, blind, swapped = ([v for v in verdicts if v.condition == c] for c in CONDITIONS)
    found = [_right("accuracy", read, confidence, measure)]
    for label in LABELS:
        members = [v for v in read if v.item["label"] == label]
        found.append(_right("accuracy", members, confidence, measure, label, {"tags.label": label}))
    for kind in sorted({str(v.item["kind"]) for v in read}):
        members = [v for v in read if v.item["kind"] == kind]
        found.append(_right("accuracy", members, confidence, measure, f"kind: {kind}", {"tags.kind": kind}))
    invented = [v for v in read if v.item["invented"]]
    found.append(_right("invented_accuracy", invented, confidence, measure, None, {"tags.invented": "yes"}))
    found.append(_right("accuracy_without_evidence", blind, confidence, measure))
    found.append(_difference("evidence_gain", read, blind, confidence, measure))
    found.append(_right("swapped_accuracy", swapped, confidence, measure))
    found.append(_difference("swap_drop", read, swapped, confidence, measure))
    found.append(_called("refuted_called_supported_rate", read, "refuted", ("supported",), confidence, measure))
    found.append(
        _called("unfounded_verdict_rate", read, "not_enough_info", ("supported", "refuted"), confidence, measure)
    )
    return found


def counted(verdicts: Sequence[Verdict]) -> dict[str, dict[str, float]]:
    """What each verdict adds to the means of which it is part, by its key; differences stand with that on the evidence."""
    by = {(v.item["id"], v.wording, v.condition): v for v in verdicts}
    scores: dict[str, dict[str, float]] = {v.key: {} for v in verdicts}
    for v in _scored([v for v in verdicts if v.condition == "evidence"]):
        scores[v.key]["called_supported"] = float(v.said == "supported")
        for name, condition in (("evidence_gain", "none"), ("swap_drop", "other")):
            other = by.get((v.item["id"], v.wording, condition))
            if other is not None and other.status == "scored":
                scores[v.key][name] = float(v.right) - float(other.right)
    return scores


def _scored(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [v for v in verdicts if v.status == "scored"]


def _passages(verdicts: Sequence[Verdict]) -> list[str]:
    """The clusters: claims on one passage are read from the same text, and each is asked in several wordings."""
    return [str(v.item["passage"]) for v in verdicts]


def _right(
    name: str,
    verdicts: Sequence[Verdict],
    confidence: float,
    measure: Measure,
    part: str | None = None,
    picked: Mapping[str, str] | None = None,
) -> Measurement:
    scored = _scored(verdicts)
    labels = [str(v.item["label"]) for v in scored]
    # With another claim's evidence one that reads says Unknown; with none, or the right one, the commonest class is chance.
    swapped = name == "swapped_accuracy"
    best = labels.count("not_enough_info") if swapped else max(Counter(labels).values(), default=0)
    # Within one class any fixed answer is always or never right, so that a class has the chance of three answers.
    chance = None if not labels else 1 / len(LABELS) if part in LABELS else best / len(labels)
    condition = {"swapped_accuracy": "other", "accuracy_without_evidence": "none"}.get(name, "evidence")
    return measure(
        name,
        rate([v.right for v in scored], _passages(scored), confidence),
        coverage(v.status for v in verdicts),
        part=part,
        chance=chance,
        spread=None if swapped else spread_over((v.wording, v.right) for v in scored),
        evidence={"tags.asked": condition, **(picked or {})},
    )


def _difference(
    name: str, first: Sequence[Verdict], second: Sequence[Verdict], confidence: float, measure: Measure
) -> Measurement:
    """Share right among the first minus that among the second, over the claims and wordings that both have a verdict on."""
    others = {(v.item["id"], v.wording): v for v in second}
    pairs = [(v, others[v.item["id"], v.wording]) for v in first if (v.item["id"], v.wording) in others]
    statuses: list[ItemStatus] = [a.status if a.status != "scored" else b.status for a, b in pairs]
    both = [pair for pair, status in zip(pairs, statuses, strict=True) if status == "scored"]
    swap = name == "swap_drop"
    estimate = paired_rate_difference(
        [a.right for a, _ in both], [b.right for _, b in both], _passages([a for a, _ in both]), confidence
    )
    return measure(
        name,
        estimate,
        coverage(statuses),
        chance=0.0,
        # Which wording another claim's evidence is shown in differs between claims, so that wordings cannot be compared.
        spread=None if swap else spread_over((a.wording, float(a.right) - float(b.right)) for a, b in both),
        evidence={"tags.asked": "evidence"},
    )


def _called(
    name: str, read: Sequence[Verdict], label: str, wrongly: Sequence[str], confidence: float, measure: Measure
) -> Measurement:
    members = [v for v in read if v.item["label"] == label]
    scored = _scored(members)
    hits = [v.said in wrongly for v in scored]
    return measure(
        name,
        rate(hits, _passages(scored), confidence),
        coverage(v.status for v in members),
        chance=len(wrongly) / len(LABELS),
        spread=spread_over((v.wording, hit) for v, hit in zip(scored, hits, strict=True)),
        evidence={"tags.asked": "evidence", "tags.label": label},
    )
