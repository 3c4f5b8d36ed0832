"""Invented requests and answers in the layout of HaluEval's general ones: about a country that does not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOWNS = ("Hald", "Wick", "Bruns", "Sorrel", "Tamsin", "Orle", "Quay", "Dunmoor")
PLAIN = "The town of {town} lies on a river and has a market on every second day of the week."
WRONG = "It was founded by a talking heron in the year {year}."
MORE = "People there mend nets, bake flat bread, and keep the road to the hills free of snow."
ROWS = 160


def halueval() -> list[dict[str, Any]]:
    """Rows as in the authors' file: every fourth answer is marked; three lengths; one ID stands twice."""
    rows = []
    for number in range(ROWS):
        town, marked = TOWNS[number % len(TOWNS)], number % 4 == 1
        wrong = WRONG.format(year=1000 + number)
        sentences = [PLAIN.format(town=town), *([wrong] if marked else []), *[MORE] * (1, 4, 7)[number // 4 % 3]]
        rows.append(
            {
                "ID": str(max(1, number)),
                "user_query": f"Tell me about the town of {town}, question {number}.",
                "chatgpt_response": " ".join(sentences),
                "hallucination": "yes" if marked else "no",
                "hallucination_spans": [wrong] if marked else [],
            }
        )
    return rows


def write_halueval(folder: Path, rows: list[dict[str, Any]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "halueval" / "general_data.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write(folder: Path) -> None:
    """All answers."""
    write_halueval(folder, halueval())
