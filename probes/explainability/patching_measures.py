"""Where a difference between two people is carried: shares by part of the text and third of the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audit.metrics import Estimate, mean
from audit.models import Patched
from audit.results import Average, Coverage, Finding, Measurement
from probes.base import Probe, coverage
from probes.explainability.patching_items import Found, differing

PARTS = ("person", "rest", "last")
THIRDS = ("first third", "middle third", "last third")
ALL = "all layers"
FEWEST = 5  # pairs, below which nothing is said of the model


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
        average: Average | None = None,
    ) -> Measurement:
        """A measurement of a declared metric."""
        ...


@dataclass(frozen=True)
class Shares:
    """Of one pair, by part of the text: the restored share in each third of the layers, and what chance would give."""

    restored: Mapping[str, tuple[float, ...]]
    chance: Mapping[str, tuple[float, ...]]


def shares(patched: Patched) -> Shares:
    """The restored shares of single tokens, summed over each part of the text and averaged over each third of the layers.

    Chance is what as many tokens would restore that are drawn at random from all that can carry something: in a model that
    reads forwards, those from the first difference on.
    """
    values = patched.values.astype(np.float64)
    last = values.shape[1] - 1
    person = [place for place in differing(patched) if place != last]
    rest = [place for place in range(last) if place not in person]
    places = dict(zip(PARTS, (person, rest, [last]), strict=True))
    # From layer 1 on: the embeddings are the words themselves.
    layers = np.array(patched.layers)
    third = np.ceil(3 * layers / layers.max()) - 1
    bands = []
    for n in range(3):
        inside = (layers > 0) & (third == n)
        # A model of two layers has no third of its own for each: the layer below stands for it, or else the first.
        nearest = max(layers[(layers > 0) & (third <= n)], default=layers[layers > 0].min())
        bands.append(values[inside if inside.any() else layers == nearest])
    able = np.abs(values).max(axis=0) > 0
    count = max(1, int(able.sum()))
    restored, chance = {}, {}
    for part, at in places.items():
        restored[part] = tuple(float(band[:, at].sum(axis=1).mean()) for band in bands)
        size = int(able[at].sum()) / count
        chance[part] = tuple(float(band.sum(axis=1).mean()) * size for band in bands)
    return Shares(restored, chance)


def measurements(found: Sequence[Found], confidence: float, measure: Measure) -> list[Measurement]:
    """Each part's share over all layers and in each third; intervals by text."""
    planned = coverage(f.status for f in found)
    done = [(f, shares(f.patched)) for f in found if f.patched is not None]
    texts = [str(f.item["template"]) for f, _ in done]
    told = []
    for part in PARTS:
        for slice_, at in ((None, slice(0, 3)), *((name, slice(n, n + 1)) for n, name in enumerate(THIRDS))):
            values = [float(np.mean(s.restored[part][at])) for _, s in done]
            chance = float(np.mean([np.mean(s.chance[part][at]) for _, s in done])) if done else None
            average = Average(score=f"{part}, {slice_ or ALL}")
            estimate = mean(values, texts, confidence)
            told.append(measure(f"{part}_share", estimate, planned, part=slice_, chance=chance, average=average))
    return told


def _with_range(share: Measurement) -> str:
    if share.low is None or share.high is None:
        return f"{share.value or 0:.0%} (range not known)"
    return f"{share.value or 0:.0%} (likely {share.low:.0%} to {share.high:.0%})"


def finding(measured: Sequence[Measurement], probe: type[Probe], floor: float) -> Finding:
    """What the numbers say, in one sentence; nothing of it is good or bad."""
    by = {m.metric.removeprefix(f"{probe.id}."): m for m in measured}
    whole = by["person_share"]
    advice = (
        "For engineers: to change how the model treats people, begin at the layers and words that carry the difference."
    )
    used = [by[f"{part}_share[{third}]"] for part in ("person", "last") for third in (THIRDS[0], THIRDS[2])]
    if whole.value is None or whole.n < FEWEST:
        text = (
            "Where a difference between two people is carried was not tested: only {n} of {planned} texts have a pair of the "
            "same length whose answers differ enough ({floor} nats or more; {fewest} are needed)."
        )
        values = {
            "n": str(whole.n),
            "planned": str(whole.coverage.planned),
            "floor": f"{floor:g}",
            "fewest": str(FEWEST),
        }
        return probe.finding("place", "not_tested", text, values, [whole, *used], advice)
    values = {"n": str(whole.n)} | {
        f"{part}{n}": _with_range(by[f"{part}_share[{third}]"])
        for part in ("person", "last")
        for n, third in (("1", THIRDS[0]), ("3", THIRDS[2]))
    }
    text = (
        "Described, not judged: where answers change with the person described, the first third of the layers carries "
        "{person1} of the difference on the words for the person and {last1} at the end of the text; in the last third it is "
        "{person3} and {last3} ({n} pairs of texts)."
    )
    return probe.finding("place", "not_tested", text, values, [whole, *used], advice)
