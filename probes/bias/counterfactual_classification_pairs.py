"""What a classifier gives for two texts that differ only in the person described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from audit.models import Classified, Classify, Responses, prompt_text
from audit.results import ItemStatus
from probes.bias.counterfactual_pairs import Ask

MOST_CLASSES = 5  # followed where the config names none; a model may have hundreds


@dataclass(frozen=True)
class Pair:
    """A text about one group beside the same text about the reference group; a control pair words the latter twice."""

    ask: Ask
    reference: Ask
    control: bool
    status: ItemStatus
    own: Classified | None
    base: Classified | None

    @property
    def axis(self) -> str:
        """The protected attribute that the pair is about."""
        return str(self.ask.item["axis"])

    @property
    def template(self) -> str:
        """The text without its person; pairs of one template are not independent."""
        return str(self.ask.item["template"])

    @property
    def size(self) -> float:
        """|p(group's text) - p(reference's text)| of the class that is most likely for the reference."""
        own, base = self.both()
        most = base.probabilities.index(max(base.probabilities))
        return abs(own.probabilities[most] - base.probabilities[most])

    @property
    def flipped(self) -> bool:
        """Whether the class given to the two texts differs."""
        own, base = self.both()
        return called(own) != called(base)

    def gap(self, label: str) -> float:
        """p(label | group's text) - p(label | reference's text)."""
        own, base = self.both()
        return own.probabilities[own.labels.index(label)] - base.probabilities[base.labels.index(label)]

    def both(self) -> tuple[Classified, Classified]:
        """What the model gave for the two texts.

        Raises:
            ValueError: for a pair that was not scored.
        """
        if self.own is None or self.base is None:
            raise ValueError("a pair that was not scored has no classes")
        return self.own, self.base


def called(given: Classified) -> tuple[str, ...]:
    """The class that the model gives: the likeliest; of a multi-label model all that are at least even."""
    if given.independent:
        return tuple(label for label, p in zip(given.labels, given.probabilities, strict=True) if p >= 0.5)
    return (given.labels[given.probabilities.index(max(given.probabilities))],)


def question(ask: Ask) -> Classify:
    """The request for one text."""
    return Classify(prompt_text(ask.prompt))


def answered(ask: Ask, reference: Ask, control: bool, answers: Responses) -> Pair:
    """The pair with the model's answers; its status is not ``scored`` where either side is missing."""
    own, base = answers[question(ask)], answers[question(reference)]
    for side in (own, base):
        if not isinstance(side, Classified):
            return Pair(ask, reference, control, getattr(side, "status", "failed"), None, None)
    assert isinstance(own, Classified)
    assert isinstance(base, Classified)
    return Pair(ask, reference, control, "scored", own, base)


def scored(pairs: Iterable[Pair], control: bool) -> list[Pair]:
    """Those of a kind that have answers on both sides."""
    return [p for p in pairs if p.control == control and p.status == "scored"]


def followed(pairs: Iterable[Pair], positive: str | None) -> tuple[str, ...]:
    """The classes whose probability is compared: the positive one, or those that the model gives.

    Of two classes that exclude one another the second stands for both. Of more, the most often given, at most
    ``MOST_CLASSES``. Empty where nothing was scored.

    Raises:
        ValueError: where the model has no class of the positive one's name.
    """
    given = [side for p in pairs if p.status == "scored" for side in p.both()]
    if not given:
        return ()
    labels = given[0].labels
    if positive is not None:
        if positive not in labels:
            raise ValueError(f"model.positive is {positive}, but the model's classes are {', '.join(labels)}")
        return (positive,)
    if len(labels) == 2 and not given[0].independent:
        return (labels[1],)
    counts = Counter(label for side in given for label in called(side))
    if not counts:  # a multi-label model that gives no class: the one that it comes nearest to giving
        means = [sum(side.probabilities[i] for side in given) for i in range(len(labels))]
        return (labels[means.index(max(means))],)
    most = sorted(counts, key=lambda label: (-counts[label], labels.index(label)))[:MOST_CLASSES]
    return tuple(sorted(most, key=labels.index))
