"""Texts of a file that the user names: plain text with blank lines between texts, JSON Lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from audit.corpora import Item, ItemsError

SUFFIXES = (".txt", ".jsonl", ".csv")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


def read_texts(path: Path, what: str) -> list[Item]:
    """The texts of a file, in order, each with an ``id``, a ``text`` and a ``source``.

    Ids are the file's name without its suffix and the number of the text, from 1: ``letters/12``. Of JSON Lines and CSV the
    field ``text`` is read, and where there is one, ``source``: what a text was taken from, such as a document or a
    person, so that texts of one source can be counted together; otherwise it is empty. White space around texts is cut.

    Args:
        path: a .txt, .jsonl or .csv file in UTF-8.
        what: how messages name it: "The file of members".

    Raises:
        ItemsError: where there is no such file, it cannot be read, it holds no texts, or one of them is empty.
    """
    place = path.expanduser()
    if not place.is_file():
        raise ItemsError(f"{what} was not found: there is no file {path}.")
    suffix = place.suffix.lower()
    if suffix not in SUFFIXES:
        raise ItemsError(
            f"{what}, {path}, cannot be read: give a .txt file with blank lines between the texts, or a .jsonl or .csv file "
            "with a field named text."
        )
    try:
        content = place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ItemsError(f"{what}, {path}, is not UTF-8 text; save it with the encoding UTF-8.") from None
    except OSError as error:
        raise ItemsError(f"{what}, {path}, cannot be read: {error.strerror}.") from None
    named = f"{what}, {path}"
    rows = {".txt": _paragraphs, ".jsonl": _json_lines, ".csv": _table}[suffix](content, named)
    items: list[Item] = [
        {"id": f"{place.stem}/{number}", "text": text, "source": source}
        for number, (text, source) in enumerate(rows, 1)
    ]
    if not items:
        raise ItemsError(f"{named}, holds no texts.")
    return items


def _paragraphs(content: str, named: str) -> Iterator[tuple[str, str]]:
    yield from ((text.strip(), "") for text in _BLANK_LINES.split(content) if text.strip())


def _json_lines(content: str, named: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ItemsError(f"{named}, is not JSON Lines: line {number}: {error}.") from None
        if not isinstance(row, dict):
            raise ItemsError(f"{named}, is not JSON Lines of objects: line {number} is none.")
        yield _checked(row.get("text"), row.get("source"), f"{named}: line {number}")


def _table(content: str, named: str) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        if "text" not in (reader.fieldnames or ()):
            raise ItemsError(f"{named}, has no column named text.")
        for number, row in enumerate(reader, 1):
            yield _checked(row["text"], row.get("source"), f"{named}: row {number}")
    except csv.Error as error:
        raise ItemsError(f"{named}, cannot be read as CSV: {error}.") from None


def _checked(text: object, source: object, where: str) -> tuple[str, str]:
    if not isinstance(text, str) or not text.strip():
        raise ItemsError(f"{where} has no text.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ItemsError(f"{where} holds half of a character, which no model can read.")
    return text.strip(), "" if source is None else str(source).strip()
