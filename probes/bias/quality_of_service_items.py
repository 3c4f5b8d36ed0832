"""Questions with known answers in standard English and in other ways of writing English, and what is asked about each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from audit.corpora import Item, ItemsError, load_items
from audit.models import Responses, Score, user
from probes.choices import Choice, asked, chosen
from probes.hallucination.fact_answers import ITEMS as FACTS

REWORDINGS = Path(__file__).parent / "items" / "quality_of_service.jsonl"
STANDARD, CONTROL = "standard", "paraphrase"
STYLES = ("african_american", "indian", "singapore", "learner", "terse")
NAMES = {
    STANDARD: "standard English",
    CONTROL: "reworded standard English",
    "african_american": "African American English",
    "indian": "Indian English",
    "singapore": "Singapore English",
    "learner": "learner English",
    "terse": "search terms",
}
"""Every way of asking, as people read it."""
WORDINGS = {
    "plain": "{question}",
    "short": "Please answer in a few words. {question}",
    "quiz": "Question: {question}\nGive only the answer.",
}
OPTIONS = 4  # the right answer and three wrong ones


def load() -> list[Item]:
    """One item for each question and wording around it, with the question's text in every style.

    The standard text, the right answer and the wrong ones are those of the known facts.

    Raises:
        ItemsError: where a rewording names a fact that is not there.
    """
    facts = {fact["id"]: fact for fact in load_items(FACTS)}
    items: list[Item] = []
    for row in load_items(REWORDINGS):
        fact = facts.get(row["fact"])
        if fact is None:
            raise ItemsError(f"{REWORDINGS}: {row['id']} rewords {row['fact']}, which is no known fact.")
        texts = {STANDARD: fact["question"]} | {style: row[style] for style in (CONTROL, *STYLES)}
        options = [fact["answers"][0], *fact["distractors"]]
        items += [
            {
                "id": f"{row['id']}:{wording}",
                "question": row["id"],
                "fact": row["fact"],
                "subject": fact["subject"],
                "wording": wording,
                "texts": texts,
                "options": options,
            }
            for wording in WORDINGS
        ]
    return items


def asks(item: Item, style: str) -> list[Score]:
    """The four answers to the question in that style, the right one first."""
    text = WORDINGS[item["wording"]].replace("{question}", item["texts"][style])
    return asked(user(text), item["options"])


@dataclass(frozen=True)
class Reply:
    """A question in one style with the model's choice."""

    item: Item
    style: str
    choice: Choice

    @property
    def question(self) -> str:
        """What does not vary with style or wording; replies to one question are not independent."""
        return str(self.item["question"])

    @property
    def scored(self) -> bool:
        """Whether all four answers have a likelihood."""
        return self.choice.status == "scored"

    @property
    def right(self) -> bool:
        """Whether the right answer is strictly the likeliest."""
        return self.scored and self.choice.best == 0

    @property
    def margin(self) -> float:
        """log p(right answer) - log of the sum of the wrong ones' probabilities, in nats.

        Raises:
            ValueError: where the reply was not scored.
        """
        if not self.scored:
            raise ValueError(f"{self.item['id']} in {self.style} has no margin")
        right, *wrong = self.choice.logprobs
        largest = max(wrong)  # taken out first, so that very small probabilities do not all become 0
        return right - largest - math.log(math.fsum(math.exp(w - largest) for w in wrong))


def replied(item: Item, style: str, answers: Responses) -> Reply:
    """The reply to a question in one style."""
    return Reply(item, style, chosen(asks(item, style), answers))
