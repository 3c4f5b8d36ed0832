"""The readers of answers, rule and judge, against answers that were labelled by hand.

Every label says to which side of which item the answer belongs. ``unseen`` are those that were written after the rule was
finished: a rule is no better than on these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from audit.corpora import Item, load_items
from audit.metrics import Estimate, kappa, not_measured, rate
from audit.models import Judge, Responses
from audit.results import ItemStatus, Measurement
from probes.agreement import LABELS
from probes.base import coverage
from probes.misinformation.fabrication_answers import Reading, judge_asks, judge_reads, rule_reading

Count = tuple[int, int]
Measure = Callable[..., Measurement]
UNSEEN = "unseen answers"
WROTE = "wrote it or not"  # slices about compliance; without, the numbers are about refusal
NO_JUDGE = "no judge is named"
PARTS: tuple[tuple[str | None, Reading], ...] = ((None, "refusal"), (WROTE, "compliance"))
_NOT_JUDGED: tuple[ItemStatus, None] = ("unparsed", None)
ITEMS = LABELS.parent / "fabrication.jsonl"


@dataclass(frozen=True)
class Label:
    """A labelled answer with what the rule reads in it (None: empty or garbled)."""

    item: Item
    side: str
    text: str
    label: Reading
    unseen: bool
    rule: Reading | None

    def judge(self, judge: str) -> Judge:
        """The question to the judge about this answer."""
        return judge_asks(judge, str(self.item[self.side]), self.text)


@cache
def labels() -> tuple[Label, ...]:
    """All labelled answers that come with the package."""
    items = {item["id"]: item for item in load_items(ITEMS)}
    return tuple(
        Label(
            items[row["item"]],
            row["side"],
            row["text"],
            row["label"],
            row["unseen"],
            rule_reading(items[row["item"]], row["side"], row["text"]),
        )
        for row in load_items(LABELS)
    )


@dataclass(frozen=True)
class Errors:
    """How often a reader finds a class in answers labelled so (sensitivity), and does not in others (specificity)."""

    sensitivity: Count
    specificity: Count


def errors(cases: Sequence[tuple[Reading, Reading]], wanted: Reading) -> Errors:
    """From (label, reading) of labelled answers."""
    of, others = ([read for label, read in cases if (label == wanted) == own] for own in (True, False))
    return Errors((sum(read == wanted for read in of), len(of)), (sum(read != wanted for read in others), len(others)))


def rule_errors(wanted: Reading) -> Errors:
    """The rule's, on the answers written after it was finished; what it cannot read enters no rate, and not this."""
    return errors([(row.label, row.rule) for row in labels() if row.unseen and row.rule is not None], wanted)


def judge_errors(judge: str, answers: Responses, wanted: Reading) -> Errors:
    """The judge's, on all labelled answers that the rule can read, for only such answers of a model are put to it."""
    said = [(row, judge_reads(answers[row.judge(judge)])[1]) for row in labels() if row.rule is not None]
    return errors([(row.label, reading) for row, reading in said if reading is not None], wanted)


def rule_quality(confidence: float, seed: int, measure: Measure) -> list[Measurement]:
    """The rule against the labels: refusal or not, wrote it or not; on all, and on the unseen ones."""
    found = []
    for part, wanted in PARTS:
        for unseen, name in ((False, part), (True, f"{part}, {UNSEEN}" if part else UNSEEN)):
            agreement, beyond_chance, commonest = _agreed(wanted, unseen, confidence, seed)
            planned = coverage(["scored"] * agreement.n)
            found += [
                measure("rule_agreement", agreement, planned, part=name, chance=commonest),
                measure("rule_kappa", beyond_chance, planned, part=name, chance=0.0),
            ]
        found += _error_rates("rule", rule_errors(wanted), part, confidence, measure)
    return found


@cache
def _agreed(wanted: Reading, unseen: bool, confidence: float, seed: int) -> tuple[Estimate, Estimate, float]:
    """Share read as labelled, Cohen's kappa, and the share of the commoner label."""
    rows = [row for row in labels() if row.unseen or not unseen]
    read, true = np.array([row.rule == wanted for row in rows]), np.array([row.label == wanted for row in rows])
    items = [row.item["id"] for row in rows]  # answers to one request are not independent
    beyond_chance = kappa(read, true, items, confidence, seed)
    return rate(read == true, items, confidence), beyond_chance, max(float(true.mean()), 1 - float(true.mean()))


def judge_quality(
    judge: str | None, answers: Responses, confidence: float, seed: int, measure: Measure
) -> list[Measurement]:
    """The judge against the labels and against the rule; None with the reason where no judge is named."""
    readings = [judge_reads(answers[row.judge(judge)]) if judge else _NOT_JUDGED for row in labels()]
    read = [(row, said) for row, (_, said) in zip(labels(), readings, strict=True) if said is not None]
    planned = coverage(status for status, _ in readings)
    found = []
    for part, wanted in PARTS:
        said = np.array([reading == wanted for _, reading in read])
        others = {
            "judge_kappa": np.array([row.label == wanted for row, _ in read]),
            "judge_rule_kappa": np.array([row.rule == wanted for row, _ in read]),
        }
        if not read:
            why = not_measured("no labelled answer could be judged" if judge else NO_JUDGE, confidence)
            names = (*others, "judge_sensitivity", "judge_specificity")
            found += [measure(name, why, planned, part=part) for name in names]
            continue
        for name, other in others.items():
            beyond_chance = kappa(said, other, [row.item["id"] for row, _ in read], confidence, seed)
            found.append(measure(name, beyond_chance, planned, part=part, chance=0.0))
        own = errors([(row.label, reading) for row, reading in read if row.rule is not None], wanted)
        found += _error_rates("judge", own, part, confidence, measure)
    return found


def _error_rates(who: str, own: Errors, part: str | None, confidence: float, measure: Measure) -> list[Measurement]:
    found = []
    for name, (k, n) in (("sensitivity", own.sensitivity), ("specificity", own.specificity)):
        estimate = rate([True] * k + [False] * (n - k), None, confidence)
        # A reader that draws lots finds as many of the one kind as it wrongly finds of the other: one half of both.
        found.append(measure(f"{who}_{name}", estimate, coverage(["scored"] * n), part=part, chance=0.5))
    return found
