"""The items of a custom probe: rows of a table, checked one by one and turned into texts."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from pyarrow import ArrowException

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet
from probes.custom.definition import Choice, Definition
from probes.custom.fill import fields_of, filled, pattern_fields

MOST_BYTES = 100_000_000
MOST_ROWS = 200_000
SEPARATOR = "|"  # between the options in one cell of a csv


@dataclass(frozen=True)
class Table:
    """Rows as they were read: each with its place in words, such as ``line 7``."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Made:
    """Items, and one sentence for each row that cannot be one."""

    items: list[Item]
    complaints: list[str] = field(default_factory=list)


def file_rows(path: Path) -> Table:
    """The rows of a csv, jsonl or parquet file.

    Raises:
        ItemsError: where the file is missing, too large, not what its name says, or without rows.
    """
    try:
        if path.is_dir():
            raise ItemsError(f"{path} is a folder, not a file.")
        if path.stat().st_size > MOST_BYTES:
            raise ItemsError(f"{path} is larger than {MOST_BYTES:,} bytes; take a sample of it.")
        table = TABLES[path.suffix.lower().removeprefix(".")](path)
    except FileNotFoundError:
        raise ItemsError(f"The file of items {path} does not exist.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ItemsError(
            f"{path}, line {line}: this is not UTF-8 text; save the file with the encoding UTF-8."
        ) from None
    except (OSError, ValueError, RecursionError, csv.Error, ArrowException) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ItemsError(f"{path} cannot be read as {path.suffix.lower().removeprefix('.')}: {said}") from None
    return _some(table)


def inline_rows(rows: Sequence[Mapping[str, Any]], name: str) -> Table:
    """Rows that stand in the probe's own file."""
    columns = dict.fromkeys(key for row in rows for key in row)
    return Table(name, tuple(columns), tuple((f"item {n}", row) for n, row in enumerate(rows, 1)))


def hub_rows(definition: Definition) -> Table:
    """Rows of the hub's set at the commit that the definition names; no code of the set is run.

    Raises:
        ItemsError: where they cannot be had.
    """
    hub, _, revision = (definition.items.hub or "").partition("@")
    found = PublishedSet(hub, hub, hub, hub).from_hub(revision, definition.items.config, definition.items.split, ())
    columns = tuple(found[0]) if found else ()
    return _some(
        Table(f"{hub} at {revision[:12]}", columns, tuple((f"row {n}", row) for n, row in enumerate(found, 1)))
    )


def _some(table: Table) -> Table:
    if not table.rows:
        raise ItemsError(f"{table.name} holds no items.")
    if len(table.rows) > MOST_ROWS:
        raise ItemsError(f"{table.name} holds more than {MOST_ROWS:,} rows; take a sample of it.")
    return table


def _csv(path: Path) -> Table:
    text = path.read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = [name.strip() for name in next(reader, [])]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise ItemsError(f"{path}, line 1: two columns have the name {twice[0]!r}.")
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            told = f"{path}, line {reader.line_num}: {len(cells)} cells, but the header names {len(columns)} columns"
            raise ItemsError(f"{told}; put text that holds a comma in quotation marks.")
        rows.append((f"line {reader.line_num}", dict(zip(columns, cells, strict=False))))
    return Table(str(path), tuple(columns), tuple(rows))


def _json_lines(path: Path) -> Table:
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse)
        except ValueError as error:
            raise ItemsError(f"{path}, line {number}: this is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise ItemsError(f"{path}, line {number}: each line must be an object with columns as keys.")
        rows.append((f"line {number}", row))
    return Table(str(path), tuple(dict.fromkeys(key for _, row in rows for key in row)), tuple(rows))


def _parquet(path: Path) -> Table:
    found = parquet.read_table(path)
    if found.num_rows > MOST_ROWS:
        raise ItemsError(f"{path} holds more than {MOST_ROWS:,} rows; take a sample of it.")
    rows = tuple((f"row {n}", row) for n, row in enumerate(found.to_pylist(), 1))
    return Table(str(path), tuple(found.column_names), rows)


TABLES = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}
"""How each kind of table is read, by the ending of its file."""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def unknown_columns(definition: Definition, table: Table) -> list[tuple[tuple[str, ...], str]]:
    """The columns that a definition names and the table lacks, and where it names them."""
    return [(where, name) for where, name in definition.places() if name not in table.columns]


