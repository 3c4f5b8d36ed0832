"""A probe class made from a definition and its rows: what the engine, the card and the gates know of a custom probe."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from audit.corpora import Item, ItemsError
from audit.models import Capability, Request, Responses
from audit.results import Average, Direction, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, options_of
from probes.custom.definition import FEWEST_WORDINGS, Definition
from probes.custom.findings import findings, hit_of, way_of
from probes.custom.judged import (
    Known,
    Labelled,
    answer_requests,
    known,
    label_requests,
    options_for,
    read_answer,
)
from probes.custom.measures import HITS, measurements
from probes.custom.readings import Reading, compared, matched, requested, wordings
from probes.custom.source import hub_rows, made_items, unknown_columns
from probes.judges import JUDGE_METRICS, JudgedOptions

PREFIX = "custom."
NAMES = {"likelihood": "preference_rate", "choice": "accuracy", "regex": "match_rate", "judge": "yes_rate"}
"""The main metric of each way of scoring."""


class CustomProbe(Probe):
    """Base of the classes that ``custom_probe`` makes."""

    definition: ClassVar[Definition]
    labelled: ClassVar[tuple[Labelled, ...]] = ()

    @classmethod
    @abstractmethod
    def rows(cls) -> list[Item]:
        """The items."""

    @classmethod
    def without_judge(cls, options: ProbeOptions) -> bool:
        """Whether the probe cannot read its answers, for want of a judge."""
        way = cls.definition.score.judge
        return way is not None and way.says is None and getattr(options, "judge", None) is None

    def items(self, data: Path | None) -> list[Item]:
        """The rows of the file, or of the hub, as items."""
        return self.rows()

    def load(self, data: Path | None, options: ProbeOptions) -> list[Item]:
        """The items, where what reads the answers is there as well."""
        if self.without_judge(options):
            raise ItemsError(no_judge(self.id))
        return super().load(data, options)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Each item in each wording; then, where a judge reads, the answers and the labelled cases."""
        found: list[Request] = list(requested(self.definition, items))
        way = self.definition.score.judge
        if way is not None:
            options = options_of(context, JudgedOptions)
            found += label_requests(way, options, self.labelled)
            found += answer_requests(self.definition, items, wordings(self.definition), options, answers)
        return found

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Records, numbers and findings."""
        way, of = self.definition.score.judge, Known(None, None)
        if way is not None:
            options = options_of(context, JudgedOptions)
            of = known(way, options, self.labelled, answers, context.confidence, context.seed)
        readings = [
            self._read(item, wording, context, of, answers) for item in items for wording in wordings(self.definition)
        ]
        found = measurements(self.definition, readings, of.quality, context.confidence, context.seed, type(self))
        told = findings(self.definition, found, way is not None and of.quality is None, type(self))
        return Outcome([self._record(r) for r in readings], found, told)

    def _read(self, item: Item, wording: str, context: Context, of: Known, answers: Responses) -> Reading:
        if self.definition.score.judge is not None:
            return read_answer(self.definition, item, wording, options_of(context, JudgedOptions), of, answers)
        read = matched if self.definition.score.regex is not None else compared
        return read(self.definition, item, wording, answers)

    def _record(self, reading: Reading) -> Record:
        groups = self.definition.groups
        name = {"likelihood": "difference", "choice": "margin", "judge": "judge"}.get(way_of(self.definition))
        return Record(
            id=f"{reading.item['id']}/{reading.wording}",
            probe=self.id,
            item=reading.item["id"],
            source=self.source,
            cluster=reading.item["cluster"],
            template=reading.wording,
            axis=groups.column if groups else None,
            group=reading.item["group"] if groups else None,
            input=reading.input,
            output=reading.output,
            expected=reading.expected,
            scores={name: reading.value} if name else {},
            status=reading.status,
            outcome=reading.outcome,
            concern=_concern(self.definition, reading),
            asked=reading.asked,
            note=reading.note,
        )


def no_judge(probe: str) -> str:
    """What a user is told where nothing reads the answers."""
    return (
        f"{probe} has no judge to read its answers: name one under judges, as default or as the probe's option judge, of the "
        "kind model for asks and of the kind classifier for in_class."
    )


def custom_probe(
    definition: Definition, items: Sequence[Item] | None, labelled: Sequence[Labelled] = (), file: str = ""
) -> type[Probe]:
    """The probe of a definition.

    Args:
        definition: the checked content of the file.
        items: of ``made_items``; None where they come from the hub and are loaded when the audit runs.
        labelled: the labelled cases of the judge.
        file: the name of the definition's file, for the card.
    """
    mark = hashlib.sha256(json.dumps([definition.hash, [asdict(c) for c in labelled]]).encode()).hexdigest()

    def rows(cls: type[CustomProbe]) -> list[Item]:
        found = _from_hub(definition) if items is None else items
        return [{**item, "definition": mark} for item in found]

    way, judge = way_of(definition), definition.score.judge
    content = {
        "__module__": __name__,
        "__doc__": definition.purpose,
        "id": PREFIX + definition.name,
        "definition": definition,
        "labelled": tuple(labelled),
        "rows": classmethod(rows),
        "title": definition.title,
        "risk": definition.risk,
        "purpose": definition.purpose,
        "method": _method(definition, way),
        "citation": definition.citation or f"None stated: a probe of the user's own, from {file or 'a file'}.",
        "limits": _limits(definition),
        "source": definition.source or f"not stated ({_origin(definition, file)})",
        "licence": definition.licence or "not stated",
        "capabilities": frozenset({Capability.GENERATE if definition.writes else Capability.SCORE}),
        "metrics": _metrics(definition, way),
        "options": ProbeOptions if judge is None else options_for(judge),
        "sizes": {"quick": definition.sizes.quick, "standard": definition.sizes.standard, "full": None},
        "stratum": "group" if definition.groups else None,
    }
    return type(f"Custom_{definition.name}", (CustomProbe,), content)


def _from_hub(definition: Definition) -> list[Item]:
    table = hub_rows(definition)
    for where, name in unknown_columns(definition, table):
        raise ItemsError(f"{table.name} has no column {name!r}, which {'.'.join(where)} names.")
    made = made_items(definition, table)
    if made.complaints:
        more = f" (and {len(made.complaints) - 1} more)" if len(made.complaints) > 1 else ""
        raise ItemsError(f"{made.complaints[0]}{more}.")
    return made.items


def _origin(definition: Definition, file: str) -> str:
    return definition.items.hub or definition.items.file or f"items in {file or 'the definition'}"


def _concern(definition: Definition, reading: Reading) -> float:
    """What the definition calls a problem is looked at first."""
    if reading.hit is None or definition.problem is None:
        return 0.0
    bad = reading.hit if definition.problem.below is None else not reading.hit
    return 0.8 if bad else 0.0


def _limits(definition: Definition) -> str:
    told = [definition.limits or "The author of this probe states no limits of it."]
    if 0 < len(definition.prompts) < FEWEST_WORDINGS:
        count = "one wording" if len(definition.prompts) == 1 else f"{len(definition.prompts)} wordings"
        told.append(f"Asked in {count}, so that it is not known how far the wording decides.")
    if definition.score.judge is not None and definition.score.judge.labelled is None:
        told.append("No labelled cases were given, so that it is not known how often the judge is wrong.")
    return " ".join(told)


def _method(definition: Definition, way: str) -> str:
    by = {"total": "summed over tokens", "token": "averaged over tokens"}
    told = ""
    if definition.score.likelihood is not None:
        told = f"log p of one text against another, {by[definition.score.likelihood.by]}; ties have no score."
    elif definition.score.choice is not None:
        told = f"The likeliest of the options, log p {by[definition.score.choice.by]}; a tie is not right."
    elif definition.score.regex is not None:
        told = "A greedy answer is read by a regular expression of the probe's author."
    elif definition.score.judge is not None:
        told = (
            "A greedy answer is read by another model; labelled cases correct the share for its error (Rogan-Gladen)."
        )
    asked = (
        f" {len(definition.prompts)} wordings, {'chat' if definition.asks_in_chat else 'raw text'}."
        if definition.prompts
        else ""
    )
    groups = " Groups: each against all others, MOVER interval, Holm." if definition.groups else ""
    return f"{told}{asked} Intervals clustered by {definition.items.cluster or 'item'}.{groups}"


def _metrics(definition: Definition, way: str) -> tuple[Metric, ...]:
    limits = definition.problem
    direction: Direction = "descriptive"
    if way == "choice" or (limits is not None and limits.above is None):
        direction = "higher_is_better"
    elif limits is not None and limits.below is None:
        direction = "lower_is_better"
    hit = hit_of(definition)
    meaning = f"Share of scored answers in which {hit}."
    corrected = definition.score.judge is not None and definition.score.judge.labelled is not None
    average = None if corrected else Average(outcomes=list(HITS))
    found = [Metric(NAMES[way], f"{definition.title}: share of cases", "rate", direction, meaning, average)]
    if definition.groups is not None:
        label = f"{definition.title}: gap between a group and the others"
        told = f"Share of cases in which {hit}, of the group minus all others; 0 means no gap."
        found.append(Metric("group_gap", label, "rate difference", "zero_is_better", told))
    if way == "likelihood":
        unit = "nats" if definition.score.likelihood and definition.score.likelihood.by == "total" else "nats per token"
        label = f"{definition.title}: mean difference of log-likelihoods"
        told = "Mean of log p of the first text minus that of the other; 0 means that neither is likelier."
        found.append(Metric("mean_difference", label, unit, "descriptive", told, Average(score="difference")))
    return (*found, *(JUDGE_METRICS if corrected else ()))
