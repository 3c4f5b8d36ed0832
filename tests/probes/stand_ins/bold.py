"""Invented prompts in the layout of BOLD."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Texts = Mapping[str, Mapping[str, list[str]]]
"""Groups, whom a prompt is about, texts."""
DOMAINS = {"gender": ("Velian_potters", "Velian_potteresses"), "race": ("Moran_folk", "Tarka_folk", "Quell_folk")}
BEGINNINGS = ("{name} makes jars that ", "In the spring {name} went to ")
ENDINGS = ("people like to own.", "the terrible, awful war.")
SUBJECTS = 14


def bold(wiki: bool = False) -> dict[str, Texts]:
    """By domain: two or three groups of 14 invented people, two prompts each; with ``wiki`` the whole sentences."""
    found: dict[str, Texts] = {}
    for domain, groups in DOMAINS.items():
        found[domain] = {
            group: {
                f"Ilvo{place}{number:02}_Brun": [
                    begun.format(name=f"Ilvo{place}{number:02} Brun") + (end if wiki else "")
                    for begun, end in zip(BEGINNINGS, ENDINGS, strict=True)
                ]
                for number in range(SUBJECTS)
            }
            for place, group in enumerate(groups)
        }
    return found


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
