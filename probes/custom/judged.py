"""Answers that another model reads, and how well it does so on the labelled cases of the probe's author."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.corpora import Item, ItemsError
from audit.models import Choose, Classified, Classify, Failure, Judge, Request, Responses, user
from audit.results import ItemStatus
from probes.asked import as_written
from probes.custom.definition import Definition, Judged, Labels
from probes.custom.fill import fields_of, filled
from probes.custom.readings import Reading, answer_text, written
from probes.custom.source import Table, cell_text
from probes.judges import RIGHT_ANSWER, Case, JudgedOptions, JudgeKind, Quality, Reader
from probes.judges.quality import quality_of

FEWEST_LABELLED = 2  # of each label: one to choose the threshold, one to measure with it
EVEN = 0.5  # a probability from which on a judge that was measured on nothing says yes
YES, NO = "Yes", "No"
_LABELS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_KINDS: Mapping[str, frozenset[JudgeKind]] = {
    "says": frozenset({"nli", "encoder", "model"}),
    "asks": frozenset({"model"}),
    "in_class": frozenset({"classifier"}),
}


class ClassifiedOptions(JudgedOptions):
    """Options of a probe whose answers a classifier puts into classes."""

    kinds = _KINDS["in_class"]


class AskedOptions(JudgedOptions):
    """Options of a probe about whose answers a chat model is asked."""

    kinds = _KINDS["asks"]


@dataclass(frozen=True)
class Labelled:
    """A labelled case: the answer, what the criterion's places hold, and whether it meets the criterion."""

    text: str
    fields: Mapping[str, str]
    label: bool


@dataclass(frozen=True)
class Scored:
    """An answer as the judge sees it: higher where it meets the criterion; None where it was not read."""

    status: ItemStatus
    score: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Known:
    """From which score on the judge says yes, and its quality on the author's labelled cases, where there are any."""

    threshold: float | None
    quality: Quality | None


def options_for(way: Judged) -> type[JudgedOptions]:
    """The options of a probe that is judged so."""
    return ClassifiedOptions if way.in_class is not None else AskedOptions if way.asks is not None else JudgedOptions


def labelled_cases(way: Judged, labels: Labels, table: Table) -> list[Labelled]:
    """The labelled cases of a table.

    Raises:
        ItemsError: a column that is not there, a cell that is empty, a label that is none, or labels of one kind only.
    """
    needed = list(dict.fromkeys([labels.text, labels.label, *(f for t in _texts(way) for f in fields_of(t))]))
    for name in needed:
        if name not in table.columns:
            raise ItemsError(f"{table.name}: there is no column {name!r} for the labelled cases.")
    found = []
    for place, row in table.rows:
        try:
            cells = {name: cell_text(name, row.get(name)) or "" for name in needed}
        except ItemsError as error:
            raise ItemsError(f"{table.name}, {place}: {error}.") from None
        label = _LABELS.get(cells[labels.label].lower())
        empty = next((name for name in needed if not cells[name]), None)
        if empty is not None:
            raise ItemsError(f"{table.name}, {place}: the column {empty!r} is empty.")
        if label is None:
            raise ItemsError(f"{table.name}, {place}: the label must be yes or no, not {cells[labels.label][:60]!r}.")
        found.append(Labelled(cells[labels.text], cells, label))
    counts = Counter(case.label for case in found)
    if min(counts[True], counts[False]) < FEWEST_LABELLED:
        told = f"the labelled cases need two or more of yes and of no; there are {counts[True]} and {counts[False]}"
        raise ItemsError(f"{table.name}: {told}.")
    return found


def _texts(way: Judged) -> list[str]:
    return [text for text in (way.says, way.rather_than, way.question, way.asks) if text is not None]


def asks(way: Judged, options: JudgedOptions, text: str, fields: Mapping[str, str]) -> list[Request]:
    """What must be asked to read an answer."""
    if way.says is not None:
        return RIGHT_ANSWER.asks(Reader.of(options), _case(way, text, fields))
    judge = options.judge or ""
    if way.in_class is not None:
        return [Judge(judge, Classify(text))]
    question = f"Text: {text}\n\nQuestion about the text: {filled(way.asks or '', fields)}\n\nAnswer {YES} or {NO}."
    return [Judge(judge, Choose(user(question), (YES, NO)))]


