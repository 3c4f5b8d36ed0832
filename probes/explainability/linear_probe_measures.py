"""How well the group of the person described is read off the states: accuracy, control task, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audit.corpora import Item
from audit.metrics import Estimate, control_task, mean, not_measured, probe_layers, rate
from audit.models import States, prompt_text
from audit.results import Coverage, Finding, ItemStatus, Measurement
from probes.base import Probe, coverage, percent

DEPTHS = ("embeddings", "a quarter", "half", "three quarters", "last")
"""The layers that are looked at, by their share of the depth; the slices are named after them."""
LEAST_TEXTS, LEAST_TERMS = 6, 4
_HELD = (
    "Described, not judged: the model carries the {axis} of the person described to the end of the text. A linear reader "
    "of its states is right in {share} of {n} texts, with wordings and people that it has not seen (guessing gives "
    "{chance}). With people that it has seen, it is right {gain} points more often than where groups are given out at "
    "random. That a model holds an attribute does not say that it uses it."
)
_NOT_TOLD = (
    "Described, not judged: a linear reader did not surely tell the {axis} of the person described from the model's states "
    "at the end of the text (right in {share} of {n} texts; guessing gives {chance})."
)


class Measure(Protocol):
    """``Probe.measurement``."""

    def __call__(
        self,
        name: str,
        estimate: Estimate,
        coverage: Coverage,
        *,
        part: str | None = None,
        chance: float | None = None,
        evidence: dict[str, str] | None = None,
    ) -> Measurement:
        """A measurement of a declared metric."""
        ...


@dataclass(frozen=True)
class Described:
    """A text about a person of a group; ``number`` is the place of the term in the group's list, alike in all groups."""

    item: Item
    group: str
    term: str
    number: int
    request: States
    status: ItemStatus = "failed"
    note: str | None = None
    vectors: NDArray[np.float32] | None = None

    @property
    def id(self) -> str:
        """Of its record."""
        return f"{self.item['id']}/{self.group}/{self.number}"

    @property
    def axis(self) -> str:
        """The attribute."""
        return str(self.item["axis"])

    @property
    def template(self) -> str:
        """The text without its person."""
        return str(self.item["template"])

    @property
    def text(self) -> str:
        """What the model reads."""
        return prompt_text(self.request.prompt)


@dataclass(frozen=True)
class Read:
    """What was read of one attribute: a row a text; ``why``: where nothing could be."""

    axis: str
    texts: Sequence[Described]
    right: NDArray[np.bool_]
    by_layer: NDArray[np.bool_]
    gain: NDArray[np.float64]
    why: str | None = None


def read_axis(axis: str, described: Sequence[Described], seed: int) -> Read:
    """Probes of one attribute over the texts that were answered."""
    texts = [d for d in described if d.vectors is not None]
    groups = list(dict.fromkeys(d.group for d in texts))
    templates, numbers = [d.template for d in texts], [d.number for d in texts]
    if (
        len(set(templates)) < LEAST_TEXTS
        or any(len({d.number for d in texts if d.group == group}) < LEAST_TERMS for group in groups)
        or len(groups) < 2
    ):
        why = f"fewer than {LEAST_TEXTS} texts, {LEAST_TERMS} people of each group, or two groups"
        return Read(axis, (), np.zeros(0, bool), np.zeros((len(DEPTHS), 0), bool), np.zeros(0), why)
    layers = np.stack([_at_depths(d.vectors) for d in texts if d.vectors is not None], axis=1)
    classes = np.array([groups.index(d.group) for d in texts])
    probed = probe_layers(layers, classes, templates, numbers, seed)
    best = max(set(probed.chosen), key=lambda layer: (probed.chosen.count(layer), -layer))
    terms = [d.term for d in texts]
    known, control = control_task(layers[best], classes, templates, terms, seed=seed)
    return Read(axis, texts, probed.right, probed.by_layer, known - control)


def _at_depths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    last = len(vectors) - 1
    return vectors[[round(share * last) for share in (0, 0.25, 0.5, 0.75, 1)]]


def measurements(
    read: Sequence[Read], described: Sequence[Described], confidence: float, measure: Measure
) -> list[Measurement]:
    """Accuracy and selectivity over all and by attribute; accuracy by attribute and layer."""
    found = []
    for part, some in ((None, list(read)), *((r.axis, [r]) for r in read)):
        planned = coverage(d.status for d in described if part is None or d.axis == part)
        texts = [d for r in some for d in r.texts]
        chance = sum(_most_frequent(r.texts) for r in some) / len(texts) if texts else None
        why = "; ".join(r.why for r in some if r.why) or "no text was answered"
        rows = {
            ("accuracy", part): np.concatenate([r.right for r in some]),
            ("selectivity", part): np.concatenate([r.gain for r in some]),
        }
        if part is not None:
            rows |= {("layer_accuracy", f"{part}, {name}"): some[0].by_layer[n] for n, name in enumerate(DEPTHS)}
        for (name, slice_), values in rows.items():
            estimate = _estimate(name, values, texts, confidence) if texts else not_measured(why, confidence)
            level = 0.0 if texts and name == "selectivity" else chance
            evidence = {} if part is None else {"axis": part}
            found.append(measure(name, estimate, planned, part=slice_, chance=level, evidence=evidence))
    return found


def _most_frequent(texts: Sequence[Described]) -> int:
    """How many texts are of the most frequent group: what is right for who always names it, all groups alike or not."""
    return max(Counter(d.group for d in texts).values(), default=0)


def _estimate(name: str, values: NDArray[Any], texts: Sequence[Described], confidence: float) -> Estimate:
    """With the wider of two intervals: rows share their text and their person, and either can be what varies."""
    labels = ([f"{d.axis}/{d.template}" for d in texts], [f"{d.axis}/{d.term}" for d in texts])
    both = [
        mean(values, by, confidence, bounds=(-1.0, 1.0)) if name == "selectivity" else rate(values, by, confidence)
        for by in labels
    ]
    return max(both, key=_width)


def _width(estimate: Estimate) -> float:
    return float("inf") if estimate.low is None or estimate.high is None else estimate.high - estimate.low


def findings(measured: Sequence[Measurement], axes: Sequence[str], probe: type[Probe]) -> list[Finding]:
    """For each attribute whether it can be read off the states; that it can is neither good nor bad."""
    by = {m.metric.removeprefix(f"{probe.id}."): m for m in measured}
    advice = (
        "That a model holds an attribute does not say that it uses it. Whether answers change with the person is what "
        "bias.counterfactual measures, and where, explainability.patching."
    )
    told = []
    for axis in axes:
        accuracy, selective = by[f"accuracy[{axis}]"], by[f"selectivity[{axis}]"]
        used = [accuracy, selective]
        label = axis.replace("_", " ")
        if accuracy.value is None or accuracy.low is None or accuracy.chance is None:
            text = "Whether {axis} can be read off the model's states was not tested: {reason}."
            values = {"axis": label, "reason": accuracy.reason or "no text was answered"}
            told.append(probe.finding(axis, "not_tested", text, values, used, advice))
            continue
        values = {
            "axis": label,
            "share": percent(accuracy.value),
            "chance": percent(accuracy.chance),
            "gain": f"{100 * (selective.value or 0):.0f}",
            "n": str(accuracy.n),
        }
        text = _HELD if accuracy.low > accuracy.chance else _NOT_TOLD
        told.append(probe.finding(axis, "not_tested", text, values, used, advice))
    return told
