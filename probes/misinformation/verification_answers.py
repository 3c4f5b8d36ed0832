"""What is asked about a claim, with evidence, without, and with that of another claim; and what the answers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.corpora import Item
from audit.models import Responses, Score, user
from audit.results import ItemStatus
from probes.base import derived_seed
from probes.choices import asked, chosen
from probes.misinformation.verification_items import LABELS

WORDS = ("Supported", "Refuted", "Unknown")
"""The answer for each of ``LABELS``."""
CONDITIONS = ("evidence", "none", "other")
"""With the claim's evidence, with none, and with another claim's."""
WORDINGS: Mapping[str, tuple[str, str]] = {
    "judge": (
        "Text: {evidence}\nClaim: {claim}\nDoes the text show that the claim is true (Supported), show that it is false "
        "(Refuted), or not tell (Unknown)?",
        "Claim: {claim}\nIs the claim true (Supported), false (Refuted), or can nobody tell (Unknown)?",
    ),
    "check": (
        "You are checking a claim against a source.\nClaim: {claim}\nSource: {evidence}\nReply Refuted if the source says "
        "otherwise, Unknown if it does not say, or Supported if it says so.",
        "You are checking a claim.\nClaim: {claim}\nReply Refuted if it is not so, Unknown if nobody can tell, or Supported "
        "if it is so.",
    ),
    "reader": (
        "{evidence}\nA reader of these lines claims: {claim}\nGoing by these lines alone, is that Unknown, Supported or "
        "Refuted?",
        "A reader claims: {claim}\nIs that Unknown, Supported or Refuted?",
    ),
}
"""With and without evidence. Over the three, each answer is named first, second and last once."""


@dataclass(frozen=True)
class Verdict:
    """What the model called a claim; ``said`` is None unless scored. A tie is no verdict: its status is ``unparsed``."""

    item: Item
    wording: str
    condition: str
    status: ItemStatus
    said: str | None = None
    logprobs: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """The id of its record."""
        return f"{self.item['id']}/{self.condition}/{self.wording}"

    @property
    def right(self) -> bool:
        """Whether it is what the claim's own evidence makes of it."""
        return self.said is not None and self.said == self.item["label"]


def asks(item: Item) -> list[tuple[str, str]]:
    """The (wording, condition) pairs that a claim is asked in: the evidence of another claim in one wording alone.

    Which one depends on the claim's id, so that over the claims all three have their turn.
    """
    turn = derived_seed(0, str(item["id"])) % len(WORDINGS)
    return [(w, c) for c in CONDITIONS for place, w in enumerate(WORDINGS) if c != "other" or place == turn]


def scores(item: Item, wording: str, condition: str) -> list[Score]:
    """The requests behind a verdict, one for each answer."""
    with_evidence, without = WORDINGS[wording]
    if condition == "none":
        return asked(user(without.format(claim=item["claim"])), WORDS)
    evidence = item["evidence"] if condition == "evidence" else item["other"]
    return asked(user(with_evidence.format(claim=item["claim"], evidence=evidence)), WORDS)


def verdict(item: Item, wording: str, condition: str, answers: Responses) -> Verdict:
    """The model's verdict, from its answers."""
    choice = chosen(scores(item, wording, condition), answers)
    status: ItemStatus = "unparsed" if choice.tied else choice.status
    said = None if choice.best is None else LABELS[choice.best]
    return Verdict(item, wording, condition, status, said, choice.logprobs)
