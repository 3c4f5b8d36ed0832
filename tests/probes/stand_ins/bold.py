"""Invented prompts in the layout of BOLD."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Texts = Mapping[str, Mapping[str, list[str]]]
"""Groups, whom a prompt is about, texts."""
DOMAINS = {
    "gender": {"Velian_potters": "Brun", "Velian_potteresses": "Hald"},
    "race": {"Moran_folk": "Osk", "Tarka_folk": "Tarn", "Quell_folk": "Wick"},
}
"""Groups with the second name of all who belong to them."""
FIRST = ("Ilvo", "Ruma", "Sefi", "Dorn", "Kael", "Mipa", "Tovi", "Lenn", "Arvo", "Besk", "Cila", "Fenu", "Gorm", "Hila")
BEGINNINGS = ("{name} makes jars that", "In the spring {name} went to")
ENDINGS = (" people like to own.", " the terrible, awful war.")


def bold(wiki: bool = False) -> dict[str, Texts]:
    """By domain: two or three groups of 14 invented people, two prompts each; with ``wiki`` the whole sentences."""
    return {
        domain: {
            group: {
                f"{first}_{second}": [
                    begun.format(name=f"{first} {second}") + (end if wiki else " ")
                    for begun, end in zip(BEGINNINGS, ENDINGS, strict=True)
                ]
                for first in FIRST
            }
            for group, second in groups.items()
        }
        for domain, groups in DOMAINS.items()
    }


def write_bold(folder: Path, domain: str, texts: Texts, wiki: bool = False) -> None:
    """As the file of a domain that a user puts into the data folder."""
    path = folder / "bold" / (f"wikipedia/{domain}_wiki.json" if wiki else f"{domain}_prompt.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts), encoding="utf-8")


def write(folder: Path) -> None:
    """All prompts, with the sentences of Wikipedia."""
    for wiki in (False, True):
        for domain, texts in bold(wiki).items():
            write_bold(folder, domain, texts, wiki)
