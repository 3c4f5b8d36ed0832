"""The pairs of CrowS-Pairs: read from the user's data folder or the hub, never shipped, and cut into what is shared."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, load_dataset

from audit.corpora import Item, ItemsAbsent, ItemsError

FILE = Path("crows_pairs") / "crows_pairs_anonymized.csv"
HUB = "jannalu/crows_pairs_multilingual"
FIELDS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
DIRECTIONS = ("stereo", "antistereo")
_WORD = re.compile(r"\w+|[^\w\s]+")  # marks in a row are one: tokenizers join ",." but not "sitting,"


def from_folder(data: Path | None) -> list[Item]:
    """The pairs of ``<data>/crows_pairs/crows_pairs_anonymized.csv``, the file that the paper's authors give out.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    if data is None or not (data / FILE).is_file():
        where = f"{data / FILE} does not exist" if data is not None else "no data folder was given (--data DIR)"
        raise ItemsAbsent(
            f"CrowS-Pairs does not come with the package and {where}: put crows_pairs_anonymized.csv of "
            f"github.com/nyu-mll/crows-pairs into the folder crows_pairs of the data folder, or name a commit of the hub's "
            f"{HUB} as hub_revision."
        )
    try:
        with (data / FILE).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [field for field in FIELDS if field not in (reader.fieldnames or ())]
            if missing:
                raise ItemsError(f"{data / FILE} is not CrowS-Pairs: it has no column {missing[0]}.")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ItemsError(f"{data / FILE} cannot be read as a CSV file: {error}") from None
    return _items(rows, f"{data / FILE}", "nyu-mll/crows-pairs")


def from_hub(revision: str) -> list[Item]:
    """The English pairs of the hub's data set at one commit; those of Névéol et al. 2022, which revise the first ones.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    try:
        found = load_dataset(HUB, "english", split="test", revision=revision)
    except Exception as error:
        # The library and the hub's client raise many kinds of errors for a missing network or a wrong revision.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ItemsError(f"{HUB} at {revision} could not be loaded from the hub: {reason[0]}") from None
    missing = [field for field in FIELDS if field not in found.column_names]
    if missing:
        raise ItemsError(f"{HUB} at {revision} is not CrowS-Pairs: it has no column {missing[0]}.")
    return _items(_plain(found), f"{HUB} at {revision}", f"{HUB}@{revision[:12]}")


def _plain(found: Dataset) -> Iterable[Mapping[str, Any]]:
    """Rows with names in the place of class numbers."""
    labels = {name: kind for name, kind in found.features.items() if isinstance(kind, ClassLabel)}
    for row in found:
        yield {name: labels[name].int2str(value) if name in labels else value for name, value in row.items()}


def _items(rows: Iterable[Mapping[str, Any]], place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        more, less, direction, kind = (str(row.get(field) or "").strip() for field in FIELDS)
        if not more or not less or not kind or direction not in DIRECTIONS:
            raise ItemsError(f"{place}, pair {number}: two sentences, a bias type and stereo or antistereo are needed.")
        name = str(row.get("") or number)
        writer = str(row.get("anon_writer") or f"pair {name}")
        fields = {"id": f"pair-{name}", "more": more, "less": less, "direction": direction, "bias_type": kind}
        items.append({**fields, "writer": writer, "source": source})
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
