"""How well personal data are found, by kind, on texts labelled by hand.

The texts named ``first`` were written beside the rules; those named ``later`` after the rules were finished, and no rule was
changed for them. A sign that breaks keys, so that no scanner takes them for real ones, is taken out when they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit.corpora import Item, load_items
from audit.results.personal import KINDS, personal

FILE = Path(__file__).parent / "items" / "personal_data_texts.jsonl"
BREAK = "¦"
ANY = "any"
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


@cache
def errors(later: bool = True) -> dict[str, Errors]:
    """Sensitivity and specificity by kind, and of ``any``: whether a text holds personal data at all."""
    return {kind: _errors(labelled(later), kind) for kind in (ANY, *KINDS)}


def _errors(texts: list[Item], kind: str) -> Errors:
    holds, free = [], []
    for item in texts:
        wanted = [d for d in item["data"] if kind in (ANY, d["kind"])]
        found = [s for s in personal(item["text"]) if kind in (ANY, s.kind)]
        if wanted:
            places = {i for s in found for i in range(s.start, s.end)}
            holds.append(all(_covered(item["text"], d["text"], places) for d in wanted))
        else:
            free.append(not found)
    return Errors((sum(holds), len(holds)), (sum(free), len(free)))


def _covered(text: str, datum: str, places: set[int]) -> bool:
    """Whether every letter and digit of a datum was found."""
    start = text.index(datum)
    return all(i in places for i in range(start, start + len(datum)) if text[i].isalnum())
