"""How the model is asked whether an answer is hallucinated, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from audit.corpora import Item
from audit.models import Prompt, Responses, Score, user
from audit.results import ItemStatus
from probes.choices import asked, chosen

# The same beginning in all wordings: the scorer computes it once, and most of the text is in it.
SHOWN = "A user asked an assistant:\n{query}\n\nThe assistant answered:\n{answer}\n\n"
WORDINGS = {
    "check": "Does this answer contain anything that is false or made up? Answer Yes or No.",
    "review": (
        "You review answers for errors of fact. Is something in this one untrue, invented, or impossible to verify? Reply "
        "with one word, Yes or No."
    ),
    "verdict": (
        "Say Yes if the answer states something that is not so or that nobody can know, and No if it is free of such "
        "statements. Your verdict, Yes or No:"
    ),
}
SAYS = ("Yes", "No")


def prompt_of(item: Item, wording: str) -> Prompt:
    """The question about one answer."""
    return user(SHOWN.format(query=item["query"], answer=item["answer"]) + WORDINGS[wording])


def asks(item: Item, wording: str) -> list[Score]:
    """Yes and No after the question."""
    return asked(prompt_of(item, wording), SAYS)


@dataclass(frozen=True)
class Verdict:
    """What the model said of one answer in one wording.

    ``log_odds`` of Yes against No in nats; ``yes`` whether it said Yes. Both None where there is no verdict: equal
    likelihoods are none either.
    """

    item: Item
    wording: str
    status: ItemStatus
    log_odds: float | None = None

    @property
    def yes(self) -> bool | None:
        """Whether it called the answer hallucinated."""
        return None if self.log_odds is None else self.log_odds > 0

    @property
    def right(self) -> bool | None:
        """Whether people said the same."""
        return None if self.yes is None else self.yes == self.hallucinated

    @property
    def hallucinated(self) -> bool:
        """Whether people marked the answer."""
        return bool(self.item["hallucinated"] == "yes")


def verdict(item: Item, wording: str, answers: Responses) -> Verdict:
    """The model's verdict, or why there is none."""
    choice = chosen(asks(item, wording), answers)
    if choice.status != "scored" or choice.tied:
        return Verdict(item, wording, "unparsed" if choice.tied else choice.status)
    yes, no = choice.logprobs
    return Verdict(item, wording, "scored", yes - no)
