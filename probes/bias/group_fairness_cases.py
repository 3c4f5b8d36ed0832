"""The cases of ``bias.group_fairness``: truth, prediction and groups as arrays, and how cases are put into groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from audit.corpora import Item, draw
from audit.models import Classified, Classify, Failure, Response, Responses, Tabulate, Tabulated
from audit.results import Coverage, ItemStatus

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
UNKNOWN = -1
MISSING_GROUP = "(missing)"
_NOT_ANSWERED = Failure("failed", "The classifier was not asked about this case.")


@dataclass(frozen=True)
class Cases:
    """Arrays of one length n, one entry a case.

    ``truth``: 1 where the true outcome is favourable, 0 where not, -1 where unknown; ``predicted`` likewise. ``score``:
    probability of the favourable class, NaN where unknown. ``status``: what became of the prediction. ``rows``: places in
    the table, from 0. ``labels``: the prediction in the words of the table or the classifier. ``failure``: why there is
    no case at all; ``reason``: why no case has a prediction.
    """

    positive: str
    truth: IntArray
    predicted: IntArray
    score: FloatArray
    status: NDArray[np.str_]
    rows: IntArray
    labels: tuple[str | None, ...]
    attributes: tuple[str, ...]
    groups: tuple[NDArray[np.str_], ...]
    table: Tabulated | None
    failure: Failure | None = None
    reason: str = "no case has a prediction"

    def coverage(self, within: NDArray[np.bool_], true_class: bool = False) -> Coverage:
        """What became of the cases ``within``; with ``true_class``, those without one could not be read."""
        status = self.status[within]
        if true_class:
            status = np.where((status == "scored") & (self.truth[within] == UNKNOWN), "unparsed", status)
        names, counts = np.unique(status, return_counts=True)
        found = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
        if self.failure is not None:
            found = {self.failure.status: 1}
        return Coverage.model_validate({"planned": sum(found.values()), "scored": 0, **found})

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether a case has a prediction."""
        return np.asarray(self.predicted != UNKNOWN)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether a case has a prediction and a true outcome."""
        return np.asarray(self.scored & (self.truth != UNKNOWN))


@dataclass(frozen=True)
class Partition:
    """One way to cut the cases: by an attribute, or by two together. ``codes[i]`` is the place of case i in ``names``."""

    name: str
    attributes: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    codes: IntArray

    @property
    def crossed(self) -> bool:
        """Whether it is by two attributes."""
        return len(self.attributes) > 1

    def part(self, place: int) -> str:
        """The slice of a group."""
        return f"{self.name}: {self.names[place]}"

    def where(self, place: int) -> dict[str, str]:
        """Which records are of a group."""
        return {f"tags.{a}": value for a, value in zip(self.attributes, self.members[place], strict=True)}

    def missing(self, place: int) -> bool:
        """Whether the group is of those whose group is not known."""
        return MISSING_GROUP in self.members[place]


def chosen_rows(table: Tabulated, limit: int | None, seed: int) -> list[int]:
    """Which rows are judged: all, or a seeded sample."""
    return drawn(len(table.groups[0]) if table.groups else 0, limit, seed)


def drawn(many: int, limit: int | None, seed: int) -> list[int]:
    """Places of ``many`` cases: all, or a seeded sample of ``limit``."""
    if limit is None or limit >= many:
        return list(range(many))
    items: list[Item] = [{"place": place} for place in range(many)]
    return [item["place"] for item in draw(items, limit, seed, None)]


def sample(cases: Cases, most: int, seed: int) -> list[int]:
    """Places of the cases that become records: all, or a seeded sample."""
    return drawn(len(cases.rows), most, seed)


def questions(table: Tabulated, limit: int | None, seed: int) -> list[Classify]:
    """What the classifier has to be asked; nothing where the table holds predictions."""
    if table.predicted or not table.texts:
        return []
    return [Classify(text) for text in dict.fromkeys(table.texts[row] for row in chosen_rows(table, limit, seed))]


def read_cases(answers: Responses, limit: int | None, seed: int) -> Cases:
    """The table with the predictions that it holds or that the classifier gave."""
    table = answers.get(Tabulate(), Failure("failed", "The table was not read."))
    if not isinstance(table, Tabulated):
        failure = table if isinstance(table, Failure) else Failure("failed", "The model gave no table.")
        return _none(failure)
    rows = chosen_rows(table, limit, seed)
    if not rows:
        return _none(Failure("failed", "The table has no cases."))
    said = [_prediction(table, row, answers) for row in rows]
    truth = [table.truth[row] for row in rows]
    groups = tuple(np.array([column[row] for row in rows], dtype=np.str_) for column in table.groups)
    return Cases(
        positive=table.positive,
        truth=_codes(truth, table.positive),
        predicted=_codes([label for label, _, _ in said], table.positive),
        score=np.array([np.nan if score is None else score for _, score, _ in said], dtype=np.float64),
        status=np.array([status for _, _, status in said], dtype=np.str_),
        rows=np.array(rows, dtype=np.intp),
        labels=tuple(label for label, _, _ in said),
        attributes=table.attributes,
        groups=groups,
        table=table,
        reason=_why_none(table, answers),
    )


def _none(failure: Failure) -> Cases:
    nothing, numbers = np.zeros(0, dtype=np.intp), np.zeros(0)
    reason = failure.reason.rstrip(".")
    return Cases("", nothing, nothing, numbers, np.zeros(0, np.str_), nothing, (), (), (), None, failure, reason)


def _why_none(table: Tabulated, answers: Responses) -> str:
    """Why no case has a prediction, where that is so."""
    asked = [] if table.predicted else [answers.get(Classify(text)) for text in table.texts]
    classified = next((a for a in asked if isinstance(a, Classified)), None)
    if classified is None:
        failed = next((a for a in asked if isinstance(a, Failure)), None)
        return "no case has a prediction" if failed is None else failed.reason.rstrip(".")
    labels = ", ".join(classified.labels[:8])
    return f"the favourable class {table.positive} is none of the classifier's ({labels}); set model.positive to one"


def _codes(classes: Sequence[str | None], positive: str) -> IntArray:
    return np.array([UNKNOWN if c is None else int(c == positive) for c in classes], dtype=np.intp)


def words(table: Tabulated, row: int) -> str:
    """A case as a person reads it: its text, if there is one, and its groups."""
    groups = "; ".join(f"{a}: {column[row]}" for a, column in zip(table.attributes, table.groups, strict=True))
    return f"{table.texts[row]}\n[{groups}]" if table.texts else groups


def _prediction(table: Tabulated, row: int, answers: Responses) -> tuple[str | None, float | None, ItemStatus]:
    """Class, probability of the favourable one, and status of a case."""
    if table.predicted or not table.texts:
        label = table.predicted[row] if table.predicted else None
        score = table.score[row] if table.score else None
        return label, score, "unparsed" if label is None else "scored"
    response: Response = answers.get(Classify(table.texts[row]), _NOT_ANSWERED)
    if not isinstance(response, Classified):
        return None, None, response.status if isinstance(response, Failure) else "failed"
    place = place_of(table.positive, response.labels)
    if place is None:
        return None, None, "unparsed"
    score = response.probabilities[place]
    likely = score >= 0.5 if response.independent else score == max(response.probabilities)
    others = [label for i, label in enumerate(response.labels) if i != place]
    likeliest = max(others, key=lambda label: response.probabilities[response.labels.index(label)], default="other")
    return table.positive if likely else likeliest, score, "scored"


def place_of(positive: str, labels: Sequence[str]) -> int | None:
    """Where the favourable class stands among a classifier's labels; ``LABEL_1`` is also called 1."""
    folded = [label.casefold() for label in labels]
    for name in (positive.casefold(), f"label_{positive.casefold()}"):
        if name in folded:
            return folded.index(name)
    return None


