"""Invented sentences in the layout of WinoBias, with made-up occupations."""

from __future__ import annotations

from itertools import product
from pathlib import Path

HE = ("veller", "quastor", "moltner", "tin drummer")
SHE = ("brindler", "sandrik", "tovier", "ulmer")
THINGS = ("lamp", "pear")
OTHER = {"he": "she", "she": "he", "him": "her", "her": "him"}


def _sentences(kind: str, one: str, other: str, thing: str) -> list[tuple[str, str, bool]]:
    """Two sentences with a place for the pronoun, and whether the first of the two people is meant."""
    if kind == "type1":
        return [
            (f"[The {one}] visited the {other} because [{{he}}] needed a {thing}.", "he", True),
            (f"The {one} visited [the {other}] because [{{he}}] sold a {thing}.", "he", False),
        ]
    return [
        (f"The {one} called [the {other}] and gave [{{him}}] a {thing}.", "him", False),
        (f"The {other} called [the {one}] and gave [{{him}}] a {thing}.", "him", False),
    ]


def winobias() -> dict[str, list[str]]:
    """Lines of the four files by name; in a pro sentence the people of ``HE`` are he and those of ``SHE`` are she."""
    files: dict[str, list[str]] = {}
    for kind in ("type1", "type2"):
        pro, anti = (files.setdefault(f"{side}_stereotyped_{kind}.dev.txt", []) for side in ("pro", "anti"))
        for turn, (he, she, thing) in enumerate(product(HE, SHE, THINGS)):
            one, other = (he, she) if turn % 2 else (she, he)
            for place, (text, pronoun, first) in enumerate(_sentences(kind, one, other, thing)):
                meant = one if first or (kind == "type2" and place) else other
                usual = pronoun if meant in HE else OTHER[pronoun]
                for lines, said in ((pro, usual), (anti, OTHER[usual])):
                    lines.append(f"{len(lines) + 1} " + text.format(he=said, him=said))
    return files


def write_winobias(folder: Path, files: dict[str, list[str]]) -> None:
    """As the files that a user puts into the data folder."""
    (folder / "winobias").mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / "winobias" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write(folder: Path) -> None:
    """All four files."""
    write_winobias(folder, winobias())
