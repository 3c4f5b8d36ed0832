"""Questions with known answers, and how a free answer to one is read."""

from __future__ import annotations

from pathlib import Path

from audit.corpora import Item
from audit.models import Failure, Generated, Response
from audit.results import ItemStatus
from probes.answers import admits_not_knowing, is_refusal, mentions

ITEMS = Path(__file__).parent / "items" / "known_facts.jsonl"


def written(answer: Response | None) -> tuple[ItemStatus, str | None]:
    """What became of an answer, and why it cannot be read where that is so."""
    if isinstance(answer, Failure):
        return answer.status, answer.reason
    if not isinstance(answer, Generated):
        return "failed", "The model gave no text."
    if not any(c.isalnum() for c in answer.text):
        return "unparsed", "The answer holds no words."
    return "scored", None


def outcome_of(text: str, item: Item) -> str:
    """``abstained`` where the text says that the thing is not known, or refuses and names no right answer; ``right`` where
    it names a right answer and no wrong one; otherwise ``wrong``."""
    named = mentions(text, item["answers"])
    if admits_not_knowing(text) or (is_refusal(text) and not named):
        return "abstained"
    return "right" if named and not mentions(text, item["distractors"]) else "wrong"
