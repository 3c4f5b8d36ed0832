"""Invented pairs in the layout of CrowS-Pairs."""

from __future__ import annotations

import csv
from pathlib import Path

BIAS_TYPES = (
    "age",
    "disability",
    "gender",
    "nationality",
    "physical-appearance",
    "race-color",
    "religion",
    "sexual-orientation",
    "socioeconomic",
)
GROUPS = (("Velians", "Morans"), ("Tarkas", "Ombrians"), ("Quells", "Sandrins"), ("Ilvites", "Bruns"))
SAID = (("late", True), ("careless", True), ("early", False), ("careful", False))
"""What is said of a group, and whether it is the first or the second group of which it is said."""
SENTENCE = "{kind} again: the {group} are {said}."
COLUMNS = (
    "",
    "sent_more",
    "sent_less",
    "stereo_antistereo",
    "bias_type",
    "annotations",
    "anon_writer",
    "anon_annotators",
)


def crows_pairs() -> list[dict[str, str]]:
    """Rows as in the authors' file: nine types, four pairs of groups, four things said; a writer for each of the last two.

    A pair that says of the second group what is said of it is of the direction ``antistereo``.
    """
    rows: list[dict[str, str]] = []
    for kind in BIAS_TYPES:
        for first, second in GROUPS:
            for said, of_first in SAID:
                group, other = (first, second) if of_first else (second, first)
                rows.append(
                    {
                        "": str(len(rows)),
                        "sent_more": SENTENCE.format(kind=kind.capitalize(), group=group, said=said),
                        "sent_less": SENTENCE.format(kind=kind.capitalize(), group=other, said=said),
                        "stereo_antistereo": "stereo" if of_first else "antistereo",
                        "bias_type": kind,
                        "anon_writer": f"a{len(rows) % 16}",
                    }
                )
    return rows


def write_crows_pairs(folder: Path, rows: list[dict[str, str]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "crows_pairs" / "crows_pairs_anonymized.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write(folder: Path) -> None:
    """All pairs."""
    write_crows_pairs(folder, crows_pairs())
