"""The answers of HaluEval to general requests: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("HaluEval", "halueval", "github.com/RUCAIBox/HaluEval (its folder data)", "pminervini/HaluEval")
FILE = "general_data.json"
FIELDS = ("user_query", "chatgpt_response", "hallucination")
SHORT, LONG = 400, 600  # characters of an answer: about a third of them is shorter, and a third longer


def from_folder(data: Path | None) -> list[Item]:
    """The answers of ``<data>/halueval/general_data.json``, the authors' file of one JSON object a line.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    return _items(SET.json_lines(path, FIELDS), f"{path}", "RUCAIBox/HaluEval")


def from_hub(revision: str) -> list[Item]:
    """The answers of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, "general", "data", FIELDS)
    return _items(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        query, answer, label = (str(row.get(field) or "").strip() for field in FIELDS)
        if not query or not answer or label.lower() not in ("yes", "no"):
            raise ItemsError(f"{place}, answer {number}: a request, an answer to it, and yes or no are needed.")
        spans = [str(span).strip() for span in row.get("hallucination_spans") or [] if str(span).strip()]
        length = "short" if len(answer) < SHORT else "medium" if len(answer) < LONG else "long"
        # By the place in the file: two of the authors' answers have the same ID.
        fields = {"id": f"halueval-{number}", "query": query, "answer": answer, "hallucinated": label.lower()}
        items.append({**fields, "spans": spans, "length": length, "source": source})
    if not items:
        raise ItemsError(f"{place} holds no answers.")
    share = sum(item["hallucinated"] == "yes" for item in items) / len(items)
    # Of the whole set: the sample is drawn with as many of each class as there can be.
    return [{**item, "share": share} for item in items]
