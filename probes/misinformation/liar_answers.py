"""What is asked about a statement of LIAR, and what the model's answers say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.corpora import Item
from audit.models import Responses, Score, user
from audit.results import ItemStatus
from probes.choices import asked, chosen
from probes.misinformation.liar_items import LABELS

WORDS = ("Absurdly false", "Plainly false", "Barely true", "Half true", "Mostly true", "Fully true")
"""What the model is offered for each label, from the lowest to the highest: two words each."""
UPPER = 3  # labels from this one on are the true side
WORDINGS: Mapping[str, str] = {
    "rate": 'A statement from American politics:\n"{statement}"\nHow true is it? Choose one of: Absurdly false, Plainly '
    "false, Barely true, Half true, Mostly true, Fully true.",
    "check": "You are checking the facts in what a politician said.\nStatement: {statement}\nThe ratings are Fully true, "
    "Mostly true, Half true, Barely true, Plainly false and Absurdly false. Answer with the rating alone.",
    "debate": "In a debate somebody said: {statement}\nWould you call that Mostly true, Plainly false, Fully true, Barely "
    "true, Absurdly false or Half true?",
}
"""With the ratings in rising, falling and mixed order."""
CONTENT_FREE = ("N/A", "[MASK]", "")
"""The inputs without content of Zhao et al. 2021."""


@dataclass(frozen=True)
class Rating:
    """How a model rated one statement in one wording.

    ``shares``: the probability of each label among the six, in the order of ``LABELS``; empty unless scored. A tie
    between the likeliest labels, or between the two sides, is no rating: its status is ``unparsed``; so for the calibrated
    one.
    """

    item: Item
    wording: str
    status: ItemStatus
    logprobs: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    label: int | None = None
    calibrated_status: ItemStatus = "failed"
    calibrated: int | None = None

    @property
    def right(self) -> bool:
        """Whether the likeliest label is the statement's."""
        return self.label is not None and self.label == self.item["level"]

    @property
    def expected(self) -> float:
        """The mean label number under the shares, from 0 (surely the lowest) to 5."""
        return float(np.dot(self.shares, np.arange(len(LABELS))))

    @property
    def side(self) -> bool:
        """Whether the upper three labels together are likelier than the lower three."""
        return sum(self.shares[UPPER:]) > sum(self.shares[:UPPER])


def scores(statement: str, wording: str) -> list[Score]:
    """The requests behind a rating, one for each label."""
    return asked(user(WORDINGS[wording].format(statement=statement)), WORDS)


def is_upper(item: Item) -> bool:
    """Whether the statement's own label is one of the upper three."""
    return int(item["level"]) >= UPPER


def rated(item: Item, wording: str, answers: Responses) -> Rating:
    """The model's rating, from its answers."""
    choice = chosen(scores(str(item["statement"]), wording), answers)
    if choice.status != "scored":
        return Rating(item, wording, choice.status, calibrated_status=choice.status)
    shares = _shares(choice.logprobs)
    even = sum(shares[UPPER:]) == sum(shares[:UPPER])
    status: ItemStatus = "unparsed" if choice.tied or even else "scored"
    prior, reason = _prior(wording, answers)
    if prior is None:
        return Rating(item, wording, status, choice.logprobs, tuple(shares), choice.best, reason)
    divided = shares / prior
    best = np.flatnonzero(divided == divided.max())
    calibrated = int(best[0]) if len(best) == 1 else None
    reason = "unparsed" if calibrated is None else "scored"
    return Rating(item, wording, status, choice.logprobs, tuple(shares), choice.best, reason, calibrated)


def _prior(wording: str, answers: Responses) -> tuple[npt.NDArray[np.float64] | None, ItemStatus]:
    """Mean share of each label over the inputs without content, or why there is none."""
    choices = [chosen(scores(text, wording), answers) for text in CONTENT_FREE]
    missing = next((choice.status for choice in choices if choice.status != "scored"), None)
    if missing is not None:
        return None, missing
    prior = np.mean([_shares(choice.logprobs) for choice in choices], axis=0)
    # A label that is never given without content cannot be divided by its share.
    return (prior, "scored") if (prior > 0).all() else (None, "not_a_number")


def _shares(logprobs: tuple[float, ...]) -> npt.NDArray[np.float64]:
    values = np.array(logprobs)
    shares: npt.NDArray[np.float64] = np.exp(values - values.max())  # very small probabilities do not all become 0
    normalised: npt.NDArray[np.float64] = shares / shares.sum()
    return normalised
