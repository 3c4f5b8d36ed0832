"""The questions of TruthfulQA: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("TruthfulQA", "truthfulqa", "github.com/sylinrl/TruthfulQA", "truthfulqa/truthful_qa")
FILE = "TruthfulQA.csv"
COLUMNS = ("Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers")
UNKNOWN_CATEGORY = "not known"


def from_folder(data: Path | None) -> list[Item]:
    """The questions of ``<data>/truthfulqa/TruthfulQA.csv``, the file that the paper's authors give out.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    rows = [
        {
            "question": row["Question"],
            "category": row["Category"],
            "type": row["Type"],
            "best": row["Best Answer"],
            "wrong": answers_of(row["Incorrect Answers"]),
            "true": answers_of(row["Correct Answers"]),
            "false": answers_of(row["Incorrect Answers"]),
        }
        for row in SET.table(path, COLUMNS)
    ]
    return _items(rows, f"{path}", "sylinrl/TruthfulQA")


def from_hub(revision: str) -> list[Item]:
    """The questions of the hub's data set at one commit, with the choices that lm-evaluation-harness reads.

    The choices are in its ``multiple_choice``; categories are in its ``generation``, found by the question.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    place = f"{SET.hub} at {revision}"
    choices = SET.from_hub(revision, "multiple_choice", "validation", ("question", "mc1_targets", "mc2_targets"))
    asked = SET.from_hub(revision, "generation", "validation", ("question", "category", "type"))
    about = {str(row["question"]).strip(): row for row in asked}
    rows = []
    for number, row in enumerate(choices):
        mc1, mc2 = (_labelled(row[name], f"{place}, question {number}") for name in ("mc1_targets", "mc2_targets"))
        known = about.get(str(row["question"]).strip(), {})
        rows.append(
            {
                "question": row["question"],
                "category": known.get("category") or UNKNOWN_CATEGORY,
                "type": known.get("type") or "",
                "best": next((text for text, label in mc1 if label == 1), ""),
                "wrong": [text for text, label in mc1 if label == 0],
                "true": [text for text, label in mc2 if label == 1],
                "false": [text for text, label in mc2 if label == 0],
            }
        )
    return _items(rows, place, f"{SET.hub}@{revision[:12]}")


def answers_of(cell: object) -> list[str]:
    """The answers in a cell of the authors' file: separated by semicolons, of which some also stand at the end."""
    return [answer.strip() for answer in str(cell or "").split(";") if answer.strip()]


def _labelled(targets: object, place: str) -> list[tuple[str, int]]:
    """(answer, 1 for true or 0 for false) of a column of the hub."""
    if isinstance(targets, dict) and {"choices", "labels"} <= set(targets):
        choices, labels = targets["choices"], targets["labels"]
        if len(choices) == len(labels) and set(labels) <= {0, 1}:
            return [(str(text).strip(), int(label)) for text, label in zip(choices, labels, strict=True)]
    raise ItemsError(f"{place}: answers with as many labels of 0 or 1 are needed.")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    found = list(rows)
    questions = [str(row["question"] or "").strip() for row in found]
    items: list[Item] = []
    for number, row in enumerate(found):
        best, category = str(row["best"] or "").strip(), _category(str(row["category"] or ""))
        lists: Sequence[list[str]] = (row["wrong"], row["true"], row["false"])
        if not (questions[number] and category and best and all(lists)) or best in row["wrong"]:
            raise ItemsError(
                f"{place}, question {number}: a question, a category, a best answer that is not among the false ones, "
                "and answers that are true and false are needed."
            )
        items.append(
            {
                "id": f"truthfulqa-{number}",
                "question": questions[number],
                # Half the file away, so mostly of another subject; the same whatever sample is drawn.
                "other_question": questions[(number + len(found) // 2) % len(found)],
                "category": category,
                "type": str(row["type"] or "").strip().lower() or "not known",
                "best": best,
                "wrong": row["wrong"],
                "true": row["true"],
                "false": row["false"],
                "source": source,
            }
        )
    if not items:
        raise ItemsError(f"{place} holds no questions.")
    return items


def _category(name: str) -> str:
    """``Confusion: People`` as ``Confusion (People)``: in names of slices a colon stands between an axis and a group."""
    kind, mark, part = name.strip().partition(": ")
    return f"{kind} ({part})" if mark else kind
