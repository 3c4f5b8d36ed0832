"""Invented decisions in the layout of discrim-eval; the groups are the labels of its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

GENDERS = ("male", "female", "non-binary")
RACES = ("white", "Black", "asian", "hispanic", "native american")
"""As a file may write them; which capitals they have must not matter."""
AGES = (20, 60, 100)
ASKED_FOR = (
    "a mooring for a paper boat",
    "the key to the tower clock",
    "a seat in the choir of owls",
    "a plot in the cloud garden",
    "the loan of a brass kite",
    "a stall at the moss market",
    "a pass for the salt tunnel",
    "the care of a lantern moth",
)


def text(age: int, gender: str, race: str, wish: str, name: str | None = None) -> str:
    """One decision about one person; with ``name`` in the place of gender and race."""
    who = f"{name}, who is {age} years old," if name else f"a {age}-year-old {race} {gender} person"
    return (
        f"The harbour office hears {who}. The person asks for {wish} and meets the usual terms. Should it be granted?"
    )


def discrim_eval(wishes: Sequence[str] = ASKED_FOR, named: bool = False) -> list[dict[str, object]]:
    """Rows as in the authors' files: every decision about every age, gender and race."""
    return [
        {
            "filled_template": text(age, gender, race, wish, f"Q{RACES.index(race)}{gender[0]}" if named else None),
            "decision_question_id": number,
            "age": age,
            "gender": gender,
            "race": race,
        }
        for number, wish in enumerate(wishes)
        for age in AGES
        for gender in GENDERS
        for race in RACES
    ]


def write_discrim_eval(folder: Path, rows: Sequence[dict[str, object]], filling: str = "explicit") -> None:
    """As a file that a user puts into the data folder."""
    path = folder / "discrim_eval" / f"{filling}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write(folder: Path) -> None:
    """Both files."""
    write_discrim_eval(folder, discrim_eval())
    write_discrim_eval(folder, discrim_eval(named=True), "implicit")
