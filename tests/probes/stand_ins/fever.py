"""Invented claims in the layout of FEVER with gold evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LABELS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")
TOWNS = ("Velmouth", "Ombria", "Quellford", "Sandrin", "Ilvemere", "Morance", "Bruneck Sound", "Tarkas Bay")


def fever() -> list[dict[str, Any]]:
    """Rows as in the hub's file: for each of eight invented towns a claim of each class, two of them with two sentences."""
    rows: list[dict[str, Any]] = []
    for place, town in enumerate(TOWNS):
        page = f"{town.replace(' ', '_')}_-LRB-town-RRB-"
        first = [page, "0", f"{town} -LRB- a town -RRB- has {place + 2} bridges ."]
        second = [page, "3", f"Its fair is called `` The {place + 2} Bells '' ."]
        for label, claim in (
            ("SUPPORTS", f"{town} has {place + 2} bridges."),
            ("REFUTES", f"The fair of {town} is called The Ninety Bells."),
            ("NOT ENOUGH INFO", f"The mayor of {town} sings."),
        ):
            number = 70000 + len(rows)
            evidence = [first, second] if label == "REFUTES" else [first]
            verifiable = "NOT VERIFIABLE" if label == "NOT ENOUGH INFO" else "VERIFIABLE"
            row = {"claim": claim, "label": label, "evidence": evidence, "verifiable": verifiable}
            rows.append({**row, "id": str(number), "original_id": number})
    return rows


def write_fever(folder: Path, rows: list[dict[str, Any]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "fever" / "valid.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write(folder: Path) -> None:
    """All claims."""
    write_fever(folder, fever())