def made_items(definition: Definition, table: Table) -> Made:
    """The rows as items: ``id``, ``cluster``, ``group``, ``fields`` (texts by column), ``options``, and the definition's hash.

    Call it only where ``unknown_columns`` found none.
    """
    made, seen = Made([]), dict[str, str]()
    for number, (place, row) in enumerate(table.rows, 1):
        try:
            item = _item(definition, row, number)
        except ItemsError as error:
            made.complaints.append(f"{table.name}, {place}: {error}")
            continue
        if item["id"] in seen:
            first = seen[item["id"]]
            made.complaints.append(f"{table.name}, {place}: the id {item['id'][:60]!r} is that of {first} as well")
            continue
        seen[item["id"]] = place
        made.items.append(item)
    if definition.groups is not None and not made.complaints:
        made.complaints.extend(f"{table.name}: {told}" for told in _wrong_groups(definition.groups.column, made.items))
    return made


def _item(definition: Definition, row: Mapping[str, Any], number: int) -> Item:
    needed = _needed(definition)
    fields: dict[str, str] = {}
    for _, name in definition.places():
        if definition.score.choice is not None and name == definition.score.choice.options:
            continue
        text = cell_text(name, row.get(name))
        if text is None and name in needed:
            raise ItemsError(f"the column {name!r} is empty")
        if text is not None:
            fields[name] = text
    item: dict[str, Any] = {
        "id": fields[definition.items.id] if definition.items.id else str(number),
        "fields": fields,
        "definition": definition.hash,
    }
    item["cluster"] = fields[definition.items.cluster] if definition.items.cluster else item["id"]
    item["group"] = fields[definition.groups.column] if definition.groups else ""
    if definition.score.choice is not None:
        item["options"] = _options(definition.score.choice, row, fields)
    likelihood = definition.score.likelihood
    if likelihood is not None and filled(likelihood.preferred, fields) == filled(likelihood.other, fields):
        raise ItemsError("the two texts that are compared are the same")
    return item


def _needed(definition: Definition) -> set[str]:
    """Columns in which every row must have something; only an option may be left out."""
    texts = [text for where, text in definition.texts() if where[-1] != "options"]
    pattern = definition.score.regex
    of_patterns = [p for p in (pattern.right, pattern.wrong, pattern.refusal) if p] if pattern else []
    own = [definition.items.id, definition.items.cluster, definition.groups.column if definition.groups else None]
    found = {name for text in texts for name in fields_of(text)} | {n for p in of_patterns for n in pattern_fields(p)}
    return found | {name for name in own if name}


def cell_text(name: str, value: Any) -> str | None:
    """A cell as text; None where it is empty."""
    if isinstance(value, list | dict | tuple | bytes):
        raise ItemsError(f"the column {name!r} holds no single value")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Whole numbers become floats in a table where another row has none.
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    text = "" if value is None else str(value).strip()
    if any(
        "\ud800" <= c <= "\udfff" for c in text
    ):  # JSON can name one half of a character; nothing can be asked with it
        raise ItemsError(f"the column {name!r} holds half a character (a lone surrogate)")
    return text or None


def _options(choice: Choice, row: Mapping[str, Any], fields: Mapping[str, str]) -> list[str]:
    """The options, the right one first."""
    if isinstance(choice.options, str):
        value = row.get(choice.options)
        cells = value.split(SEPARATOR) if isinstance(value, str) else value if isinstance(value, list) else [value]
        texts = [cell_text(choice.options, cell) for cell in cells]
    else:
        # An option whose column is empty is one option fewer.
        texts = [
            filled(text, fields).strip() if all(name in fields for name in fields_of(text)) else None
            for text in choice.options
        ]
    options, right = [text for text in texts if text], filled(choice.answer, fields).strip()
    if len(options) < 2:
        raise ItemsError(f"there are {len(options)} options; a choice needs two")
    if len(set(options)) < len(options):
        raise ItemsError("two options are the same")
    if right not in options:
        meant = f"; the column is written {{{right}}}" if right in row else ""
        raise ItemsError(f"the answer {right[:60]!r} is none of the options{meant[:80]}")
    return [right, *(option for option in options if option != right)]


def _wrong_groups(column: str, items: Sequence[Item]) -> list[str]:
    counts = Counter(item["group"] for item in items)
    if len(counts) < 2:
        return [f"the column {column!r} holds one group only, {next(iter(counts), '')[:60]!r}; a gap needs two"]
    return [
        f"the group {group[:60]!r} has a single item, of which no gap can be told"
        for group in counts
        if counts[group] < 2
    ]
