"""A table of cases: predictions whose model is not at hand, or the labelled cases that come with a classifier."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from audit.models.base import ModelError, chunks
from audit.models.options import Options, TableOptions
from audit.models.requests import Capability, Request, Tabulate
from audit.models.responses import Failure, Tabulated
from audit.models.source import file_hash
from audit.models.table_file import SUFFIXES, Cell, TableFile, hint, nearest, open_table
from audit.results import ModelFacts

Role = Literal["y_true", "y_pred", "y_score", "text"]
ROLES: tuple[Role, ...] = get_args(Role)
CODE_VERSION = "1"  # part of the fingerprint; raise it when the same table would be read otherwise
MISSING_GROUP = "(missing)"
MOST_GROUPS = 50  # more are no groups of people but numbers, dates or names
THRESHOLD = 0.5
LIKELY_TYPO = (
    0.8  # likeness of a name to y_pred; a table without predictions may have columns that look a little like it
)
BACKWARDS = 0.1  # in mean probability; noise around no relation is nearer to 0
_BINARY = {"0": "0", "1": "1", "false": "0", "true": "1"}


def read_table(options: TableOptions, source: str | None) -> Tabulated:
    """The table of cases that a config names.

    Args:
        options: the columns and the favourable class.
        source: the path, where the table itself is what is audited. None for the labelled table of a text classifier,
            ``options.file``: it must hold ``text``.

    Raises:
        ModelError: where the file cannot be read, or lacks what is needed.
    """
    path = source or options.file
    if path is None:
        raise ModelError("There is no table of cases; name one with model.table.")
    file = open_table(path)
    if source is None:
        text = role(file, options, "text", "what the classifier is asked about", needed=True)
        assert text is not None  # it was needed
        asked = file.columns([text])[text]
        absent = next((i for i, t in enumerate(asked, start=1) if t is None), None)
        if absent is not None:
            raise ModelError(f"{path}: the text in data row {absent} is missing.")
        return tabulate(file, options, texts=tuple(t or "" for t in asked))
    predicted = role(file, options, "y_pred", "the predicted class")
    score = role(file, options, "y_score", "the probability of the favourable class")
    text = role(file, options, "text", "what the case is about")
    texts = () if text is None else tuple(t or "" for t in file.columns([text])[text])
    if predicted is None and score is None:
        return _unpredicted(file, options, texts)
    columns = file.columns([name for name in (predicted, score) if name is not None])
    probabilities = () if score is None else _probabilities(file, score, columns[score])
    return tabulate(file, options, None if predicted is None else columns[predicted], probabilities, texts)


def _unpredicted(file: TableFile, options: TableOptions, texts: tuple[str, ...]) -> Tabulated:
    """A data set: true classes, groups and texts of which no model has said anything."""
    others = [name for name in file.names if name not in (*ROLES, *options.sensitive, *options.columns.values())]
    meant = nearest("y_pred", others, LIKELY_TYPO) or nearest("y_score", others, LIKELY_TYPO)
    if meant:
        raise ModelError(
            f"{file.source} has neither a column y_pred nor y_score; name them with model.columns, did you mean {meant}."
        )
    table = tabulate(file, options, texts=texts)
    return replace(table, notes=(*table.notes, "It holds no predictions, so only the data set itself is audited."))


def answer_table(request: Tabulate, table: Tabulated, source: str, options: TableOptions) -> Tabulated | Failure:
    """The table that was read when the model was opened; where a whole one is asked for, with its other columns.

    These are read now and kept nowhere: most audits have no use for them, and they can be many.
    """
    if not request.whole:
        return table
    try:
        return _whole(table, source, options)
    except ModelError as error:
        return Failure("failed", str(error))


def read_data_set(options: TableOptions, source: str) -> Tabulated:
    """A table with all its columns, of which predictions, where it has some, are left out.

    Raises:
        ModelError: where the file cannot be read, or lacks what is needed.
    """
    file = open_table(source)
    text = role(file, options, "text", "what the case is about")
    texts = () if text is None else tuple(t or "" for t in file.columns([text])[text])
    return _whole(tabulate(file, options, texts=texts), source, options)


def _whole(table: Tabulated, source: str, options: TableOptions) -> Tabulated:
    file = open_table(source)
    roles = {options.columns.get(name, name) for name in ROLES} | set(options.sensitive)
    names = tuple(name for name in dict.fromkeys(file.names) if name and name not in roles)
    twice = [name for name in names if file.names.count(name) > 1]
    names = tuple(name for name in names if name not in twice)
    columns = file.columns(names) if names else {}
    if any(len(column) != len(table.truth) for column in columns.values()):
        raise ModelError(f"{source} was changed while it was audited.")
    notes = [f"Of the columns that are there more than once ({', '.join(twice)}) none was read."] if twice else []
    values = tuple(tuple(columns[name]) for name in names)
    return replace(table, columns=names, values=values, notes=(*table.notes, *notes))


def role(
    file: TableFile,
    options: TableOptions,
    name: Role,
    what: str,
    needed: bool = False,
) -> str | None:
    """What the column of that role is called in the file; None where it is not there and need not be.

    Raises:
        ModelError: where it is not there and was named or is needed, or is there twice.
    """
    column = options.columns.get(name, name)
    if needed or name in options.columns or file.has(column):
        file.require(column, f"which should hold {what}")
        return column
    return None


def tabulate(
    file: TableFile,
    options: TableOptions,
    predicted: Sequence[Cell] | None = None,
    score: tuple[float | None, ...] = (),
    texts: tuple[str, ...] = (),
) -> Tabulated:
    """Predictions (if known) put together with the truth and the groups of a file.

    Raises:
        ModelError: where columns are missing or the classes cannot be read.
    """
    if not options.sensitive and (score or predicted is not None or not texts):
        raise ModelError(
            f"{file.source}: model.sensitive must name the columns whose groups are compared, e.g. [race, sex]; "
            f"{hint('', file.names)}."
        )
    for name in options.sensitive:
        file.require(name, "which model.sensitive names")
    truth_name = role(file, options, "y_true", "the true class")
    attributes = tuple(dict.fromkeys(options.sensitive))
    wanted = [*attributes, *([] if truth_name is None else [truth_name])]
    columns = file.columns(wanted) if wanted else {}
    groups = tuple(tuple(cell or MISSING_GROUP for cell in columns[name]) for name in attributes)
    for name, column in zip(attributes, groups, strict=True):
        many = len(set(column))
        if many > MOST_GROUPS:
            raise ModelError(f"{file.source}: {name} has {many} different values; put them into groups (bands) first.")
    cases = len(texts) or len(groups[0])
    truth = [None] * cases if truth_name is None else columns[truth_name]
    positive, truth, said, notes = _classes(file, options, truth, predicted, bool(score))
    if said is None and score:
        other = next((c for c in truth if c not in (None, positive)), f"not {positive}")
        said = [None if p is None else positive if p >= THRESHOLD else other for p in score]
        notes = [*notes, f"There is no y_pred: a case is predicted {positive} where y_score is {THRESHOLD} or more."]
    elif said is not None and score:
        _check_direction(file.source, positive, said, score)
    if truth_name is None and (said is not None or not texts):
        notes = [*notes, "There is no y_true, so errors could not be measured."]
    return Tabulated(positive, tuple(truth), tuple(said or ()), score, texts, attributes, groups, tuple(notes))


def _classes(
    file: TableFile, options: TableOptions, truth: Sequence[Cell], predicted: Sequence[Cell] | None, scored: bool
) -> tuple[str, list[Cell], list[Cell] | None, list[str]]:
    """The favourable class, and truth and predictions in one spelling of the classes."""
    columns = [[_unless_none(c) for c in column] for column in (truth, predicted or ())]
    found = sorted({c for column in columns for c in column if c is not None})
    if all(c.lower() in _BINARY for c in found):  # 1 in one column may be True in another
        columns = [[None if c is None else _BINARY[c.lower()] for c in column] for column in columns]
        found = sorted({_BINARY[c.lower()] for c in found})
    wanted = options.positive
    spelled = wanted if wanted is None or wanted in found else _BINARY.get(wanted.lower(), wanted)
    listed = ", ".join(found[:12]) + (" and more" if len(found) > 12 else "")
    if wanted is None and len(found) > 2:
        raise ModelError(
            f"{file.source} has {len(found)} classes ({listed}); two are supported, or one against all others: name the "
            "favourable one with model.positive."
        )
    positive = spelled or "1"
    if found and positive not in found and not (wanted is None and found == ["0"]):
        told = f"no case has the class {positive}" if wanted else "none of them is 1 or true"
        raise ModelError(f"{file.source} has the classes {listed}, {told}; set model.positive to the favourable one.")
    if not found and not scored and predicted is not None:
        raise ModelError(f"{file.source} has no prediction in any row.")
    notes = [f"Classes {listed}: {positive} is compared with all others together."] if len(found) > 2 else []
    return positive, columns[0], None if predicted is None else columns[1], notes


def _check_direction(source: str, positive: str, said: Sequence[Cell], score: Sequence[float | None]) -> None:
    """Refuse probabilities of the other class: calibration would be read backwards."""
    known = [
        (label == positive, p) for label, p in zip(said, score, strict=True) if label is not None and p is not None
    ]
    for_it, against = [p for yes, p in known if yes], [p for yes, p in known if not yes]
    if for_it and against and math.fsum(for_it) / len(for_it) < math.fsum(against) / len(against) - BACKWARDS:
        raise ModelError(
            f"{source}: y_score is on average lower where y_pred is {positive} than elsewhere; it must hold the probability "
            f"of {positive}, so put 1 - y_score into the table, or set model.positive to the other class."
        )


def _unless_none(cell: Cell) -> Cell:
    return None if cell == "None" else cell  # as a class it is Python's word for missing; as a group it may be a group


def _probabilities(file: TableFile, name: str, cells: Sequence[Cell]) -> tuple[float | None, ...]:
    found: list[float | None] = []
    for number, cell in enumerate(map(_unless_none, cells), start=1):
        try:
            value = None if cell is None else float(cell)
        except ValueError:
            told = f"{file.source}: {name} in data row {number} is {(cell or '')[:40]}, not a number."
            raise ModelError(told) from None
        if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
            raise ModelError(
                f"{file.source}: {name} in data row {number} is {cell}, not a probability between 0 and 1."
            )
        found.append(value)
    return tuple(found)


DATA_SET = frozenset({Capability.TABULATE})
"""What can be asked of a table without predictions."""


class TableModel:
    """Predictions in a file, or a data set of which there are none: all that can be asked for is the table.

    Raises:
        ModelError: where the table cannot be read.
    """

    capabilities = frozenset({Capability.TABULATE, Capability.PREDICT})
    lacks: Mapping[Capability, str] = {}

    def __init__(self, source: str, options: Options, declared: dict[str, str]) -> None:
        self._table = read_table(options.table, source)
        self._read_from = (source, options.table)
        if not self._table.predicted:
            self.capabilities = DATA_SET
            self.lacks = {Capability.PREDICT: "the table holds no predictions (y_pred or y_score)"}
        path = Path(source).expanduser()
        facts = table_facts(source, path, declared, self._table, options.table)
        self.facts = facts.model_copy(update={"capabilities": sorted(self.capabilities)})
        self.fingerprint = table_fingerprint(self.facts, options.table)

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """One each; there is only one."""
        return chunks(requests, 1)

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        """The table."""
        return [answer_table(request, self._table, *self._read_from) for request in requests]


def table_facts(
    source: str, path: Path, declared: dict[str, str], table: Tabulated, options: TableOptions
) -> ModelFacts:
    """What is known of predictions: the file and its hash; ``weights_sha256`` is that of the file."""
    spoken = f"The table has {len(table.truth):,} cases; the favourable class is {table.positive}."
    compared = f" Groups are compared by {', '.join(table.attributes)}." if table.attributes else ""
    return ModelFacts(
        name=declared.get("name") or path.stem,
        source=source,
        kind="tabular",
        pinned=True,
        weights_sha256=file_hash([path]),
        capabilities=[Capability.PREDICT, Capability.TABULATE],
        declared=declared,
        notes=[f"{spoken}{compared}", *table.notes],
    )


def table_fingerprint(facts: ModelFacts, options: TableOptions, *more: str | None) -> str:
    """Hash of the file, how its columns are read, and the version of the code that reads them.

    ``more``: what else the answer depends on.
    """
    read = [list(options.sensitive), sorted(options.columns.items()), options.positive]
    return hashlib.sha256(json.dumps([facts.weights_sha256, read, CODE_VERSION, *more]).encode()).hexdigest()


def is_table(source: str) -> bool:
    """Whether a source string names a table."""
    return source.lower().endswith(SUFFIXES)
