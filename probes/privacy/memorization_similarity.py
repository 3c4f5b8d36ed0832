"""How near one text comes to another, word by word: BLEU, edit similarity and the longest common run."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

ORDERS = 4
_WORD = re.compile(r"\S+")


def words(text: str) -> list[str]:
    """What stands between white space."""
    return text.split()


def first_words(text: str, count: int) -> tuple[str, str]:
    """The text up to the end of its ``count``-th word, and the rest, which begins with its white space."""
    ends = [m.end() for m in _WORD.finditer(text)]
    cut = ends[count - 1] if count <= len(ends) else len(text)
    return text[:cut], text[cut:]


def last_words(text: str, count: int) -> str:
    """The text from the beginning of its ``count``-th last word; all of it where it has no more."""
    starts = [m.start() for m in _WORD.finditer(text)]
    return text[starts[-count] :] if count <= len(starts) else text


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def bleu(written: Sequence[str], true: Sequence[str]) -> float:
    """BLEU of one text against one reference (Papineni et al. 2002), orders 1 to 4, without smoothing.

    Args:
        written: the words of the text.
        true: the words of the reference; orders longer than it are left out.

    Returns:
        From 0 (some order has no match) to 1 (the same words in the same order).
    """
    orders = min(ORDERS, len(true))
    if not written or not orders:
        return 0.0
    logs = 0.0
    for order in range(1, orders + 1):
        own = _grams(written, order)
        matches = (own & _grams(true, order)).total()
        if not matches:
            return 0.0
        logs += math.log(matches / own.total())
    brevity = min(0.0, 1 - len(true) / len(written))
    return math.exp(brevity + logs / orders)


def edit_similarity(written: Sequence[str], true: Sequence[str]) -> float:
    """1 - edit distance / length of the longer, on words (EditSim of Lee et al. 2021, there on tokens).

    Returns:
        From 0 (no word in its place) to 1 (equal); two empty texts are equal.
    """
    longer = max(len(written), len(true))
    if not longer:
        return 1.0
    row = list(range(len(true) + 1))
    for i, one in enumerate(written, start=1):
        above, row[0] = row[0], i
        for j, other in enumerate(true, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (one != other))
    return 1 - row[-1] / longer


def longest_run(written: Sequence[str], true: Sequence[str]) -> int:
    """The most words in a row that stand in both texts."""
    best, before = 0, [0] * (len(true) + 1)
    for one in written:
        row = [0]
        for j, other in enumerate(true, start=1):
            row.append(before[j - 1] + 1 if one == other else 0)
        best, before = max(best, *row), row
    return best
