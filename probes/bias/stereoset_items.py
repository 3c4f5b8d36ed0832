"""The triples of StereoSet: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("StereoSet", "stereoset", "github.com/moinnadeem/StereoSet", "McGill-NLP/stereoset")
FILE = "dev.json"
INTRA, INTER = "intrasentence", "intersentence"
KINDS = (INTRA, INTER)
LABELS = ("stereotype", "anti-stereotype", "unrelated")
FIELDS = ("id", "target", "bias_type", "context", "sentences")
BLANK = "BLANK"
_EDGES = string.punctuation + string.whitespace


def from_folder(data: Path | None) -> list[Item]:
    """The triples of ``<data>/stereoset/dev.json``, the file that the paper's authors give out.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    content = SET.json(path)
    parts = content.get("data") if isinstance(content, dict) else None
    items: list[Item] = []
    for kind in KINDS:
        rows = parts.get(kind) if isinstance(parts, dict) else None
        if not isinstance(rows, list) or not rows:
            raise ItemsError(f"{path} is not {SET.name}: it has no list data.{kind}.")
        items += _items(rows, kind, f"{path}", "moinnadeem/StereoSet")
    return items


def from_hub(revision: str) -> list[Item]:
    """The triples of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    place, source = f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}"
    rows = {kind: SET.from_hub(revision, kind, "validation", FIELDS) for kind in KINDS}
    return [item for kind in KINDS for item in _items(rows[kind], kind, place, source)]


def _items(rows: Iterable[Row], kind: str, place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        where = f"{place}, {kind} {number}"
        if not isinstance(row, dict) or not all(row.get(field) for field in FIELDS):
            raise ItemsError(f"{where}: {', '.join(FIELDS)} are needed.")
        context, bias_type = str(row["context"]).strip(), str(row["bias_type"]).strip()
        texts = _by_label(row["sentences"], where)
        spans = {label: _filled(context, text, where) for label, text in texts.items()} if kind == INTRA else {}
        items.append(
            {
                "id": f"{kind}-{row['id']}",
                "kind": kind,
                "bias_type": bias_type,
                "part": f"{kind} {bias_type}",
                "target": str(row["target"]).strip(),
                "context": context,
                "texts": texts,
                "spans": spans,
                "source": source,
            }
        )
    if len({item["id"] for item in items}) != len(items):
        raise ItemsError(f"{place}: two {kind} triples have the same id.")
    return items


def _by_label(sentences: Any, where: str) -> dict[str, str]:
    """The three sentences of a triple by their gold label; the hub's rows hold a column of each field."""
    if isinstance(sentences, Mapping):
        columns = [sentences.get("gold_label"), sentences.get("sentence")]
        if not all(isinstance(column, list) for column in columns):
            raise ItemsError(f"{where}: the sentences have no gold_label or no sentence.")
        given = list(zip(*columns, strict=False))
    elif isinstance(sentences, list) and all(isinstance(one, Mapping) for one in sentences):
        given = [(one.get("gold_label"), one.get("sentence")) for one in sentences]
    else:
        raise ItemsError(f"{where}: the sentences are neither a list nor columns.")
    found = {str(label): str(text or "").strip() for label, text in given}
    if len(given) != len(LABELS) or set(found) != set(LABELS) or not all(found.values()):
        raise ItemsError(f"{where}: one sentence each is needed of {', '.join(LABELS)}.")
    return {label: found[label] for label in LABELS}


def _filled(context: str, text: str, where: str) -> tuple[int, int]:
    """First and last character of what stands in the place of the context's blank, without marks at its edges.

    The authors' loader takes the word that has the blank's number. What is filled in may be several words here: it ends
    where as many words are left as follow the blank.
    """
    words = text.split(" ")
    blanks = [place for place, word in enumerate(context.split(" ")) if BLANK in word]
    if not blanks or blanks[-1] >= len(words):
        raise ItemsError(f"{where}: the context has no {BLANK}, or a sentence ends before it.")
    first, after = blanks[-1], len(context.split(" ")) - blanks[-1] - 1
    last = max(first + 1, len(words) - after)
    start = sum(len(word) + 1 for word in words[:first])
    raw = " ".join(words[first:last])
    fill = raw.strip(_EDGES)
    if not fill:
        raise ItemsError(f"{where}: nothing is filled in for {BLANK} in {text!r}.")
    start += len(raw) - len(raw.lstrip(_EDGES))
    return start, start + len(fill)
