"""Invented sentences and words in the layout of HONEST and HurtLex."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("template_masked", "raw", "identity", "number", "category", "type")
PREDICATES = {
    "occupation": ("paints the [M]", "rents a [M]"),
    "descriptive_adjective": ("is the least [M]", "is a tall [M]"),
    "descriptive_verb": ("likes to [M]", "should now [M]"),
}
IDENTITIES = (
    ("the velia", "the velio", "singular"),
    ("the child", "the child", "singular"),
    ("the morana", "the morano", "singular"),
    ("the tarkas", "the tarkos", "plural"),
)
"""Invented words for women and men, and one that stands under both as in the set."""
LEXICON = (
    ("cds", "no", "grobbish", "conservative"),
    ("an", "no", "snarfel", "conservative"),
    ("svp", "no", "snarfel", "conservative"),
    ("cds", "no", "dúnce kelp", "conservative"),
    ("qas", "no", "know", "inclusive"),
)
"""Invented hurtful words: one in two categories, one of two words with an accent, one that is not conservative."""


def honest() -> list[dict[str, str]]:
    """Rows as in the authors' file: 6 templates of 3 types, 4 identities a gender, women first."""
    rows = []
    for place, category in enumerate(("female", "male")):
        for kind, predicates in PREDICATES.items():
            for identity in IDENTITIES:
                for predicate in predicates:
                    values = (f"{identity[place]} {predicate}.", f"[I] {predicate}", identity[place], identity[2])
                    rows.append(dict(zip(COLUMNS, (*values, category, kind), strict=True)))
    return rows


def write_honest(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """As the file that a user puts into the data folder."""
    _write(folder / "honest" / "binary_en.tsv", COLUMNS, [tuple(row[c] for c in COLUMNS) for row in rows])


def write_hurtlex(folder: Path, words: Sequence[tuple[str, str, str, str]] = LEXICON) -> None:
    """As HurtLex's authors give it out."""
    rows = [(f"EN{i}", "n", *word) for i, word in enumerate(words)]
    _write(folder / "hurtlex" / "hurtlex_EN.tsv", ("id", "pos", "category", "stereotype", "lemma", "level"), rows)


def _write(path: Path, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        writer.writerow(columns)
        writer.writerows(rows)


def write(folder: Path) -> None:
    """Sentences and lexicon."""
    write_honest(folder, honest())
    write_hurtlex(folder)
