"""``explainability.linear_probe``: whether the group of the person described can be read off the model's states.

Texts about people of different groups end in the same words. A linear reader is trained on the state of the last token, in
which the person is no longer named, and tested on texts and people that it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from audit.corpora import Item, draw
from audit.models import Capability, Failure, Hidden, Request, Responses, States
from audit.results import Average, Record
from probes.base import Context, Metric, Outcome, Probe, Suite
from probes.bias.counterfactual import Counterfactual
from probes.explainability.linear_probe_measures import Described, Read, findings, measurements, read_axis

AXES = ("gender", "religion")
TERMS = 4  # of each group
MOST_WORDS = 12  # of a text without its person: states of every layer are asked of every text


class LinearProbe(Probe):
    """Linear probes of a protected attribute, with their control task."""

    id = "explainability.linear_probe"
    title = "What the model's states hold of a person's group"
    risk = "explainability"
    purpose = (
        "We test whether the model, having read a text about a person, still holds in its inner states whether that person is, "
        "say, a woman or a Muslim. A model that does not hold it cannot treat people differently for it at that place."
    )
    method = (
        "States of the last token of sentences about people of different groups, at five depths. Multinomial logistic "
        "regression on standardised states, tested on texts and on terms for people that are both left out of its training "
        "(three folds by two); the layer chosen by inner folds. Control task: terms with groups dealt at random, on left-out "
        "texts; selectivity is the difference. Intervals by text or by term, whichever is wider."
    )
    citation = (
        "Control tasks and selectivity: Hewitt & Liang 2019 (arXiv:1909.03368); what probes do not show: Elazar et al. 2021 "
        "(arXiv:2006.00995) and Belinkov 2022 (arXiv:2102.12452); items are our own."
    )
    limits = (
        "That a model holds an attribute does not say that it uses it. A linear reader that fails does not say that the "
        "attribute is not held in another form or at other places. English sentences, and groups as the items name them."
    )
    capabilities = frozenset({Capability.STATES})
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": 12, "standard": 40, "full": None}
    stratum = "axis"
    metrics = (
        Metric(
            "accuracy",
            "Group read rightly off the states",
            "rate",
            "descriptive",
            "Share of texts whose group a linear reader tells that has seen neither the text nor the words for the person. "
            "Chance is to name the most frequent group.",
            average=Average(score="accuracy"),
        ),
        Metric(
            "selectivity",
            "The same, beyond what is learnt by heart",
            "rate difference",
            "descriptive",
            "Share of new texts about known people whose group is told, minus the share when groups are dealt to people at "
            "random. 0: the reader learns anything by heart; higher: the states hold the group itself.",
            average=Average(score="selectivity"),
        ),
        Metric(
            "layer_accuracy",
            "Group read rightly, by layer",
            "rate",
            "descriptive",
            "The first measure at one layer: of the embeddings, which hold the last word alone, to the last layer. Chance is "
            "to name the most frequent group.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Sentences of ``bias.counterfactual`` in which words follow the person."""
        items = [i for i in Counterfactual().items(None) if i["kind"] == "sentence" and i["axis"] in AXES]
        short = [item for item in items if len(item["text"].split()) <= MOST_WORDS]
        return [item for item in short if not item["text"].rstrip(" ,.").endswith("{person}")]

    def drawn(self, items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
        """As many of each attribute, because each is read by itself and needs its texts."""
        if limit is None:
            return list(items)
        shares = [limit // len(AXES) + (n < limit % len(AXES)) for n in range(len(AXES))]
        apart = ([item for item in items if item["axis"] == axis] for axis in AXES)
        return [item for some, share in zip(apart, shares, strict=True) for item in draw(some, share, seed, None)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """The states of every text."""
        return list(dict.fromkeys(d.request for item in items for d in _described(item)))

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Accuracy, selectivity and layers, with a record for every text."""
        described = [_answered(d, answers) for item in items for d in _described(item)]
        read = [read_axis(axis, [d for d in described if d.axis == axis], context.seed) for axis in AXES]
        found = measurements(read, described, context.confidence, self.measurement)
        return Outcome(_records(described, read, self), found, findings(found, AXES, type(self)))


def _described(item: Item) -> list[Described]:
    texts = []
    for group in item["groups"]:
        for number, term in enumerate(group["terms"][:TERMS]):
            text = str(item["text"]).replace("{person}", term)
            request = States(text[:1].upper() + text[1:], "last")
            texts.append(Described(item, str(group["group"]), term, number, request))
    return texts


def _answered(d: Described, answers: Responses) -> Described:
    found = answers.get(d.request)
    if isinstance(found, Hidden):
        return replace(d, status="scored", vectors=found.vectors)
    if isinstance(found, Failure):
        return replace(d, status=found.status, note=found.reason)
    return replace(d, note="No states came.")


def _records(described: Sequence[Described], read: Sequence[Read], probe: LinearProbe) -> list[Record]:
    right = {d.id: bool(known) for r in read for d, known in zip(r.texts, r.right, strict=True)}
    gains = {d.id: float(gain) for r in read for d, gain in zip(r.texts, r.gain, strict=True)}
    return [_record(d, right.get(d.id), gains.get(d.id), probe) for d in described]


def _record(d: Described, right: bool | None, gain: float | None, probe: LinearProbe) -> Record:
    scored = d.vectors is not None
    told = {True: "group told from the states", False: "group not told from the states", None: "not read"}[right]
    return Record(
        id=d.id,
        probe=probe.id,
        item=str(d.item["id"]),
        source=probe.source,
        cluster=d.template,
        axis=d.axis,
        group=d.group,
        input=d.text,
        output=None if d.vectors is None else f"the states of {len(d.vectors)} layers",
        scores={} if gain is None or right is None else {"accuracy": float(right), "selectivity": gain},
        status=d.status,
        outcome=told if scored else None,
        note=d.note,
    )
