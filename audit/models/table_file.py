"""A CSV or Parquet file as columns; every mistake in it is one sentence that names the file."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.models.base import ModelError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")
_SEPARATORS = (",", ";", "\t")
_MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL"})
_WHOLE = re.compile(r"(-?\d+)\.0+")
_MOST_NAMED = 12
Cell = str | None


@dataclass(frozen=True)
class TableFile:
    """An open table: ``source`` is how the user named it, ``names`` its columns in their order."""

    source: str
    path: Path
    names: tuple[str, ...]
    separator: str | None

    def has(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return name in self.names

    def require(self, name: str, what: str) -> None:
        """Check that a column is there, and once.

        Raises:
            ModelError: otherwise; ``what`` says what the column is for.
        """
        if self.names.count(name) > 1:
            raise ModelError(f"{self.source} has more than one column {name}; rename all but the one that is meant.")
        if name not in self.names:
            raise ModelError(f"{self.source} has no column {name}, {what}; {hint(name, self.names)}.")

    def columns(self, wanted: Iterable[str]) -> dict[str, list[Cell]]:
        """The wanted columns (checked before) as text, None where a cell is empty or says that it is missing.

        Raises:
            ModelError: where the file is damaged or has no rows.
        """
        names = list(dict.fromkeys(wanted))
        if self.separator is None:
            found = {name: [as_text(value) for value in self._stored([name])[name].to_pylist()] for name in names}
        else:
            places = [self.names.index(name) for name in names]
            rows = [[row[place] for place in places] for row in self._rows()]
            found = {name: [as_text(row[i]) for row in rows] for i, name in enumerate(names)}
        if not next(iter(found.values()), []):
            raise ModelError(f"{self.source} has column names but no rows.")
        return found

    def frame(self, wanted: Sequence[str]) -> pd.DataFrame:
        """The wanted columns (checked before) as pandas reads them, for a model that was fitted on such a frame."""
        import pandas as pd  # a third of a second that other models do not need

        if self.separator is None:
            stored: pd.DataFrame = self._stored(wanted).to_pandas()
            return stored[list(wanted)]
        places = [self.names.index(name) for name in wanted]
        content = io.StringIO()
        csv.writer(content).writerows([list(wanted), *([row[place] for place in places] for row in self._rows())])
        content.seek(0)
        return pd.read_csv(content, skip_blank_lines=False)[list(wanted)]

    def _stored(self, names: Sequence[str]) -> Any:
        try:
            return pq.read_table(self.path, columns=list(names))
        except (pa.ArrowException, OSError) as error:
            raise ModelError(f"{self.source} cannot be read as Parquet: {_line(error)}.") from None

    def _rows(self) -> Iterator[list[str]]:
        """Data rows of a CSV file; empty lines are skipped."""
        rows = csv.reader(io.StringIO(_text(self.source, self.path), newline=""), delimiter=self.separator or ",")
        try:
            next(rows, None)
            for number, row in enumerate((row for row in rows if row), start=1):
                if len(row) != len(self.names):
                    raise ModelError(
                        f"{self.source} cannot be read as CSV: data row {number} has {len(row)} values, "
                        f"the first line names {len(self.names)} columns."
                    )
                yield row
        except csv.Error as error:
            raise ModelError(f"{self.source} cannot be read as CSV: {_line(error)}.") from None


def open_table(source: str) -> TableFile:
    """Open a table and read the names of its columns.

    Raises:
        ModelError: where there is no such file, or it is not a table.
    """
    try:
        path = Path(source).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError):
        path, there = Path(), False
    if not there:
        raise ModelError(f"The table {source} was not found: there is no such file.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(f"{source} is not a table that can be read; save it as .csv or .parquet.")
    if path.stat().st_size == 0:
        raise ModelError(f"{source} is empty.")
    if suffix == ".csv":
        return _open_csv(source, path)
    try:
        names = tuple(str(name) for name in pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise ModelError(f"{source} cannot be read as Parquet: {_line(error)}.") from None
    return TableFile(source, path, names, None)


def _open_csv(source: str, path: Path) -> TableFile:
    text = _text(source, path)
    start = text[:1000].lstrip().lower()
    if not start:
        raise ModelError(f"{source} is empty.")
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise ModelError(
            f"{source} is a web page, not CSV; a download may have saved an error or sign-in page instead."
        )
    line = text.lstrip("\r\n").splitlines()[0]
    separator = max(_SEPARATORS, key=line.count)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
    except csv.Error as error:
        raise ModelError(f"{source} cannot be read as CSV: {_line(error)}.") from None
    if not any(name.strip() for name in names):
        raise ModelError(f"{source} cannot be read as CSV: its first line must name the columns.")
    return TableFile(source, path, tuple(name.strip() for name in names), separator)


def _text(source: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError(f"{source} is not UTF-8 text; save the CSV file with the encoding UTF-8.") from None
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror}.") from None


def as_text(value: object) -> Cell:
    """A cell as text: a whole number without its ``.0``, None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value).strip()
    if text in _MISSING:
        return None
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def nearest(name: str, names: Sequence[str], likeness: float = 0.6) -> str | None:
    """What is spelled much like it, if anything; ``likeness`` from 0 to 1 (the same)."""
    folded = {known.casefold(): known for known in reversed(names)}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=likeness)
    return folded[close[0]] if close else None


def hint(name: str, names: Sequence[str]) -> str:
    """What may have been meant, or what there is."""
    close = nearest(name, names)
    if close:
        return f"did you mean {close}"
    rest = len(names) - _MOST_NAMED
    return f"it has {', '.join(names[:_MOST_NAMED])}{f' and {rest} more' if rest > 0 else ''}"


def _line(error: Exception) -> str:
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
