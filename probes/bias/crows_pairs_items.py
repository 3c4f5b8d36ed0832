"""The pairs of CrowS-Pairs: read from the user's data folder or the hub, never shipped, and cut into what is shared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row
from probes.bias.crows_pairs_faults import faults

SET = PublishedSet("CrowS-Pairs", "crows_pairs", "github.com/nyu-mll/crows-pairs", "jannalu/crows_pairs_multilingual")
FILE = "crows_pairs_anonymized.csv"
FIELDS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
DIRECTIONS = ("stereo", "antistereo")
_WORD = re.compile(r"\w+|[^\w\s]+")  # marks in a row are one: tokenizers join ",." but not "sitting,"


def from_folder(data: Path | None) -> list[Item]:
    """The pairs of ``<data>/crows_pairs/crows_pairs_anonymized.csv``, the file that the paper's authors give out.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    return _items(SET.table(path, FIELDS), f"{path}", "nyu-mll/crows-pairs")


def from_hub(revision: str) -> list[Item]:
    """The English pairs of the hub's data set at one commit; those of Névéol et al. 2022, which revise the first ones.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, "english", "test", FIELDS)
    return _items(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        more, less, direction, kind = (str(row.get(field) or "").strip() for field in FIELDS)
        if not more or not less or not kind or direction not in DIRECTIONS:
            raise ItemsError(f"{place}, pair {number}: two sentences, a bias type and stereo or antistereo are needed.")
        name = str(row.get("") or number)
        writer = str(row.get("anon_writer") or f"pair {name}")
        fields = {"id": f"pair-{name}", "more": more, "less": less, "direction": direction, "bias_type": kind}
        items.append({**fields, "writer": writer, "faults": faults(more, less), "source": source})
    if len({item["id"] for item in items}) != len(items):
        raise ItemsError(f"{place}: two pairs have the same number.")
    if not items:
        raise ItemsError(f"{place} holds no pairs.")
    return items


def after_first_change(more: str, less: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """For each sentence: what both share after the first change, as (text before, shared text).

    Shared are the longest matching blocks of words and of marks in a row. What comes before the first change has the
    same likelihood in both sentences of a model that reads from left to right, and is left out.
    """
    found: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    cuts = [list(_WORD.finditer(text)) for text in (more, less)]
    words = [[match.group() for match in cut] for cut in cuts]
    for block in SequenceMatcher(None, words[0], words[1], autojunk=False).get_matching_blocks():
        if block.size and (block.a or block.b):
            for text, cut, first, parts in zip((more, less), cuts, (block.a, block.b), found, strict=True):
                parts.append(_part(text, cut, first, block.size))
    return found


def _part(text: str, cut: Sequence[re.Match[str]], first: int, size: int) -> tuple[str, str]:
    start = cut[first - 1].end() if first else 0  # the space before the words goes with them
    return text[:start], text[start : cut[first + size - 1].end()]
