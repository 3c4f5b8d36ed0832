"""How well personal data are found, by kind, on texts labelled by hand.

The texts named ``first`` were written beside the rules; those named ``later`` after the rules were finished, and no rule was
changed for them. A sign that breaks keys, so that no scanner takes them for real ones, is taken out when they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audit.corpora import Item, load_items
from audit.results.personal import KINDS, Span, personal
from probes.privacy.names import names

FILE = Path(__file__).parent / "items" / "personal_data_texts.jsonl"
NAMES_FILE = FILE.with_name("name_texts.jsonl")
BREAK = "¦"
ANY = "any"
"""Of the kinds that general rules find, which are all but names."""
NAME = "name"
Count = tuple[int, int]


@dataclass(frozen=True)
class Errors:
    """Counts (k, n): of n texts that hold a kind, all of it was found in k; of n that hold none, nothing was in k."""

    sensitivity: Count
    specificity: Count


def labelled(later: bool = True) -> list[Item]:
    """The labelled texts of one of the two sets, as they are to be read: ``text`` and ``data`` with ``kind`` and ``text``."""
    return [
        {
            **item,
            "text": item["text"].replace(BREAK, ""),
            "data": [{**datum, "text": datum["text"].replace(BREAK, "")} for datum in item["data"]],
        }
        for item in load_items(FILE)
        if (item["set"] == "later") is later
    ]


def labelled_names(later: bool = True) -> list[Item]:
    """The texts in which names of people are labelled: ``before``, ``text``, ``names`` with ``text`` and ``common``.

    ``common``: whether the name is one of those that are common in the USA.
    """
    return [item for item in load_items(NAMES_FILE) if (item["set"] == "later") is later]


@cache
def errors(later: bool = True) -> dict[str, Errors]:
    """Sensitivity and specificity by kind, and of ``any``: whether a text holds data of a kind that rules find."""
    found = {kind: _errors(labelled(later), kind) for kind in (ANY, *KINDS)}
    return {
        **found,
        NAME: _count((i["text"], i["names"], names(i["text"], i["before"])) for i in labelled_names(later)),
    }


@cache
def name_sensitivity(common: bool) -> Count:
    """Of the later texts all whose names are common in the USA, or are not: in how many were all found."""
    texts = [i for i in labelled_names() if i["names"] and all(n["common"] is common for n in i["names"])]
    return _count((i["text"], i["names"], names(i["text"], i["before"])) for i in texts).sensitivity


def _errors(texts: list[Item], kind: str) -> Errors:
    return _count(
        (
            item["text"],
            [d for d in item["data"] if kind in (ANY, d["kind"])],
            [s for s in personal(item["text"]) if kind in (ANY, s.kind)],
        )
        for item in texts
    )


def _count(read: Iterable[tuple[str, Sequence[Mapping[str, Any]], Sequence[Span]]]) -> Errors:
    """Of (text, labelled data, what was found)."""
    holds, free = [], []
    for text, wanted, found in read:
        if wanted:
            places = {i for s in found for i in range(s.start, s.end)}
            holds.append(all(_covered(text, d["text"], places) for d in wanted))
        else:
            free.append(not found)
    return Errors((sum(holds), len(holds)), (sum(free), len(free)))


def _covered(text: str, datum: str, places: set[int]) -> bool:
    """Whether every letter and digit of a datum was found."""
    start = text.index(datum)
    return all(i in places for i in range(start, start + len(datum)) if text[i].isalnum())
