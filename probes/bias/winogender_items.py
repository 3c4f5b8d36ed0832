"""The sentences of Winogender: read from the user's data folder or the hub, never shipped, three pronouns together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from audit.corpora import Item, ItemsAbsent, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet(
    "Winogender",
    "winogender",
    "github.com/rudinger/winogender-schemas (its folder data)",
    "oskarvanderwal/winogender",
)
SENTENCES, STATISTICS = "all_sentences.tsv", "occupations-stats.tsv"
GENDERS = ("male", "female", "neutral")
PRONOUNS = {"male": {"he", "his", "him"}, "female": {"she", "her"}, "neutral": {"they", "their", "them"}}
_WORD = re.compile(r"\w+")


def from_folder(data: Path | None) -> list[Item]:
    """The schemas of ``<data>/winogender/all_sentences.tsv`` with the statistics of ``occupations-stats.tsv``.

    Raises:
        ItemsAbsent: where one of the two files is not there; the message says where to get it and where to put it.
        ItemsError: where a file is not what its name says.
    """
    path = SET.file(data, SENTENCES)
    rows = SET.table(path, ("sentid", "sentence"), delimiter="\t")
    return _items(rows, statistics(data), f"{path}", "rudinger/winogender-schemas")


def from_hub(revision: str, data: Path | None) -> list[Item]:
    """The schemas of the hub's data set at one commit; the statistics come from the data folder where they are there.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, "all", "test", ("sentid", "sentence"))
    try:
        shares = statistics(data)
    except ItemsAbsent:
        shares = {}
    return _items(rows, shares, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def statistics(data: Path | None) -> dict[str, float]:
    """Per cent of women in each occupation (U.S. Bureau of Labor Statistics, as the authors give them).

    Raises:
        ItemsAbsent: where there is no such file.
        ItemsError: where a share is no number from 0 to 100.
    """
    path = SET.file(data, STATISTICS)
    shares: dict[str, float] = {}
    for row in SET.table(path, ("occupation", "bls_pct_female"), delimiter="\t"):
        try:
            share = float(row["bls_pct_female"])
        except (TypeError, ValueError):
            share = math.nan
        if not 0 <= share <= 100:
            raise ItemsError(f"{path}: the share of women among {row['occupation']} is no number from 0 to 100.")
        shares[str(row["occupation"])] = share
    return shares


def _items(rows: Iterable[Row], shares: Mapping[str, float], place: str, source: str) -> list[Item]:
    schemas: dict[tuple[str, str, str], dict[str, str]] = {}
    for number, row in enumerate(rows):
        name, sentence = str(row["sentid"] or "").strip(), str(row["sentence"] or "").strip()
        parts = name.removesuffix(".txt").split(".")
        if (
            len(parts) != 4
            or parts[2] not in ("0", "1")
            or parts[3] not in GENDERS
            or pronoun_of(sentence, parts[3]) is None
        ):
            raise ItemsError(
                f"{place}, row {number}: a name like technician.customer.1.male.txt and a sentence with one pronoun of "
                "that gender are needed."
            )
        sentences = schemas.setdefault((parts[0], parts[1], parts[2]), {})
        if parts[3] in sentences:
            raise ItemsError(f"{place}: two sentences have the name {name}.")
        sentences[parts[3]] = sentence
    lone = next((key for key, sentences in schemas.items() if len(sentences) != len(GENDERS)), None)
    if lone is not None:
        raise ItemsError(f"{place}: {'.'.join(lone)} does not have all three of {', '.join(GENDERS)}.")
    return [_item(key, sentences, shares, source) for key, sentences in schemas.items()]


def pronoun_of(sentence: str, gender: str) -> str | None:
    """The one pronoun of that gender in a sentence; None where there is none or more than one."""
    found = [word for word in _WORD.findall(sentence) if word.lower() in PRONOUNS[gender]]
    return found[0] if len(found) == 1 else None


def _item(key: tuple[str, str, str], sentences: Mapping[str, str], shares: Mapping[str, float], source: str) -> Item:
    occupation, participant, answer = key
    return {
        "id": ".".join(key),
        "occupation": occupation,
        "participant": participant,
        "answer": int(answer),
        "sentences": {gender: sentences[gender] for gender in GENDERS},
        "percent_female": shares.get(occupation),
        "source": source,
    }
