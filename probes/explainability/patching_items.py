"""Texts about two people, and which of their pairs are looked into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.corpora import Item
from audit.models import Failure, Patch, Patched, Responses, Score, Scored
from audit.results import ItemStatus
from probes.bias.counterfactual import Counterfactual
from probes.bias.counterfactual_pairs import Ask, asks

AXES = ("gender", "age", "religion", "orientation", "ethnicity")
"""Attributes whose terms are built alike, so that many pairs have as many tokens."""
MOST_WORDS = 5  # after the person: every token from there on is exchanged in turn
TRIES = 4  # pairs of an item whose texts may turn out to have different numbers of tokens


def short_items() -> list[Item]:
    """Sentences of ``bias.counterfactual`` that end soon after the person that they are about."""
    return [item for item in Counterfactual().items(None) if _is_short(item)]


def _is_short(item: Item) -> bool:
    if item["kind"] != "sentence" or item["axis"] not in AXES:
        return False
    after = str(item["text"]).partition("{person}")[2].split()
    return 1 <= len([word for word in after if any(map(str.isalnum, word))]) <= MOST_WORDS


@dataclass(frozen=True)
class Found:
    """The pair of an item that is looked into; ``shift`` in nats of the favourable ending's log-odds."""

    item: Item
    status: ItemStatus
    note: str | None = None
    ask: Ask | None = None
    reference: Ask | None = None
    shift: float | None = None
    patched: Patched | None = None


def score_requests(item: Item, seed: int) -> list[Score]:
    """Both endings of every text of the item."""
    return [score for pair in _pairs(item, seed) for side in pair for score in _scores(side)]


def _pairs(item: Item, seed: int) -> list[tuple[Ask, Ask]]:
    return [(ask, reference) for ask, reference, control in asks(item, seed) if not control]


def _scores(ask: Ask) -> list[Score]:
    return [Score(ask.prompt, ending) for ending in ask.endings]


def patch_request(ask: Ask, reference: Ask, layers: int) -> Patch:
    """The group's text is the clean one; what of it makes the reference group's text answer as it does?"""
    return Patch(ask.prompt, reference.prompt, *ask.endings, layers=layers)


def looked_into(item: Item, seed: int, floor: float, layers: int, answers: Responses) -> tuple[Found, Patch | None]:
    """The item's widest pair that can be looked into, as far as it is known, and what has to be asked next."""
    shifts: list[tuple[float, Ask, Ask]] = []
    failed: Failure | None = None
    for ask, reference in _pairs(item, seed):
        odds = []
        for side in (ask, reference):
            found = [answers.get(score) for score in _scores(side)]
            failed = failed or next((f for f in found if isinstance(f, Failure)), None)
            scored = [f.logprob for f in found if isinstance(f, Scored)]
            odds += [scored[0] - scored[1]] if len(scored) == 2 else []
        if len(odds) == 2:
            shifts.append((odds[0] - odds[1], ask, reference))
    if not shifts:
        reason = failed.reason if failed else "No pair of texts was scored."
        return Found(item, failed.status if failed else "failed", reason), None
    wide = sorted((s for s in shifts if abs(s[0]) >= floor), key=lambda s: (-abs(s[0]), s[1].group))
    if not wide:
        most = max(abs(shift) for shift, _, _ in shifts)
        return Found(item, "unparsed", f"No pair differs by {floor:g} nats or more; the widest by {most:.2f}."), None
    refused: Failure | None = None
    for shift, ask, reference in wide[:TRIES]:
        request = patch_request(ask, reference, layers)
        response = answers.get(request)
        if response is None:
            return Found(item, "failed", "The pair was not looked into."), request
        if isinstance(response, Patched):
            return Found(item, "scored", None, ask, reference, shift, response), None
        refused = response if isinstance(response, Failure) else refused
        if refused is not None and refused.status != "unparsed":
            break
    return Found(item, refused.status if refused else "failed", refused.reason if refused else None), None


def differing(patched: Patched) -> Sequence[int]:
    """The places of the words for the person: from the first to the last token that differs."""
    apart = [n for n, (a, b) in enumerate(zip(patched.tokens, patched.other_tokens, strict=True)) if a != b]
    return range(apart[0], apart[-1] + 1) if apart else []
