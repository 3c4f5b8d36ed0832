"""The other columns of the table as numbers that a simple model can learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from audit.config import ModelConfig
from audit.mitigation.cases import Cases, Halves
from audit.models import ModelError
from audit.models.source import file_hash
from audit.models.table import is_table
from audit.models.table_file import Cell, TableFile, open_table
from audit.results import AuditResult
from probes.bias.group_fairness_cases import MISSING_GROUP

FloatArray = NDArray[np.float64]
MOST_CATEGORIES = 20  # more are names, dates or numbers of a register: a simple model learns them by heart
RARE = 10  # cases with a value below which it counts as 'other'
GIVES_AWAY = 0.95  # area under the ROC curve of one column alone; features of people's lives stay far below
_MOST_NAMED = 8


class NoFeaturesError(Exception):
    """Why there is nothing to learn from; the message is one sentence."""


@dataclass(frozen=True)
class Features:
    """Columns as numbers, ``[cases, k]`` for either half, and which columns they came from.

    ``left_out``: a reason, and the columns that were left out for it.
    """

    learn: FloatArray
    held: FloatArray
    used: tuple[str, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """For the settings of a remedy: what was learnt from, and what was left out and why."""
        return {"columns": _few(self.used)} | {why: _few(names) for why, names in self.left_out.items()}


def read_features(
    model: ModelConfig, result: AuditResult, halves: Halves, attributes: Sequence[str], wanted: Sequence[str]
) -> Features:
    """The columns of the table that are neither outcome nor prediction nor a sensitive attribute.

    Encodings are learnt from the one half alone. Numbers are centred and scaled, with the median for missing ones;
    words of few different values become one column a value. Left out are words of many different values, columns with a
    different value in each case, constant ones, and those that alone all but give the outcome away, unless asked for.

    Args:
        model: names the table and its columns.
        result: the audit, whose table must be the one that is found now.
        halves: the cases.
        attributes: the sensitive ones whose groups are the cases'.
        wanted: only these columns (see ``check_columns``); all that fit where empty.

    Raises:
        NoFeaturesError: where there is no such table, or no column is left.
    """
    table = model.source if is_table(model.source) else model.table
    if table is None:
        raise NoFeaturesError("There is no table with other columns.")
    try:
        file = open_table(table)
        _check_same(file, model, result, halves, attributes)
        taken = _taken(model)
        names = [name for name in dict.fromkeys(file.names) if name not in taken and (not wanted or name in wanted)]
        if not names:
            raise NoFeaturesError(f"{table} has no columns besides outcome, prediction and groups to learn from.")
        twice = [name for name in names if file.names.count(name) > 1]
        names = [name for name in names if name not in twice]
        columns = file.columns(names) if names else {}
    except ModelError as error:
        raise NoFeaturesError(str(error)) from None
    left_out = {"left out, because the table has them twice": twice} if twice else {}
    return _encoded(columns, halves, left_out, table, bool(wanted))


def check_columns(model: ModelConfig, wanted: Sequence[str]) -> None:
    """Check the columns that a user wants to be learnt from.

    Raises:
        ModelError: where there is no table, or no such column, or it is the outcome, a prediction, a text or a group.
    """
    if not wanted:
        return
    table = model.source if is_table(model.source) else model.table
    if table is None:
        raise ModelError("--column goes with a table of cases, and there is none with this model.")
    file = open_table(table)
    for name in wanted:
        file.require(name, "which --column names")
        if name in _taken(model):
            raise ModelError(
                f"The column {name} is an outcome, a prediction, a text or a group; it is not learnt from."
            )


def _taken(model: ModelConfig) -> set[str]:
    """The columns that have a role of their own."""
    roles: tuple[Literal["y_true", "y_pred", "y_score", "text"], ...] = ("y_true", "y_pred", "y_score", "text")
    return {*model.sensitive, *(model.columns.get(role, role) for role in roles)}


def _check_same(
    file: TableFile, model: ModelConfig, result: AuditResult, halves: Halves, attributes: Sequence[str]
) -> None:
    """Refuse another table than the one that was audited: rows would be put together with the wrong cases."""
    other = NoFeaturesError(f"{file.source} is not the table that was audited: it was changed since.")
    if is_table(model.source) and result.model.weights_sha256 not in (None, file_hash([file.path])):
        raise other
    columns = file.columns(attributes)
    cells = [", ".join(c or MISSING_GROUP for c in row) for row in zip(*(columns[a] for a in attributes), strict=True)]
    for cases in (halves.learn, halves.held):
        if any(
            row >= len(cells) or cells[row] != group
            for row, group in zip(cases.rows.tolist(), cases.groups.tolist(), strict=True)
        ):
            raise other


def _encoded(
    columns: dict[str, list[Cell]], halves: Halves, left_out: dict[str, list[str]], table: str, asked_for: bool
) -> Features:
    parts: list[tuple[FloatArray, FloatArray]] = []
    used: list[str] = []
    for name, cells in columns.items():
        learn, held = ([cells[row] for row in cases.rows] for cases in (halves.learn, halves.held))
        why, pair = _column(learn, held)
        if pair is not None and not asked_for and any(_gives_away(column, halves.learn) for column in pair[0].T):
            why, pair = "because one of them alone all but gives the outcome away", None
        if pair is None:
            left_out.setdefault(f"left out, {why}", []).append(name)
        else:
            used.append(name)
            parts.append(pair)
    if not parts:
        raise NoFeaturesError(
            f"{table} has no column to learn from besides outcome, prediction and groups ("
            + "; ".join(f"{why.removeprefix('left out, ')}: {_few(names)}" for why, names in left_out.items())
            + ")."
        )
    return Features(np.hstack([p[0] for p in parts]), np.hstack([p[1] for p in parts]), tuple(used), left_out)


def _column(learn: Sequence[Cell], held: Sequence[Cell]) -> tuple[str, tuple[FloatArray, FloatArray] | None]:
    """One column as numbers for both halves, or why it is left out."""
    known = [cell for cell in learn if cell is not None]
    different = set(known)
    if len(different) < 2:
        return "because they have one value alone", None
    first, second = _numbers(learn), _numbers(held)
    if first is None or second is None:
        if len(different) > MOST_CATEGORIES:
            return f"because they are words of more than {MOST_CATEGORIES} different values", None
        pair = _one_hot(learn, held)
        if not pair[0].shape[1]:
            return f"because no value of them has {RARE} cases", None
    else:
        if len(different) == len(learn) and all(float(c).is_integer() for c in different):
            return "because they have a different whole number for each case", None
        pair = _scaled(first, second)
    return "", pair


def _numbers(cells: Sequence[Cell]) -> FloatArray | None:
    try:
        found = np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    except ValueError:
        return None
    return None if np.isinf(found).any() else found


def _scaled(learn: FloatArray, held: FloatArray) -> tuple[FloatArray, FloatArray]:
    middle = float(np.nanmedian(learn))
    filled = [np.where(np.isnan(half), middle, half) for half in (learn, held)]
    mean, spread = float(filled[0].mean()), float(filled[0].std())
    first, second = ((half - mean) / (spread if spread > 0 else 1.0) for half in filled)
    return first[:, None], second[:, None]


def _one_hot(learn: Sequence[Cell], held: Sequence[Cell]) -> tuple[FloatArray, FloatArray]:
    counts = {value: learn.count(value) for value in {*learn}}
    values = sorted((v for v, n in counts.items() if n >= RARE), key=lambda v: (v is None, v or ""))
    first, second = (np.array([[float(c == v) for v in values] for c in half]) for half in (learn, held))
    return first.reshape(len(learn), len(values)), second.reshape(len(held), len(values))


def _gives_away(column: FloatArray, cases: Cases) -> bool:
    """Whether a column alone tells the outcome: such a one records it in another form, or was written after it."""
    area = float(roc_auc_score(cases.truth, column)) if len(set(cases.truth.tolist())) == 2 else math.nan
    return max(area, 1 - area) >= GIVES_AWAY


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
