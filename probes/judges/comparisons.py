"""The three comparisons that probes need, each with labelled pairs on which whatever reads them is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.corpora import Item, load_items
from audit.models import Request, Responses
from audit.results import ClaimVerdict, ItemStatus
from probes.judges.quality import Quality, quality_of
from probes.judges.reader import Entailment, Reader

ITEMS = Path(__file__).parent / "items"


@dataclass(frozen=True)
class Case:
    """What is compared: does ``text`` say one of ``against``, rather than one of ``unlike``?

    ``question`` is what the texts answer, where they answer one.
    """

    text: str
    against: tuple[str, ...]
    unlike: tuple[str, ...] = ()
    question: str = ""


@dataclass(frozen=True)
class Reading:
    """How a case was read: ``score`` is higher where the answer is yes; None where it could not be read."""

    status: ItemStatus
    score: float | None = None
    contradicted: float | None = None
    evidence: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A kind of case.

    Args:
        name: of the file of labelled cases.
        both_ways: whether each text must say what the other says, as for two answers of one meaning.
    """

    name: str
    both_ways: bool = False

    def asks(self, reader: Reader, case: Case) -> list[Request]:
        """What must be asked of a judge to read the case; nothing for the rule about words."""
        asked = [r for first, second in self._pairs(case) for r in reader.asks(first, second, case.question)]
        return list(dict.fromkeys(asked))

    def read(self, reader: Reader, case: Case, answers: Responses) -> Reading:
        """The case as the reader reads it."""
        like = [self._directions(reader, case, other, answers) for other in case.against]
        unlike = [self._directions(reader, case, other, answers) for other in case.unlike]
        missing = next((e for e in (*like, *unlike) if e.entailed is None), None)
        if missing is not None or not like:
            return Reading(missing.status if missing else "failed", note=missing.note if missing else None)
        best = max(like, key=lambda e: e.entailed or 0.0)
        against = max((e.entailed or 0.0 for e in unlike), default=0.0)
        return Reading("scored", (best.entailed or 0.0) - against, best.contradicted, best.evidence)

    def labelled(self) -> list[tuple[Case, bool, bool]]:
        """The labelled cases: each with its label, and which half it belongs to."""
        found = [(_case(item), bool(item["label"])) for item in load_items(ITEMS / f"{self.name}.jsonl")]
        # Every second question or text, so that none is in both halves and both hold the same kinds of cases.
        places = {name: place for place, name in enumerate(dict.fromkeys(_about(case) for case, _ in found))}
        return [(case, label, places[_about(case)] % 2 == 1) for case, label in found]

    def label_requests(self, reader: Reader) -> list[Request]:
        """What must be asked to measure the reader."""
        return list(dict.fromkeys(r for case, _, _ in self.labelled() for r in self.asks(reader, case)))

    def quality(self, reader: Reader, answers: Responses, confidence: float, seed: int = 0) -> Quality:
        """How well the reader reads such cases, and from which score on it says yes."""
        cases = []
        for case, label, half in self.labelled():
            reading = self.read(reader, case, answers)
            cases.append((reading.score, reading.status, label, half, _about(case)))
        return quality_of(cases, confidence, seed)

    def _pairs(self, case: Case) -> list[tuple[str, str]]:
        there = [(case.text, other) for other in (*case.against, *case.unlike)]
        return [*there, *((other, text) for text, other in there)] if self.both_ways else there

    def _directions(self, reader: Reader, case: Case, other: str, answers: Responses) -> Entailment:
        there = reader.reads(case.text, other, answers, case.question)
        if not self.both_ways:
            return there
        back = reader.reads(other, case.text, answers, case.question)
        # Words of a longer answer are seldom all in a shorter one that means the same: for the rule one way is enough.
        pick = max if reader.kind == "words" else min
        return pick(there, back, key=lambda e: float("-inf") if e.entailed is None else e.entailed)


SAME_MEANING = Comparison("same_meaning", both_ways=True)
"""Two answers to one question: do they mean the same? Bidirectional entailment (Kuhn et al. 2023, arXiv:2302.09664)."""
RIGHT_ANSWER = Comparison("right_answer")
"""An answer: does it say one of the right reference answers rather than one of the wrong ones?"""
SUPPORTED = Comparison("supported")
"""A claim about a given text: does the text say it?"""


def verdict_of(quality: Quality, reading: Reading) -> ClaimVerdict:
    """What a claim's reading against a text comes to; ``unread`` where there is none.

    A claim is contradicted where it is not supported and the reader finds the opposite likelier than not.
    """
    supported = quality.decide(reading.score)
    if supported is None:
        return "unread"
    if supported:
        return "supported"
    return "contradicted" if reading.contradicted is not None and reading.contradicted > 0.5 else "not in the text"


def _case(item: Item) -> Case:
    def texts(name: str) -> tuple[str, ...]:
        found: Sequence[str] = item.get(name) or ()
        return tuple(found)

    return Case(item["text"], texts("against"), texts("unlike"), item.get("question") or "")


def _about(case: Case) -> str:
    """What several labelled cases share: the question that they answer, or the text that they are held against."""
    return case.question or case.text
