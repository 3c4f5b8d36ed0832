"""The data set of ``bias.dataset``: read when the probe's items are loaded, or given by the model; then as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.corpora import Item, ItemsError
from audit.models import Failure, ModelError, Responses, Tabulate, Tabulated, decode, encode
from audit.models.options import TableOptions
from audit.models.table import MISSING_GROUP, read_data_set
from probes.bias.group_fairness_cases import drawn

ITEM = "table"
MOST_LEVELS = 20  # of a column of words; the rarest count as one further level
MOST_NAMES = 50  # a column of more different words, most of them there once, holds names, dates or free text
IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
Kind = Literal["number", "words", "names", "constant"]


@dataclass(frozen=True)
class Column:
    """A column that is neither a group, a label nor a prediction.

    ``codes`` holds a number column's values or the levels of a column of words, NaN where a cell is missing. Columns of
    names (row numbers, people, dates, free text) and constant ones tell groups apart only by chance: they are counted
    for missing cells and nothing else.
    """

    name: str
    kind: Kind
    missing: NDArray[np.bool_]
    codes: FloatArray
    cells: tuple[str | None, ...]


@dataclass(frozen=True)
class Attribute:
    """A sensitive column: ``codes[i]`` is the place of case i in ``names``; those ``large`` are compared."""

    name: str
    names: tuple[str, ...]
    codes: IntArray
    large: tuple[int, ...]

    def part(self, place: int) -> str:
        """The slice of a group."""
        return f"{self.name}: {self.names[place]}"

    @property
    def known(self) -> NDArray[np.bool_]:
        """The cases whose group is known."""
        unknown = [place for place, name in enumerate(self.names) if name == MISSING_GROUP]
        return ~np.isin(self.codes, unknown)

    @property
    def small(self) -> tuple[str, ...]:
        """The known groups that are not compared."""
        return tuple(n for place, n in enumerate(self.names) if place not in self.large and n != MISSING_GROUP)


@dataclass(frozen=True)
class DataSet:
    """A data set as arrays of one length, one entry a case.

    ``label``: 1 where the label is the favourable class ``positive``, 0 where it is another, -1 where it is missing.
    ``texts`` is empty where there is no column of texts. ``whole``: the attributes over all cases of the table, where
    these may be a sample of them. ``failure``: why there is nothing at all.
    """

    positive: str
    attributes: tuple[Attribute, ...]
    label: IntArray
    columns: tuple[Column, ...]
    texts: tuple[str, ...]
    whole: tuple[Attribute, ...] = ()
    failure: Failure | None = None

    @property
    def cases(self) -> int:
        """How many there are."""
        return len(self.label)

    @property
    def usable(self) -> tuple[Column, ...]:
        """The columns that may tell something."""
        return tuple(c for c in self.columns if c.kind in ("number", "words"))


def load_table(path: str, sensitive: Sequence[str], columns: Mapping[str, str], positive: str | None) -> list[Item]:
    """One item, which holds the table; its hash is what the manifest keeps of it.

    Raises:
        ItemsError: where the file is not what the options say.
    """
    try:
        table = read_data_set(TableOptions(None, tuple(sensitive), dict(columns), positive), path)
    except ModelError as error:
        # The options of the probe are called otherwise than those of a model.
        told = str(error).replace("model.sensitive", "sensitive").replace("model.positive", "positive")
        raise ItemsError(told) from None
    return [{"id": ITEM, "table": encode(table)}]


def given(items: Sequence[Item], answers: Responses) -> Tabulated | Failure:
    """The table of the item, or that of the model."""
    stored = items[0].get("table") if items else None
    found = decode(str(stored)) if stored is not None else answers.get(Tabulate(whole=True))
    if isinstance(found, Tabulated | Failure):
        return found
    return Failure("failed", "The table was not read.")


def data_set(table: Tabulated | Failure, minimum: int, ignored: Sequence[str], limit: int | None, seed: int) -> DataSet:
    """The table as arrays; groups with at least ``minimum`` cases are compared, columns ``ignored`` are left out."""
    failure = table if isinstance(table, Failure) else None
    if isinstance(table, Tabulated) and not table.truth:
        failure = Failure("failed", "The table has no cases.")
    if failure is not None or isinstance(table, Failure):
        return DataSet("", (), np.zeros(0, dtype=np.intp), (), (), failure=failure)
    rows = drawn(len(table.truth), limit, seed)
    chosen = [(n, v) for n, v in zip(table.columns, table.values, strict=True) if n not in ignored]
    label = [table.truth[row] for row in rows]
    return DataSet(
        positive=table.positive,
        attributes=tuple(
            _attribute(name, [column[row] for row in rows], minimum)
            for name, column in zip(table.attributes, table.groups, strict=True)
        ),
        label=np.array([-1 if c is None else int(c == table.positive) for c in label], dtype=np.intp),
        columns=tuple(column_of(name, [values[row] for row in rows]) for name, values in chosen),
        texts=tuple(table.texts[row] for row in rows) if table.texts else (),
        whole=tuple(
            _attribute(name, column, minimum) for name, column in zip(table.attributes, table.groups, strict=True)
        ),
    )


def _attribute(name: str, cells: Sequence[str], minimum: int) -> Attribute:
    names, codes = np.unique(np.array(cells, dtype=np.str_), return_inverse=True)
    sizes = np.bincount(codes)
    large = tuple(i for i, n in enumerate(names) if sizes[i] >= minimum and n != MISSING_GROUP)
    return Attribute(name, tuple(str(n) for n in names), codes.astype(np.intp), large)


def column_of(name: str, cells: Sequence[str | None]) -> Column:
    """A column with what it holds: numbers, words of which many are alike, names, or one value."""
    missing = np.array([cell is None for cell in cells], dtype=bool)
    known = [cell for cell in cells if cell is not None]
    many = len(set(known))
    numbers = _numbers(cells)
    if many < 2:
        kind: Kind = "constant"
    elif numbers is not None:
        counted = many == len(known) > MOST_NAMES and bool((numbers[~missing] % 1 == 0).all())
        kind = "names" if counted else "number"  # a whole number of its own for each case is the case's name
    else:
        kind = "names" if many > MOST_NAMES and 2 * many > len(known) else "words"
    if kind == "number" and numbers is not None:
        codes = numbers
    else:
        frequent = Counter(known).most_common(MOST_LEVELS)
        places = {level: float(place) for place, level in enumerate(sorted(level for level, _ in frequent))}
        codes = np.array([np.nan if c is None else places.get(c, float(MOST_LEVELS)) for c in cells])
    return Column(name, kind, missing, codes, tuple(cells))


def _numbers(cells: Sequence[str | None]) -> FloatArray | None:
    """The cells as numbers, NaN where missing; None where one of them is no finite number."""
    try:
        found = np.array([np.nan if cell is None else float(cell) for cell in cells])
    except ValueError:
        return None
    known = found[[cell is not None for cell in cells]]
    return found if np.isfinite(known).all() else None


def rare_crossings(data: DataSet, minimum: int) -> tuple[int, int]:
    """Combinations of two attributes that have fewer than ``minimum`` cases of the table, and all that there are."""
    few = every = 0
    for one, other in combinations(data.whole, 2):
        known = one.known & other.known
        sizes = np.zeros((len(one.names), len(other.names)), dtype=np.intp)
        np.add.at(sizes, (one.codes[known], other.codes[known]), 1)
        # A combination that never occurs counts where both of its groups do.
        there = np.outer(sizes.sum(axis=1) > 0, sizes.sum(axis=0) > 0)
        few += int((there & (sizes < minimum)).sum())
        every += int(there.sum())
    return few, every
