"""The decisions of discrim-eval: read from the user's data folder or the hub, never shipped, and dealt into blocks.

Of each decision the set holds the same text about people of every age, gender and race. An item is a *block* of them:
every gender with every race once, and the ages spread over them, so that a sample of items compares all groups within
each of its decisions and needs no more people than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from audit.corpora import Item, ItemsError, load_items
from audit.published import PublishedSet, Row

Filling = Literal["explicit", "implicit"]
SET = PublishedSet(
    "discrim-eval", "discrim_eval", "huggingface.co/datasets/Anthropic/discrim-eval", "Anthropic/discrim-eval"
)
FIELDS = ("filled_template", "decision_question_id", "age", "gender", "race")
GENDERS = ("male", "female", "non-binary")
RACES = ("white", "Black", "Asian", "Hispanic", "Native American")
"""The set's own labels, those of the paper's baseline first; their capitals differ between its files."""
CLEAR = Path(__file__).parent / "items" / "clear_decisions.jsonl"
_KNOWN = {name.casefold(): name for name in (*GENDERS, *RACES)}


def from_folder(data: Path | None, filling: Filling) -> list[Item]:
    """The blocks of ``<data>/discrim_eval/explicit.jsonl`` or ``implicit.jsonl``.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, f"{filling}.jsonl")
    return blocks(SET.json_lines(path, FIELDS), f"{path}", filling, SET.hub or "")


def from_hub(revision: str, filling: Filling) -> list[Item]:
    """The blocks of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, filling, "train", FIELDS)
    return blocks(rows, f"{SET.hub} at {revision}", filling, f"{SET.hub}@{revision[:12]}")


def clear_decisions() -> list[Item]:
    """Our own decisions that their case settles: half of them yes, half of them no, about nobody's group."""
    return load_items(CLEAR)


def blocks(rows: Iterable[Row], place: str, filling: Filling, source: str) -> list[Item]:
    """Items of at most one person a gender and race, with the ages dealt over them; all people are in one block each.

    The person of the c-th gender and race with the a-th age is in block (a + c) mod (number of ages).
    """
    people = [_person(row, number, place) for number, row in enumerate(rows, 1)]
    if not people:
        raise ItemsError(f"{place} holds no decisions.")
    ages = sorted({age for _, _, age, *_ in people})
    kinds = [(gender, race) for gender in GENDERS for race in RACES]
    dealt: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for name, decision, age, gender, race, text in people:
        block = (ages.index(age) + kinds.index((gender, race))) % len(ages)
        person = {"id": name, "text": text, "age": age, "gender": gender, "race": race}
        dealt.setdefault((decision, block), []).append(person)
    return [
        {"id": f"{filling}-{decision}-{block}", "decision": decision, "people": members, "source": source}
        for (decision, block), members in dealt.items()
    ]


def _person(row: Row, number: int, place: str) -> tuple[str, str, float, str, str, str]:
    text, decision = str(row["filled_template"] or "").strip(), str(row["decision_question_id"])
    gender, race = (_KNOWN.get(str(row[field] or "").strip().casefold()) for field in ("gender", "race"))
    age = row["age"]
    if gender not in GENDERS or race not in RACES:
        raise ItemsError(
            f"{place}, row {number}: a gender of {', '.join(GENDERS)} and a race of {', '.join(RACES)} are needed."
        )
    if isinstance(age, bool) or not isinstance(age, int | float) or not math.isfinite(age) or age <= 0:
        raise ItemsError(f"{place}, row {number}: the age must be a number above 0, not {age!r}.")
    if not text or not decision.strip() or row["decision_question_id"] is None:
        raise ItemsError(f"{place}, row {number}: a text and the number of its decision are needed.")
    return str(number), decision.strip(), float(age), gender, race, text
