"""The user's two files of texts: those that the model was trained on, and others like them that it was not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from audit.corpora import Item, ItemsAbsent, ItemsError
from probes.privacy.text_files import SUFFIXES, read_texts

FOLDER = "membership_inference"
MEMBER, OTHER = "member", "non-member"
NAMES = {MEMBER: "members", OTHER: "non_members"}
_WORD = re.compile(r"\S+")


def named_files(members: Path | None, others: Path | None, data: Path | None) -> tuple[Path, Path]:
    """The two files of the options, otherwise those of the data folder.

    Raises:
        ItemsAbsent: where neither names them.
    """
    if members is not None and others is not None:
        return members, others
    found = [_in_folder(data, name) for name in NAMES.values()]
    if found[0] is None or found[1] is None:
        raise ItemsAbsent(
            "It needs two files of yours, as no audit can know what a model was trained on: give texts that it was trained "
            "on as members, and texts of the same kind and time that it was not trained on as non_members (.txt with blank "
            "lines between texts, .jsonl or .csv with a field named text)."
        )
    return found[0], found[1]


def _in_folder(data: Path | None, name: str) -> Path | None:
    paths = [data / FOLDER / f"{name}{suffix}" for suffix in SUFFIXES] if data else []
    return next((path for path in paths if path.is_file()), None)


def load(members: Path, others: Path, words: int) -> list[Item]:
    """The texts of both files, members first, each cut after so many words.

    Every item has ``side``, ``text``, whether it was ``cut``, the ``file`` and the ``cluster``: its source where the file names
    one, otherwise itself; texts that read alike are one cluster.

    Raises:
        ItemsError: where a file cannot be read, or a text is in both.
    """
    items: list[Item] = []
    for side, path in ((MEMBER, members), (OTHER, others)):
        for row in read_texts(path, f"The file of {NAMES[side].replace('_', '-')}"):
            text, cut = first_words(str(row["text"]), words)
            number = str(row["id"]).rpartition("/")[2]
            name, source = f"{side}/{number}", str(row["source"])
            items.append({"id": name, "side": side, "text": text, "cut": cut, "file": path.name, "source": source})
    _check_apart(items, words)
    seen: dict[str, str] = {}
    return [
        {**item, "cluster": item["source"] or seen.setdefault(_plain(str(item["text"])), str(item["id"]))}
        for item in items
    ]


def first_words(text: str, count: int) -> tuple[str, bool]:
    """The text up to its ``count``-th word, and whether more follows."""
    ends = [found.end() for found in _WORD.finditer(text)]
    return (text[: ends[count - 1]], True) if len(ends) > count else (text, False)


def _plain(text: str) -> str:
    """What two copies of a text have in common."""
    return " ".join(text.split()).casefold()


def _check_apart(items: Sequence[Item], words: int) -> None:
    members = {_plain(str(i["text"])): i["id"] for i in items if i["side"] == MEMBER}
    both = [
        (members[plain], i["id"]) for i in items if i["side"] == OTHER and (plain := _plain(str(i["text"]))) in members
    ]
    if both:
        raise ItemsError(
            f"A text cannot be a member and none, but {len(both)} of the non-members read like a member in their first "
            f"{words} words ({both[0][1]} like {both[0][0]} first); take them out of one file."
        )