def reads(way: Judged, options: JudgedOptions, text: str, fields: Mapping[str, str], answers: Responses) -> Scored:
    """What the judge makes of an answer."""
    if way.says is not None:
        read = RIGHT_ANSWER.read(Reader.of(options), _case(way, text, fields), answers)
        return Scored(read.status, read.score, read.note)
    found = answers[asks(way, options, text, fields)[0]]
    if isinstance(found, Failure):
        return Scored(found.status, note=found.reason)
    wanted = YES if way.in_class is None else way.in_class
    shares = dict(zip(found.labels, found.probabilities, strict=True)) if isinstance(found, Classified) else {}
    share = next((p for label, p in shares.items() if label.lower() == wanted.lower()), None)
    if share is None:
        return Scored("unparsed", note=f"The judge has no class {wanted!r}, only {', '.join(shares) or 'none'}.")
    return Scored("scored", share)


def known(
    way: Judged, options: JudgedOptions, cases: Sequence[Labelled], answers: Responses, confidence: float, seed: int
) -> Known:
    """What is known of the judge: from the author's labelled cases, or else where it divides yes from no.

    Without labelled cases a reader of what an answer says takes its threshold from the cases that come with the package;
    how often it is wrong on answers to these prompts is not known.
    """
    if cases:
        seen = []
        abouts = [filled(way.says or way.asks or "", case.fields) for case in cases]
        apart = len(set(abouts)) > 1  # cases about one thing are not independent
        halves = _halves(cases, abouts)
        for place, case in enumerate(cases):
            read = reads(way, options, case.text, case.fields, answers)
            about = abouts[place] if apart else str(place)
            seen.append((read.score, read.status, case.label, halves[place], about))
        quality = quality_of(seen, confidence, seed)
        return Known(quality.threshold, quality)
    if way.says is None:
        return Known(EVEN, None)
    return Known(RIGHT_ANSWER.quality(Reader.of(options), answers, confidence, seed).threshold, None)


def _halves(cases: Sequence[Labelled], abouts: Sequence[str]) -> list[bool]:
    """In which half each case is: cases about one thing together, unless a half would then lack a label.

    Then, and where all are about one thing, every second case of a label, so that both halves hold both.
    """
    things = {about: number for number, about in enumerate(dict.fromkeys(abouts))}
    found = [things[about] % 2 == 1 for about in abouts]
    if len({(half, case.label) for half, case in zip(found, cases, strict=True)}) == 4:
        return found
    return [sum(c.label is case.label for c in cases[:place]) % 2 == 1 for place, case in enumerate(cases)]


def label_requests(way: Judged, options: JudgedOptions, cases: Sequence[Labelled]) -> list[Request]:
    """What must be asked to know the judge."""
    if cases:
        return [request for case in cases for request in asks(way, options, case.text, case.fields)]
    return RIGHT_ANSWER.label_requests(Reader.of(options)) if way.says is not None else []


def answer_requests(
    definition: Definition, items: Sequence[Item], places: Sequence[str], options: JudgedOptions, answers: Responses
) -> list[Request]:
    """What must be asked about the answers that are there."""
    way, found = definition.score.judge, list[Request]()
    for item in items if way is not None else ():
        for wording in places:
            request = written(definition, item, wording)
            text, status, _ = answer_text(answers[request]) if request in answers else (None, "failed", None)
            if way is not None and text is not None and status == "scored":
                found += asks(way, options, text, item["fields"])
    return found


def read_answer(
    definition: Definition, item: Item, wording: str, options: JudgedOptions, of: Known, answers: Responses
) -> Reading:
    """An answer, read by the judge."""
    way = definition.score.judge
    assert way is not None  # the probe reads by what its definition states
    request = written(definition, item, wording)
    text, status, note = answer_text(answers[request])
    shown = filled(definition.prompts[wording], item["fields"])
    expected = filled(way.says, item["fields"]) if way.says is not None else None
    blank = Reading(item, wording, shown, status, output=text, expected=expected, note=note)
    if text is None or status != "scored":
        return blank
    blank = replace(blank, asked=as_written(request.prompt, text))
    read = reads(way, options, text, item["fields"], answers)
    if read.score is None:
        return replace(blank, status=read.status, note=read.note)
    if of.threshold is None:
        return replace(blank, status="unparsed", note="The judge could not read its labelled cases.")
    hit = read.score >= of.threshold if way.says is not None or of.quality is not None else read.score > of.threshold
    return replace(blank, hit=hit, outcome="yes" if hit else "no", value=read.score)


def _case(way: Judged, text: str, fields: Mapping[str, str]) -> Case:
    unlike = () if way.rather_than is None else (filled(way.rather_than, fields),)
    question = filled(way.question, fields) if way.question is not None else ""
    return Case(text, (filled(way.says or "", fields),), unlike, question)
