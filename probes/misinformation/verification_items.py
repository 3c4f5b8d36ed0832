"""Claims with evidence: those of our own, which ship, and those of FEVER from the data folder or the hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from audit.corpora import Item, ItemsError, load_items
from audit.published import PublishedSet, Row

OWN = Path(__file__).parent / "items" / "verification.jsonl"
SET = PublishedSet(
    "FEVER with gold evidence",
    "fever",
    "huggingface.co/datasets/copenlu/fever_gold_evidence",
    "copenlu/fever_gold_evidence",
)
FILE, SPLIT = "valid.jsonl", "validation"
FIELDS = ("claim", "label", "evidence")
LABELS = ("supported", "refuted", "not_enough_info")
_FEVER_LABELS = {"SUPPORTS": "supported", "REFUTES": "refuted", "NOT ENOUGH INFO": "not_enough_info"}
# How the treebank that FEVER's sentences were cut with writes brackets and quotation marks.
_MARKS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))


def own() -> list[Item]:
    """Our own claims, each with the evidence of a claim about another subject beside it."""
    return with_other_evidence(load_items(OWN))


def fever_from_folder(data: Path | None) -> list[Item]:
    """The claims of ``<data>/fever/valid.jsonl``.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    return _items(SET.json_lines(path, FIELDS), f"{path}", FILE)


def fever_from_hub(revision: str) -> list[Item]:
    """The claims of the hub's validation split at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, None, SPLIT, FIELDS)
    return _items(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        claim, label = str(row["claim"] or "").strip(), _FEVER_LABELS.get(str(row["label"]))
        if not claim or label is None:
            raise ItemsError(f"{place}, claim {number}: a text and one of {', '.join(_FEVER_LABELS)} are needed.")
        sentences = _sentences(row["evidence"], f"{place}, claim {number}")
        if not sentences:
            continue  # a few rows name a page without a sentence of it, and hold no evidence to read
        # Claims that rest on one page are read from the same or neighbouring sentences, so they stand or fall together.
        page = str(row["evidence"][0][0] or "").strip() or number
        fields = {"id": f"fever-{number}", "passage": f"fever-{page}", "claim": clean(claim), "label": label}
        kind = "one_sentence" if len(sentences) == 1 else "several_sentences"
        about = {"kind": kind, "subject": "wikipedia", "invented": False, "source": f"FEVER ({source})"}
        items.append({**fields, "evidence": " ".join(sentences), **about})
    if len({item["passage"] for item in items}) < 2:
        raise ItemsError(f"{place} holds no two claims with evidence.")
    return with_other_evidence(items)


def _sentences(evidence: Any, where: str) -> list[str]:
    """The evidence's sentences, each after the title of its page, none twice."""
    if not isinstance(evidence, Sequence) or isinstance(evidence, str):
        raise ItemsError(f"{where}: the evidence is no list of page, line and sentence.")
    found: list[str] = []
    for part in evidence:
        if not isinstance(part, Sequence) or isinstance(part, str) or len(part) < 3:
            raise ItemsError(f"{where}: the evidence is no list of page, line and sentence.")
        title, text = clean(str(part[0] or "").replace("_", " ")), clean(str(part[2] or ""))
        if text:
            found.append(f"{title}: {text}" if title else text)
    return list(dict.fromkeys(found))


def clean(text: str) -> str:
    """A sentence as people write it: brackets and quotation marks in place of their names, no space before a mark."""
    spaced = _MARK.sub(lambda found: _MARKS[found.group()], text)
    return re.sub(r"([(\[]) ", r"\1", re.sub(r" +([,.;:!?)\]])", r"\1", " ".join(spaced.split())))


def with_other_evidence(items: Sequence[Item]) -> list[Item]:
    """The items with ``other``: the evidence of the first claim, from half the set further on, that is about another thing.

    It depends on the whole source and not on what is drawn of it. Another subject where the source has several, and
    another passage with other text in every case.
    """
    several = len({item["subject"] for item in items}) > 1
    found: list[Item] = []
    for place, item in enumerate(items):
        for step in range(len(items)):
            other = items[(place + len(items) // 2 + step) % len(items)]
            apart = other["passage"] != item["passage"] and other["evidence"] != item["evidence"]
            if apart and (not several or other["subject"] != item["subject"]):
                found.append({**item, "other": other["evidence"]})
                break
        else:
            raise ItemsError(f"There is no evidence of another claim to set beside {item['id']}.")
    return found
