"""Published sets of items: read from the user's data folder or, at a pinned commit, from the hub. Never shipped."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import ClassLabel, LargeList, List, load_dataset

from audit.corpora import ItemsAbsent, ItemsError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PublishedSet:
    """A set that others give out.

    Args:
        name: what people call it.
        folder: where its files lie in the data folder.
        origin: where a user gets the files, as an address without ``https://``.
        hub: its id on the Hugging Face hub, None where it has none there.
    """

    name: str
    folder: str
    origin: str
    hub: str | None = None

    def file(self, data: Path | None, name: str) -> Path:
        """The file of that name in the set's part of the data folder.

        Raises:
            ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        """
        if data is not None and (data / self.folder / name).is_file():
            return data / self.folder / name
        where = f"{data / self.folder / name} does not exist" if data else "no data folder was given (--data DIR)"
        hub = f", or name a commit of the hub's {self.hub} as hub_revision" if self.hub else ""
        raise ItemsAbsent(
            f"{self.name} does not come with the package and {where}: put {name} of {self.origin} into the folder "
            f"{self.folder} of the data folder{hub}."
        )

    def from_hub(self, revision: str, config: str | None, split: str, fields: Sequence[str]) -> list[Row]:
        """The rows of the hub's set at one commit, with names in the place of class numbers.

        Raises:
            ItemsError: where they cannot be had, or are not what they should be.
        """
        place = f"{self.hub} at {revision}"
        try:
            found = load_dataset(self.hub, config, split=split, revision=revision)
        except Exception as error:
            # The library and the hub's client raise many kinds of errors for a missing network or a wrong revision.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ItemsError(f"{place} could not be loaded from the hub: {reason[0]}") from None
        missing = [field for field in fields if field not in found.column_names]
        if missing:
            raise ItemsError(f"{place} is not {self.name}: it has no column {missing[0]}.")
        kinds = found.features
        return [{name: _named(kinds[name], value) for name, value in row.items()} for row in found]

    def table(self, path: Path, fields: Sequence[str], delimiter: str = ",") -> list[Row]:
        """The rows of a CSV file (or one with another delimiter) that has a header.

        Raises:
            ItemsError: where the file is no such table, lacks one of ``fields``, or holds no rows.
        """
        kind = "CSV" if delimiter == "," else "TSV"
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                # Tabs separate files whose quotation marks are part of the text.
                reader = (
                    csv.DictReader(file, strict=True)
                    if delimiter == ","
                    else csv.DictReader(file, strict=True, delimiter=delimiter, quoting=csv.QUOTE_NONE)
                )
                missing = [field for field in fields if field not in (reader.fieldnames or ())]
                if missing:
                    raise ItemsError(f"{path} is not {self.name}: it has no column {missing[0]}.")
                rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ItemsError(f"{path} cannot be read as a {kind} file: {error}") from None
        return self._some(path, rows)

    def json_lines(self, path: Path, fields: Sequence[str]) -> list[Row]:
        """The objects of a JSON Lines file.

        Raises:
            ItemsError: where the file is none, an object lacks one of ``fields``, or it holds none.
        """
        rows: list[Row] = []
        for number, line in enumerate(self.text(path).split("\n"), 1):
            if not line.strip():
                continue
            row = _parsed(path, line, f" (line {number})")
            missing = fields if not isinstance(row, dict) else [field for field in fields if field not in row]
            if missing:
                raise ItemsError(f"{path} is not {self.name}: line {number} has no {missing[0]}.")
            rows.append(row)
        return self._some(path, rows)

    def json(self, path: Path) -> Any:
        """The content of a JSON file.

        Raises:
            ItemsError: where it is none.
        """
        return _parsed(path, self.text(path), "")

    def text(self, path: Path) -> str:
        """The text of a file.

        Raises:
            ItemsError: where it cannot be read.
        """
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ItemsError(f"{path} cannot be read: {error}") from None

    def _some(self, path: Path, rows: Sequence[Row]) -> list[Row]:
        if not rows:
            raise ItemsError(f"{path} holds no items.")
        return list(rows)


def _named(kind: Any, value: Any) -> Any:
    """A value of the hub with names in the place of class numbers, also within its lists and objects."""
    if value is None:
        return None
    if isinstance(kind, ClassLabel):
        return kind.int2str(value)
    if isinstance(kind, Mapping):
        return {name: _named(kind[name], part) for name, part in value.items()}
    if isinstance(kind, List | LargeList):
        return [_named(kind.feature, part) for part in value]
    return value


def _parsed(path: Path, text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ItemsError(f"{path} cannot be read as JSON{where}: {error}") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")
