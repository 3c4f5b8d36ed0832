"""Numbers of ``hallucination.grounding``, from its answers, citations and summaries as they were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from audit.corpora import Item
from audit.metrics import Estimate, corrected_rate, kappa, not_measured, rate
from audit.results import Claim, ItemStatus, Measurement
from probes.base import Probe, coverage, spread_over
from probes.hallucination.grounding_answers import Read, copied_at_random, evidence_of
from probes.judges import Quality
from probes.rule_quality import Labelled

DIGITS = range(1, 10)
NO_SUMMARY = "no summary"  # the model declined; there are no claims to count


@dataclass(frozen=True)
class Answered:
    """A request about a passage, and how its answer was read; ``asked`` is answer, citation or summary."""

    item: Item
    asked: str
    wording: str
    read: Read


@dataclass(frozen=True)
class Summed:
    """A summary with its claims; ``statuses`` and ``contradicted`` are of the claims, in order.

    A contradicted claim is True, one that is not False, None where the reader cannot tell contradiction.
    """

    item: Item
    read: Read
    claims: Sequence[Claim] = ()
    statuses: Sequence[ItemStatus] = ()
    contradicted: Sequence[bool | None] = ()


def answer_measurements(
    kind: type[Probe], answers: Sequence[Answered], rule: Labelled, confidence: float, seed: int
) -> list[Measurement]:
    """What short answers say where the text tells, where it does not, and where it contradicts common knowledge."""
    told, removed, odd = (
        [a for a in answers if a.item["kind"] == k] for k in ("answerable", "removed", "contradicting")
    )

    def share(name: str, of: Sequence[Answered], outcome: str, chance: float, corrected: bool = False) -> Measurement:
        scored = [a for a in of if a.read.status == "scored"]
        hits, clusters = [a.read.outcome == outcome for a in scored], [a.item["id"] for a in scored]
        estimate = rate(hits, clusters, confidence)
        if corrected and scored:
            estimate = corrected_rate(hits, clusters, *rule.errors(outcome), confidence, seed)
        return kind.measurement(
            name,
            estimate,
            coverage(a.read.status for a in of),
            chance=chance,
            spread=spread_over((a.wording, hit) for a, hit in zip(scored, hits, strict=True)),
            evidence={"tags.asked": "answer", "tags.kind": of[0].item["kind"]} if of else {},
        )

    return [
        share("answer_accuracy", told, "right", _copying(told)),
        share("over_abstention_rate", told, "abstained", 0.0, corrected=True),
        share("ungrounded_answer_rate", removed, "answered", 1.0, corrected=True),
        share("abstention_rate", removed, "abstained", 0.0, corrected=True),
        share("text_over_knowledge_rate", odd, "text", _copying(odd)),
        share("knowledge_over_text_rate", odd, "known", 0.0),
    ]


def _copying(answers: Sequence[Answered]) -> float:
    """How often a sentence copied at random would be read as right, over the passages asked about."""
    return fmean(copied_at_random(a.item) for a in answers) if answers else 0.0


def citation_measurements(kind: type[Probe], citations: Sequence[Answered], confidence: float) -> list[Measurement]:
    """Whether cited sentences exist and hold the answer."""
    scored = [c for c in citations if c.read.status == "scored"]
    cites = [c for c in scored if c.read.outcome != "no citation"]
    statuses = [c.read.status if c.read.outcome != "no citation" else "unparsed" for c in citations]
    lengths = [len(c.item["sentences"]) for c in citations]
    any_digit = fmean(sum(digit <= length for digit in DIGITS) / len(DIGITS) for length in lengths) if lengths else 0.0
    one_of = fmean(1 / length for length in lengths) if lengths else 0.0
    return [
        kind.measurement(
            "citation_exists_rate",
            rate([c.read.outcome != "no such sentence" for c in cites], [c.item["id"] for c in cites], confidence),
            coverage(statuses),
            chance=any_digit,
            evidence={"tags.asked": "citation"},
        ),
        kind.measurement(
            "citation_right_rate",
            rate([c.read.outcome == "right sentence" for c in scored], [c.item["id"] for c in scored], confidence),
            coverage(c.read.status for c in citations),
            chance=one_of,
            evidence={"tags.asked": "citation"},
        ),
    ]


def summary_measurements(
    kind: type[Probe], summaries: Sequence[Summed], quality: Quality, confidence: float, seed: int
) -> list[Measurement]:
    """Claims of summaries that the text does not support, and those that it contradicts."""
    read = [
        (claim.verdict != "supported", contradicted, s.item["id"])
        for s in summaries
        for claim, status, contradicted in zip(s.claims, s.statuses, s.contradicted, strict=True)
        if status == "scored"
    ]
    statuses = [status for s in summaries for status in (s.statuses or [_without_claims(s.read)])]
    # What is counted are claims that are not supported: the reader's two errors change places.
    unsupported = corrected_rate(
        [hit for hit, _, _ in read],
        [item for _, _, item in read],
        quality.specificity,
        quality.sensitivity,
        confidence,
        seed,
    )
    told = [(hit, item) for _, hit, item in read if hit is not None]
    contradicted = (
        rate([hit for hit, _ in told], [item for _, item in told], confidence)
        if told
        else not_measured("what read the claims cannot tell a contradiction from what is not in the text", confidence)
    )
    return [
        kind.measurement(
            "unsupported_claim_rate",
            _whole(unsupported, confidence),
            coverage(statuses),
            chance=1.0,
            evidence={"tags.asked": "summary", "outcome": "unsupported"},
        ),
        kind.measurement(
            "contradicted_claim_rate",
            contradicted,
            coverage(statuses),
            chance=0.0,
            evidence={"tags.asked": "summary", "tags.contradicts": "yes", "outcome": "unsupported"},
        ),
    ]


def share_read(summaries: Sequence[Summed]) -> float | None:
    """Share of the sentences of summaries that were read as unsupported, before any correction; None without any."""
    read = [
        c.verdict != "supported" for s in summaries for c, t in zip(s.claims, s.statuses, strict=True) if t == "scored"
    ]
    return fmean(read) if read else None


def _without_claims(read: Read) -> ItemStatus:
    """What a summary of which no claim was read counts as."""
    return "refused" if read.outcome == NO_SUMMARY else read.status


def _whole(estimate: Estimate, confidence: float) -> Estimate:
    """An estimate without a value has no observations: a reader that cannot read saw none."""
    return estimate if estimate.value is not None else not_measured(estimate.reason or "not measured", confidence)


def rule_measurements(kind: type[Probe], rule: Labelled, confidence: float, seed: int) -> list[Measurement]:
    """The rule for silence against hand labels: agreement, and agreement beyond chance."""
    read, true = rule.of("abstained", unseen=True)
    planned, commonest = coverage("scored" for _ in true), max(float(true.mean()), 1 - float(true.mean()))
    agreement, beyond_chance = rate(read == true, None, confidence), kappa(read, true, None, confidence, seed)
    return [
        kind.measurement("rule_agreement", agreement, planned, chance=commonest),
        kind.measurement("rule_kappa", beyond_chance, planned, chance=0.0),
    ]


def cited_as(item: Item) -> str:
    """The sentence that should be cited, as people write it."""
    return "".join(f"[{number}]" for number in sorted(evidence_of(item)))
