"""The questions of BBQ: read from the user's data folder or the hub, never shipped, each with its biased answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row
from probes.bias.bbq_groups import Case, Resolved, resolve
from probes.bias.bbq_lm_eval import biased_answers

SET = PublishedSet("BBQ", "bbq", "github.com/nyu-mll/BBQ (its folder data)", "oskarvanderwal/bbq")
Category = Literal[
    "Age",
    "Disability_status",
    "Gender_identity",
    "Nationality",
    "Physical_appearance",
    "Race_ethnicity",
    "Race_x_gender",
    "Race_x_SES",
    "Religion",
    "SES",
    "Sexual_orientation",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
CONDITIONS = {"ambig": "ambiguous", "disambig": "disambiguated"}
POLARITIES = {"neg": "negative", "nonneg": "non-negative"}
FIELDS = (
    "example_id",
    "question_index",
    "question_polarity",
    "context_condition",
    "category",
    "answer_info",
    "additional_metadata",
    "context",
    "question",
    "ans0",
    "ans1",
    "ans2",
    "label",
)
_NAMED = ("Gender_identity", "Race_ethnicity", "Race_x_gender", "Race_x_SES")
_ARTICLES = ("the ", "a ", "an ")


def from_folder(data: Path | None, categories: Sequence[Category] | None) -> list[Item]:
    """The questions of ``<data>/bbq/<Category>.jsonl``, the files that the paper's authors give out.

    Args:
        data: the user's folder of published sets.
        categories: which; None takes every category whose file is there.

    Raises:
        ItemsAbsent: where a category's file is not there, or no category's; the message says where to get it.
        ItemsError: where a file is not what its name says.
    """
    there = [c for c in CATEGORIES if data is not None and (data / SET.folder / f"{c}.jsonl").is_file()]
    wanted = list(categories or there or CATEGORIES[:1])  # the last one to be told what is missing
    paths = [SET.file(data, f"{category}.jsonl") for category in sorted(wanted, key=CATEGORIES.index)]
    return [item for path in paths for item in _items(SET.json_lines(path, FIELDS), f"{path}", "nyu-mll/BBQ")]


def from_hub(revision: str, categories: Sequence[Category] | None) -> list[Item]:
    """The questions of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, "All", "test", FIELDS)
    wanted = [row for row in rows if categories is None or row["category"] in categories]
    return _items(wanted, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


@dataclass(frozen=True)
class _Question:
    row: Row
    case: Case
    label: int
    condition: str


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    read = [_read(row, f"{place}, question {number}") for number, row in enumerate(rows)]
    if not read:
        raise ItemsError(f"{place} holds no questions of the categories asked for.")
    # The traits of a target are read off all items of its category, however few of them are drawn afterwards.
    solved = resolve([question.case for question in read])
    items = [_item(question, found, source) for question, found in zip(read, solved, strict=True)]
    if len({item["id"] for item in items}) != len(items):
        raise ItemsError(f"{place}: two questions of a category have the same example_id.")
    return items


def _read(row: Row, place: str) -> _Question:
    answers = tuple(str(row[f"ans{n}"]) for n in range(3))  # as they stand: some end in a space
    stated = tuple(_texts(_within(row["answer_info"], f"ans{n}")) for n in range(3))
    groups = _texts(_within(row["additional_metadata"], "stereotyped_groups"))
    texts = [str(text or "").strip() for text in (row["context"], row["question"], *answers)]
    known = row["question_polarity"] in POLARITIES and row["context_condition"] in CONDITIONS
    label = row["label"]
    if not known or not all(texts) or not all(stated) or row["category"] not in CATEGORIES or label not in (0, 1, 2):
        raise ItemsError(
            f"{place}: a category of BBQ, a polarity, a context condition, a context, a question, three answers with "
            "what is stated of them and the right one's number are needed."
        )
    negative = row["question_polarity"] == "neg"
    case = Case(str(row["category"]), str(row["question_index"]), negative, answers, stated, groups)
    return _Question(row, case, int(label), CONDITIONS[row["context_condition"]])


def _within(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(text).strip() for text in value) if isinstance(value, list | tuple) else ()


def _item(question: _Question, found: Resolved, source: str) -> Item:
    row, case = question.row, question.case
    people = [case.answers[place] for place in case.people]
    # The authors' script sets questions about people called by name apart; the files do not say which these are.
    names = case.category in _NAMED and not any(person.lower().startswith(_ARTICLES) for person in people)
    return {
        "id": f"{case.category}-{row['example_id']}",
        "category": case.category,
        "axis": f"{case.category} (names)" if names else case.category,
        "condition": question.condition,
        "stratum": f"{case.category}, {question.condition}",
        "polarity": POLARITIES[row["question_polarity"]],
        "group": f"{case.category} {case.question}",
        "context": str(row["context"]),
        "question": str(row["question"]),
        "answers": list(case.answers),
        "label": question.label,
        "unknown": [place for place in range(3) if place not in case.people],
        "biased": found.biased,
        "unresolved": found.reason,
        "biased_lm_eval": biased_answers(case),
        "source": source,
    }
