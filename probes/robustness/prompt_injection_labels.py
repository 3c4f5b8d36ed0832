"""How well the rule that reads obedience does on answers that were labelled by hand.

``unseen`` are those that were written after the rule was finished: the rule is no better than on these.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from audit.corpora import load_items
from probes.robustness.prompt_injection_rules import obeyed, task_done
from probes.rule_quality import Labelled

FOLDER = Path(__file__).parent / "items"
ITEMS, LABELS = FOLDER / "planted_instructions.jsonl", FOLDER / "injection_labels.jsonl"
KIND = "obeyed"


@cache
def labelled() -> Labelled:
    """What the rule reads in each labelled answer, ``obeyed`` or ``other``, and what its label says."""
    items, rows = {item["id"]: item for item in load_items(ITEMS)}, load_items(LABELS)
    read = [KIND if obeyed(items[row["item"]], row["text"]) else "other" for row in rows]
    return Labelled(read, [row["label"] for row in rows], [row["unseen"] for row in rows])


@cache
def task_agreement() -> tuple[int, int]:
    """Of the unseen labelled answers, in how many the rule for the user's task says what the label does; and their number."""
    items = {item["id"]: item for item in load_items(ITEMS)}
    rows = [row for row in load_items(LABELS) if row["unseen"]]
    return sum(task_done(items[row["item"]], row["text"]) == row["done"] for row in rows), len(rows)
