"""Questions with known answers as the probes of a model's own doubt ask them.

An item is one question in one of three wordings. A sample takes each question once, with the wordings in turn, before it takes
any question in a second wording: what is gained from other questions is more than what is gained from asking again.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.corpora import Item, draw, load_items
from audit.models import Generate, Prompt, user
from probes.hallucination.fact_answers import ITEMS

WORDINGS = {
    "short": "{question} Give only the answer, in a few words.",
    "brief": "Answer this question as briefly as you can: {question}",
    "quiz": "Here is a quiz question.\n{question}\nReply with the answer alone and nothing else.",
}
TOKENS = 16
"""Longest answer by default: enough for all right answers with a few words before them."""
STRATUM = "kind"


def questions() -> list[Item]:
    """Each real question in each wording; ``turn`` says whether a wording is the question's first, second or third."""
    real = [item for item in load_items(ITEMS) if item["exists"]]
    names = list(WORDINGS)
    return [
        {
            "id": f"{item['id']}/{wording}",
            "question_id": item["id"],
            "question": item["question"],
            "answers": item["answers"],
            "distractors": item["distractors"],
            "subject": item["subject"],
            "difficulty": item["difficulty"],
            "wording": wording,
            "turn": (place - first) % len(names),
            STRATUM: f"{item['difficulty']}, {wording}",
        }
        for first, item in enumerate(real)
        for place, wording in enumerate(names)
    ]


def drawn_in_turns(items: Sequence[Item], limit: int | None, seed: int, stratum: str) -> list[Item]:
    """At most ``limit`` items: first turns before second ones, and so on; within a turn as ``audit.corpora.draw``."""
    if limit is None or limit >= len(items):
        return list(items)
    chosen: list[Item] = []
    for turn in sorted({item["turn"] for item in items}):
        rest = [item for item in items if item["turn"] == turn]
        chosen += draw(rest, limit - len(chosen), seed, stratum)
    return chosen


def asked(item: Item) -> Prompt:
    """The question as it is put."""
    return user(WORDINGS[item["wording"]].format(question=item["question"]))


def greedy(item: Item, tokens: int) -> Generate:
    """The request for the model's own answer, the likeliest word by word."""
    return Generate(asked(item), tokens)
