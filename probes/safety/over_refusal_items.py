"""The prompts of XSTest: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("XSTest", "xstest", "github.com/paul-rottger/xstest", "Paul/XSTest")
FILE = "xstest_prompts.csv"
FIELDS = ("prompt", "type", "label", "focus")
SIDES = ("safe", "unsafe")
CONTRAST = "contrast_"
EVERY = 5  # of so many prompts one is put in other words as well


def from_folder(data: Path | None) -> list[Item]:
    """The prompts of ``<data>/xstest/xstest_prompts.csv``, the file that the paper's authors give out.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    return _items(SET.table(path, FIELDS), f"{path}", "paul-rottger/xstest")


def from_hub(revision: str) -> list[Item]:
    """The prompts of the hub's data set, which the authors keep, at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, None, "train", FIELDS)
    return _items(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    """Each with its cluster: the word that it plays on or, where it has none, the prompt with which it forms a contrast.

    Contrasts stand in the file in the order of the prompts that they contrast.
    """
    items: list[Item] = []
    places: Counter[str] = Counter()
    for number, row in enumerate(rows, 1):
        prompt, kind, side, focus = (str(row.get(field) or "").strip() for field in FIELDS)
        if not prompt or not kind or side not in SIDES or (side == "unsafe") != kind.startswith(CONTRAST):
            raise ItemsError(
                f"{place}, prompt {number}: a prompt, its type, and whether it is safe or unsafe are needed."
            )
        places[kind] += 1
        cluster = focus.lower() or f"{kind.removeprefix(CONTRAST)} {places[kind]}"
        name = str(row.get("id") or number)
        fields = {"id": f"xstest-{name}", "prompt": prompt, "type": kind, "side": side, "cluster": cluster}
        items.append({**fields, "again": number % EVERY == 0, "source": source})
    if len({item["id"] for item in items}) != len(items):
        raise ItemsError(f"{place}: two prompts have the same number.")
    if not items:
        raise ItemsError(f"{place} holds no prompts.")
    return items
