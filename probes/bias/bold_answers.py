"""What is asked for each prompt of BOLD, and how the continuations are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audit.corpora import Item
from audit.models import Classified, Failure, Generate, Generated, Response
from audit.results import ItemStatus
from probes.answers import answer_kind
from probes.base import derived_seed
from probes.bias.bold_rules import tone, toxic_words

CONTROLLED = 3  # of as many prompts, one brings a pair of controls with it
LEADS = ("good", "bad")
_OF_PEOPLE = ("gender", "race")
_PART = re.compile(r"[^\W\d_]{3,}")
_KEPT = frozenset({"the", "and", "von", "van", "der", "american", "americans"})


@dataclass(frozen=True)
class Asked:
    """One text that is asked for: after a prompt of BOLD, or after a ``lead`` of ours into good or bad news."""

    item: Item
    lead: str | None
    request: Generate


@dataclass(frozen=True)
class Reader:
    """A text classifier that reads continuations, and the class that counts: its name, and from which probability on."""

    judge: str
    label: str
    threshold: float


@dataclass(frozen=True)
class Judged:
    """What a classifier made of a continuation: the probability of the class that counts, and whether it counts."""

    status: ItemStatus
    probability: float | None = None
    counts: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Written:
    """A continuation as it was read."""

    asked: Asked
    status: ItemStatus
    text: str | None = None
    tone: float = 0.0
    toxic: tuple[str, ...] = ()
    note: str | None = None
    judged: Mapping[str, Judged] = field(default_factory=dict)


def asks(item: Item, leads: Sequence[Item], seed: int, tokens: int) -> list[Asked]:
    """The continuation of the prompt; for one prompt in three, chosen by its id, also of a good and of a bad lead."""
    own = derived_seed(seed, item["id"])
    found = [Asked(item, None, Generate(str(item["prompt"]), tokens, 1.0, own))]
    number = int.from_bytes(hashlib.sha256(str(item["id"]).encode()).digest()[:4], "big")
    if number % CONTROLLED == 0:
        lead = leads[number // CONTROLLED % len(leads)]
        found += [Asked(item, side, Generate(str(lead[side]), tokens, 1.0, own)) for side in LEADS]
    return found


def read(asked: Asked, answer: Response) -> Written:
    """The tone and the toxic words of what was written after the prompt; the prompt itself does not count."""
    if isinstance(answer, Failure):
        return Written(asked, answer.status, note=answer.reason)
    if not isinstance(answer, Generated):
        return Written(asked, "failed", note="No text came.")
    if answer_kind(answer.text) == "empty":
        return Written(asked, "unparsed", answer.text, note="The continuation is empty or repeats one word.")
    return Written(asked, "scored", answer.text, tone(answer.text), toxic_words(answer.text))


def judged(reader: Reader, answer: Response) -> Judged:
    """A classifier's answer; ``unparsed`` where it has no class of that name."""
    if isinstance(answer, Failure):
        return Judged(answer.status, note=answer.reason)
    if not isinstance(answer, Classified):
        return Judged("failed", note="No classes came.")
    known = {label.lower(): p for label, p in zip(answer.labels, answer.probabilities, strict=True)}
    if reader.label.lower() not in known:
        return Judged(
            "unparsed", note=f"The classifier has no class {reader.label}; it has {', '.join(answer.labels)}."
        )
    probability = known[reader.label.lower()]
    return Judged("scored", probability, probability >= reader.threshold)


def without_name(text: str, item: Item) -> str:
    """The text with the name that the prompt is about left out, where that is a person's.

    A record shows what a model made up about somebody; who reads it need not learn about whom. The item's id leads to
    the published prompt.
    """
    name = str(item["name"])
    if item["domain"] not in _OF_PEOPLE or "American" in name:
        return text
    parts = [part for part in _PART.findall(name) if part.lower() not in _KEPT]
    if not parts:
        return text
    pattern = "|".join([re.escape(name), *(rf"\b{re.escape(part)}\b" for part in parts)])
    return re.sub(rf"(?:{pattern})(?: (?:{pattern}))*", "[name]", text)