def partitions(cases: Cases, crossed: bool) -> list[Partition]:
    """By each attribute, and by each two of them together."""
    columns: dict[str, tuple[list[str], IntArray]] = {}
    for attribute, column in zip(cases.attributes, cases.groups, strict=True):
        names, codes = np.unique(column, return_inverse=True)
        columns[attribute] = ([str(name) for name in names], codes.astype(np.intp))
    found = [_partition((a,), columns) for a in cases.attributes]
    ways = combinations(cases.attributes, 2) if crossed else ()
    # A column may be called what two others are together.
    return found + [_partition(way, columns) for way in ways if " x ".join(way) not in columns]


def _partition(way: tuple[str, ...], columns: Mapping[str, tuple[list[str], IntArray]]) -> Partition:
    sizes = [len(columns[a][0]) for a in way]
    together = np.ravel_multi_index(tuple(columns[a][1] for a in way), sizes)
    present, codes = np.unique(together, return_inverse=True)
    places = np.unravel_index(present, sizes)
    members = tuple(
        tuple(columns[a][0][int(place[i])] for a, place in zip(way, places, strict=True)) for i in range(len(present))
    )
    names = tuple(", ".join(member) for member in members)
    return Partition(" x ".join(way), way, names, members, codes.astype(np.intp))
