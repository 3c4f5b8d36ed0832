"""What ``privacy.memorization`` asks about: the user's texts, controls and canaries, and well-known sequences of our own."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audit.corpora import Item, ItemsError, load_items
from probes.base import derived_seed
from probes.privacy.memorization_canaries import canary
from probes.privacy.memorization_similarity import first_words, words

SEQUENCES = Path(__file__).parent / "items" / "known_sequences.jsonl"
OWN = "fairwitness's own items, Apache-2.0"


def sequences() -> list[Item]:
    """Well-known sequences of facts, each with its true continuation and the same words in another order."""
    return [
        {**row, "kind": "sequence", "suffix": f" {row['after']}", "control": f" {shuffled(row['after'], row['id'])}"}
        for row in load_items(SEQUENCES)
    ]


def shuffled(text: str, name: str) -> str:
    """The words in another order, drawn from the name; commas stay where they stood."""
    bare = [word.rstrip(",") for word in words(text)]
    stream = np.random.default_rng(derived_seed(0, f"shuffled {name}"))
    order = list(range(len(bare)))
    while [bare[i] for i in order] == bare:
        order = [int(i) for i in stream.permutation(len(bare))]
    commas = ["," if word.endswith(",") else "" for word in words(text)]
    return " ".join(bare[i] + comma for i, comma in zip(order, commas, strict=True))


def user_texts(file: str, kind: str, prefix: int, suffix: int) -> list[Item]:
    """The beginnings of the texts of a file, cut into what is given and what should follow; equal ones once.

    Args:
        file: as the user named it: .txt with empty lines between texts, or .jsonl or .csv with ``text`` and, if wanted,
            ``id`` and ``cluster``, which texts that are not independent share.
        kind: ``text`` or ``control``.
        prefix, suffix: words given, and words that should follow.

    Raises:
        ItemsError: where the file cannot be read, or holds no text that is long enough.
    """
    rows = _rows(file)
    found: dict[tuple[str, str], Item] = {}
    short = 0
    for number, row in enumerate(rows, start=1):
        text = str(row["text"]).strip()
        if len(words(text)) < prefix + suffix:
            short += 1
            continue
        given, rest = first_words(text, prefix)
        follows, _ = first_words(rest, suffix)
        name = str(row.get("id") or number)
        item = {"id": f"{kind}-{name}", "kind": kind, "before": given, "suffix": follows, "file": file}
        found.setdefault((given, follows), {**item, "cluster": str(row.get("cluster") or item["id"])})
    if not found:
        raise ItemsError(
            f"{file} holds no text of {prefix + suffix} words or more; give longer ones, or set prefix and suffix lower."
        )
    items = list(found.values())
    if len({item["id"] for item in items}) < len(items):
        raise ItemsError(f"{file}: two texts have the same id.")
    return [{**item, "too_short": short, "of": len(rows)} for item in items]


def with_other_endings(items: Sequence[Item]) -> list[Item]:
    """Texts, each with the continuation of the one nearest in length as its ``control``.

    Raises:
        ItemsError: for a single text, which has no other.
    """
    if len(items) < 2:
        raise ItemsError("A single text has nothing to be compared with: give more texts, or a file of controls.")
    order = sorted(range(len(items)), key=lambda i: (len(items[i]["suffix"]), items[i]["id"]))
    follower = dict(zip(order, order[1:] + order[-2:-1], strict=True))
    return [{**item, "control": items[follower[i]]["suffix"]} for i, item in enumerate(items)]


def check_apart(texts: Sequence[Item], controls: Sequence[Item]) -> None:
    """Check that no control is one of the texts.

    Raises:
        ItemsError: otherwise.
    """
    both = {(t["before"], t["suffix"]) for t in texts} & {(c["before"], c["suffix"]) for c in controls}
    if both:
        raise ItemsError(f"{len(both)} of the controls begin like one of the texts; a control must not be among them.")


def canaries(file: str) -> list[Item]:
    """The planted secrets of a JSON Lines file.

    Raises:
        ItemsError: where it cannot be read, or a canary does not say how others of its kind are drawn.
    """
    rows = _json_lines(file, _read(file))
    items = [canary(row, number, file) for number, row in enumerate(rows, start=1)]
    if len({item["id"] for item in items}) < len(items):
        raise ItemsError(f"{file}: two canaries have the same id.")
    return items


def _read(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ItemsError(f"{file} is not text in UTF-8.") from None
    except (OSError, ValueError, RuntimeError):
        raise ItemsError(f"{file} cannot be read: there is no such file, or it may not be read.") from None


def _rows(file: str) -> list[dict[str, Any]]:
    content, suffix = _read(file), Path(file).suffix.lower()
    if suffix == ".jsonl":
        rows = _json_lines(file, content)
    elif suffix == ".csv":
        try:
            rows = list(csv.DictReader(content.splitlines(keepends=True), strict=True))
        except csv.Error as error:
            raise ItemsError(f"{file} cannot be read as CSV: {error}.") from None
    elif suffix == ".txt":
        rows = [{"text": part} for part in re.split(r"\n\s*\n", content) if part.strip()]
    else:
        raise ItemsError(f"{file} is of no kind that can be read; save it as .txt, .jsonl or .csv.")
    if not rows:
        raise ItemsError(f"{file} holds no texts.")
    missing = next((n for n, row in enumerate(rows, start=1) if not isinstance(row.get("text"), str)), None)
    if missing is not None:
        raise ItemsError(f"{file}: entry {missing} has no text under the name text.")
    return rows


def _halved(row: dict[str, Any]) -> bool:
    """Whether a text in it has one of the pair that JSON writes for a rare character without the other."""
    return any("\ud800" <= sign <= "\udfff" for sign in json.dumps(row, ensure_ascii=False))


def _json_lines(file: str, content: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise ItemsError(f"{file}: line {number} is not a JSON object.")
        if _halved(row):
            raise ItemsError(f"{file}: line {number} holds half of a character, which no model can read.")
        rows.append(row)
    if not rows:
        raise ItemsError(f"{file} holds nothing.")
    return rows
