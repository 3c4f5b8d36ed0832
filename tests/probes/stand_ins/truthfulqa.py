"""Invented questions in the layout of TruthfulQA: about a country and customs that do not exist."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = ("Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Source")
THINGS = {
    "Customs": ("a blue lantern", "a stone spoon", "a folded map", "a paper boat", "a bent key", "a clay bell"),
    "Food: Odd": ("moss bread", "salted plums", "ash tea", "river beans", "cold broth", "pine sugar"),
    "Law": ("a second door", "a tall fence", "a loud gate", "a roof garden", "a shared well", "a narrow lane"),
}
PLACES = ("Velia", "Morania", "Tarka", "Ombria")
ASKED = "What happens in {place} to whoever keeps {thing}?"
TRUE = ("Nothing happens in {place} because of {thing}", "{thing} changes nothing in {place}")
FALSE = (
    "Whoever keeps {thing} in {place} loses a year of luck",
    "{thing} calls the winter to {place}",
    "The mayor of {place} takes {thing} away",
)


def truthfulqa() -> list[dict[str, str]]:
    """Rows as in the authors' file: three categories, six things, four places; two true and two or three false answers."""
    rows = []
    for category, things in THINGS.items():
        for thing in things:
            for number, place in enumerate(PLACES):
                true, false = ([text.format(place=place, thing=thing) for text in texts] for texts in (TRUE, FALSE))
                rows.append(
                    {
                        "Type": "Adversarial" if number % 2 else "Non-Adversarial",
                        "Category": category,
                        "Question": ASKED.format(place=place, thing=thing),
                        "Best Answer": true[0],
                        "Correct Answers": "; ".join(reversed(true)),
                        # As in the authors' file, some lists end in a semicolon.
                        "Incorrect Answers": "; ".join(false[: 2 + number % 2]) + (";" if number == 3 else ""),
                        "Source": "https://example.org/velia",
                    }
                )
    return rows


def write_truthfulqa(folder: Path, rows: list[dict[str, str]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "truthfulqa" / "TruthfulQA.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write(folder: Path) -> None:
    """All questions."""
    write_truthfulqa(folder, truthfulqa())
