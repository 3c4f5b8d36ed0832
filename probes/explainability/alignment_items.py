"""Sentence pairs with links between their words: our own, English and French, or those of a file that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.corpora import Item, ItemsError, load_items
from probes.explainability.attention_words import Span, word_spans

ITEMS = Path(__file__).parent / "items" / "word_alignments.jsonl"
Links = frozenset[tuple[int, int]]
_LINK = re.compile(r"(\d+)([-?])(\d+)")


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation; links are (word of the target, word of the source), counted from 0.

    ``sure`` links are part of ``possible``. ``unrelated`` is the source of another pair.
    """

    id: str
    source: str
    target: str
    sure: Links
    possible: Links
    unrelated: str

    @property
    def source_words(self) -> tuple[Span, ...]:
        """First and last characters of the source's words."""
        return word_spans(self.source)

    @property
    def target_words(self) -> tuple[Span, ...]:
        """First and last characters of the target's words."""
        return word_spans(self.target)


def read_links(text: str) -> tuple[Links, Links]:
    """Sure and possible links of ``0-0 2-1 1?1``: source word, ``-`` for sure or ``?`` for possible, target word.

    Raises:
        ValueError: for anything else.
    """
    found = [_LINK.fullmatch(part) for part in text.split()]
    if not found or None in found:
        raise ValueError(f"{text!r} is no list of links such as 0-0 2-1 1?1")
    links = [((int(m[3]), int(m[1])), m[2] == "-") for m in found if m is not None]
    return frozenset(link for link, sure in links if sure), frozenset(link for link, _ in links)


def pair_of(item: Item) -> Pair:
    """The pair of an item.

    Raises:
        ValueError: links of words that are not there, or none that is sure.
    """
    sure, possible = read_links(item["links"])
    pair = Pair(item["id"], item["source"], item["target"], sure, possible, item["unrelated"])
    sizes = len(pair.source_words), len(pair.target_words)
    if any(s >= sizes[0] or t >= sizes[1] for t, s in possible):
        raise ValueError(f"a link names a word that is not there: {sizes[0]} and {sizes[1]} words")
    if not sure:
        raise ValueError("no link is sure")
    return pair


def load_pairs(path: Path = ITEMS) -> list[Item]:
    """Pairs of a JSON Lines file with ``id``, ``source``, ``target`` and ``links``; each gets another's source.

    Raises:
        ItemsError: fewer than two pairs, a field that is missing, or links that do not fit the words.
    """
    rows = load_items(path)
    absent = next((f for f in ("source", "target", "links") for row in rows if not isinstance(row.get(f), str)), None)
    if absent:
        raise ItemsError(f"{path}: every line needs a text {absent}.")
    if len(rows) < 2:
        raise ItemsError(f"{path}: at least two pairs are needed.")
    return [_checked(path, rows, place) for place in range(len(rows))]


def _checked(path: Path, rows: Sequence[Item], place: int) -> Item:
    # Half the list away, so that neighbours on one subject are not each other's unrelated text.
    others = [*rows[place:], *rows[:place]]
    half = others[len(others) // 2 :] + others[: len(others) // 2]
    unrelated = next((row["source"] for row in half if row["source"] != rows[place]["source"]), None)
    if unrelated is None:
        raise ItemsError(f"{path}: all sources are the same.")
    item = {**rows[place], "unrelated": unrelated}
    try:
        pair_of(item)
    except ValueError as error:
        raise ItemsError(f"{path}, {item['id']}: {error}.") from None
    return item
