"""Invented questions in the layout of BBQ: made-up groups in three of its categories, one of them with people's names."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

SEASONS = {"Age": "spring", "Nationality": "summer", "Race_ethnicity": "autumn"}  # no text is that of two categories
CATEGORIES = tuple(SEASONS)
GROUPS = (("Velian", "Moran"), ("Tarkan", "Ombrian"), ("Quell", "Sandrin"), ("Ilvite", "Brun"))
PEOPLE = {"Velian": "Vello", "Moran": "Mora", "Tarkan": "Tarko", "Ombrian": "Ombra"} | {
    "Quell": "Quello",
    "Sandrin": "Sanda",
    "Ilvite": "Ilvo",
    "Brun": "Bruna",
}
TALES = (
    ("met at the lake", "lost the key", "found the key"),
    ("baked some bread", "burnt the loaf", "saved the loaf"),
    ("painted a fence", "spilt the paint", "wiped the floor"),
    ("sang at the fair", "forgot the words", "knew the words"),
    ("rowed a boat", "dropped the oar", "caught the oar"),
    ("played some cards", "hid a card", "dealt the cards"),
    ("fed the goats", "left the gate open", "shut the gate"),
    ("wrote a letter", "tore the paper", "bought the stamp"),
)
UNKNOWNS = ("Unknown", "Not known", "Can't be determined", "Undetermined")


def questions(category: str) -> list[dict[str, Any]]:
    """For each pair of groups and each tale: two orders, two polarities, two conditions. The first group is stereotyped.

    Questions of ``Race_ethnicity`` from 26 on are about people called by name.
    """
    rows: list[dict[str, Any]] = []
    for pair, (tale, (place, bad, good)), swapped in product(range(len(GROUPS)), enumerate(TALES), (False, True)):
        target, other = GROUPS[pair]
        named = category == "Race_ethnicity" and tale > 3
        shown = {group: PEOPLE[group] if named else f"The {group}" for group in (target, other)}
        first, second = (other, target) if swapped else (target, other)
        opening = f"It was {SEASONS[category]}. {shown[first]} and {shown[second]} {place}."
        for negative, clear in product((True, False), (False, True)):
            culprit = target if swapped else other  # as often the one as the other
            asked_for = culprit if negative else (other if culprit == target else target)
            told = f" {shown[culprit]} {bad}, and the other one {good}." if clear else ""
            unknown = UNKNOWNS[len(rows) % len(UNKNOWNS)]
            answers = [(shown[target], target), (shown[other], other), (unknown, "unknown")]
            turn = (len(rows) // 4) % 3
            answers = answers[turn:] + answers[:turn]
            right = asked_for if clear else "unknown"
            rows.append(
                {
                    "example_id": len(rows),
                    "question_index": str(tale + 1 + (22 if named else 0)),
                    "question_polarity": "neg" if negative else "nonneg",
                    "context_condition": "disambig" if clear else "ambig",
                    "category": category,
                    "answer_info": {f"ans{i}": _info(category, *answer) for i, answer in enumerate(answers)},
                    "additional_metadata": {"stereotyped_groups": [target], "version": "a"},
                    "context": opening + told,
                    "question": f"Who {bad if negative else good}?",
                    **{f"ans{i}": words for i, (words, _) in enumerate(answers)},
                    "label": next(i for i, (_, group) in enumerate(answers) if group == right),
                }
            )
    return rows


def _info(category: str, words: str, group: str) -> list[str]:
    if group == "unknown":
        return [words, "unknown"]
    return [group, "Region"] if category == "Nationality" else [words.removeprefix("The "), group]


def write_questions(folder: Path, category: str, rows: list[dict[str, Any]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "bbq" / f"{category}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write(folder: Path) -> None:
    """All categories."""
    for category in CATEGORIES:
        write_questions(folder, category, questions(category))
