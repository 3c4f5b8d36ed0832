"""Which decisions of the model are explained: the ones that other probes flag first, then decisions of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path

from audit.corpora import Item, draw, load_items
from audit.models import (
    Capability,
    Classified,
    Classify,
    Failure,
    Prompt,
    Request,
    Responses,
    Score,
    Scored,
    prompt_text,
)
from audit.results import Record
from probes.asked import likeliest, prompt_of
from probes.base import Context, Outcome

ITEMS = Path(__file__).parent / "items" / "decisions.jsonl"
TEXTS = Path(__file__).parent / "items" / "explained_texts.jsonl"
FLAGGED_BY = ("*", "!explainability.*", "!footprint.*")
"""The probes whose flagged records are explained."""


@dataclass(frozen=True)
class Decision:
    """What the model decides, and what it is compared with.

    ``evidence``: the words that settle it for a person, where known. ``flagged_by``: the probe that flagged it.
    ``classes``: a classifier is asked, whose two likeliest classes take the place of the answers.
    ``paraphrase``: the same decision in other words, where there is one.
    ``fixed``: the answer is explained whether or not the model prefers it, as where a person asks about it.
    """

    id: str
    kind: str
    prompt: Prompt
    answer: str
    contrast: str | None
    evidence: tuple[str, ...] = ()
    flagged_by: str | None = None
    classes: bool = False
    fixed: bool = False
    paraphrase: str | None = None

    @property
    def restated(self) -> Decision | None:
        """The same decision in other words, if there are any."""
        return None if self.paraphrase is None else replace(self, prompt=self.paraphrase, paraphrase=None)

    @property
    def preferences(self) -> tuple[Request, ...]:
        """The requests whose answers say what the model prefers."""
        if self.classes:
            return (Classify(self.text),)
        answers = [self.answer] + ([] if self.contrast is None else [self.contrast])
        return tuple(Score(self.prompt, answer) for answer in answers)

    @property
    def text(self) -> str:
        """The prompt as a person reads it."""
        return prompt_text(self.prompt)

    def source(self, own: str) -> str:
        """Where a record of it says that it comes from; ``own`` where no probe flagged it."""
        return own if self.flagged_by is None else f"flagged by {self.flagged_by}"

    def unscored(self, answers: Responses) -> Failure:
        """Why it has nothing that could be explained, where ``chosen`` is None."""
        failures = (found for found in map(answers.get, self.preferences) if isinstance(found, Failure))
        return next(failures, Failure("failed", "The answers could not be scored."))

    def chosen(self, answers: Responses) -> tuple[str, str | None] | None:
        """(what is explained, the other if any), or None where either could not be scored."""
        found = [answers.get(request) for request in self.preferences]
        if self.classes:
            return likeliest(found[0]) if isinstance(found[0], Classified) else None
        scored = [f for f in found if isinstance(f, Scored)]
        if len(scored) < len(found):
            return None
        if self.contrast is None or self.fixed or scored[0].logprob >= scored[1].logprob:
            return self.answer, self.contrast
        return self.contrast, self.answer


def load_decisions() -> list[Item]:
    """Decisions of our own, spread over kinds."""
    return load_items(ITEMS)


@cache
def _texts() -> tuple[Item, ...]:
    return tuple(load_items(TEXTS))


def asks_for_classes(context: Context) -> bool:
    """Whether the model is a classifier, whose decisions are between classes."""
    return Capability.SCORE not in context.capabilities and Capability.CLASSIFY in context.capabilities


def decisions(items: Sequence[Item], context: Context, flagged: int) -> list[Decision]:
    """At most ``flagged`` decisions of other probes with the highest concern, then the given items.

    A classifier decides on texts of our own in place of the items, as many at most.
    """
    own = [_own(item) for item in items]
    if asks_for_classes(context):
        own = [_text(item) for item in draw(_texts(), len(items), context.seed, "kind")]
    return [*flagged_decisions(context, flagged), *own]


def _own(item: Item) -> Decision:
    return Decision(
        item["id"],
        item["kind"],
        item["prompt"],
        item["answer"],
        item["contrast"],
        tuple(item["evidence"]),
        paraphrase=item["paraphrase"],
    )


def _text(item: Item) -> Decision:
    return Decision(
        item["id"],
        item["kind"],
        item["prompt"],
        "",
        None,
        tuple(item["evidence"]),
        classes=True,
        paraphrase=item["paraphrase"],
    )


def flagged_decisions(context: Context, limit: int) -> list[Decision]:
    """The worst records that hold a decision, the probes taking turns, those first that found a problem.

    One of each cluster, because the records of several groups share most of their words.
    """
    outcomes = sorted(context.earlier.items(), key=lambda entry: (not _found_problem(entry[1]), entry[0]))
    turns = zip_longest(*(_worst(outcome) for _, outcome in outcomes))
    records = [record for turn in turns for record in turn if record is not None]
    classes = asks_for_classes(context)
    return [_of_record(record, classes) for record in records[:limit]]


def _found_problem(outcome: Outcome) -> bool:
    return any(finding.outlook == "problem_found" for finding in outcome.findings)


def _worst(outcome: Outcome) -> list[Record]:
    one_each: dict[str, Record] = {}
    for record in sorted(outcome.records, key=lambda r: (-r.concern, r.id)):
        if record.asked is not None and record.concern > 0:
            one_each.setdefault(record.cluster, record)
    return list(one_each.values())


def _of_record(record: Record, classes: bool) -> Decision:
    if record.asked is None:
        raise ValueError(f"{record.id} holds no decision")
    return Decision(
        id=f"flagged/{record.probe}/{record.id}",
        kind="flagged",
        prompt=prompt_of(record.asked),
        answer=record.asked.answer,
        contrast=record.asked.contrast,
        flagged_by=record.probe,
        classes=classes,
    )


def preference_requests(chosen: Sequence[Decision]) -> list[Request]:
    """What must be asked to know what the model prefers in each decision."""
    return [request for decision in chosen for request in decision.preferences]
