"""Numbers of ``reproducibility.rerun``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import median

from audit.metrics import Estimate, not_measured, rate
from audit.models import Way
from audit.results import Measurement
from probes.base import coverage
from probes.reproducibility.rerun_answers import WAYS, Comparison, Kind, Settings

Measure = Callable[..., Measurement]
SHARES: dict[str, Kind] = {
    "greedy_identical": "greedy",
    "sampled_identical": "sampled",
    "likelihood_within": "likelihood",
}
NOT_ASKED: dict[Kind, str] = {
    "greedy": "the model was asked to write nothing",
    "sampled": "the model was asked to write nothing",
    "likelihood": "the model was asked for no likelihood",
}


def measurements(
    found: Sequence[Comparison], settings: Settings, confidence: float, measure: Measure
) -> list[Measurement]:
    """All measurements of the probe, each as a whole and by the way in which it was asked again."""
    numbers = []
    for name, kind in SHARES.items():
        own = [c for c in found if c.ask.kind == kind]
        level = by_accident(own, settings)
        for way in (None, *WAYS):
            part = [c for c in own if way in (None, c.way)]
            numbers.append(measure(name, _share(part, kind, confidence), **_frame(part, kind, way, level)))
    own = [c for c in found if c.ask.kind == "likelihood"]
    apart = _usual_distance(own)
    for way in (None, *WAYS):
        part = [c for c in own if way in (None, c.way)]
        frame = _frame(part, "likelihood", way, apart)
        numbers.append(measure("largest_difference", _largest(part, confidence), **frame))
    return numbers


def _frame(part: Sequence[Comparison], kind: Kind, way: Way | None, chance: float | None) -> dict[str, object]:
    evidence = {"tags.kind": kind} | ({"tags.way": way} if way else {})
    return {"coverage": coverage(c.status for c in part), "part": way, "chance": chance, "evidence": evidence}


def _share(part: Sequence[Comparison], kind: Kind, confidence: float) -> Estimate:
    scored = [c for c in part if c.same is not None]
    if not scored:
        return not_measured("no answer came twice" if part else NOT_ASKED[kind], confidence)
    return rate([c.same is True for c in scored], [c.ask.item["id"] for c in scored], confidence)


def _largest(part: Sequence[Comparison], confidence: float) -> Estimate:
    """The largest of those compared: a fact about these, with what it says of others in place of an interval."""
    scored = [c for c in part if c.same is not None]
    if not scored:
        return not_measured("no answer came twice" if part else NOT_ASKED["likelihood"], confidence)
    value, texts = max(c.difference for c in scored), len({c.ask.item["id"] for c in scored})
    others = unnoticed(texts, confidence)
    method = f"none: the largest of those compared; at most {others:.1%} of such texts move further (Wilks 1941)"
    return Estimate(value, value, value, len(scored), texts, confidence, method)


def unnoticed(texts: int, confidence: float) -> float:
    """The largest share of texts that could move without one of ``texts`` independent ones having moved.

    ``1 - (1 - confidence)^(1/texts)``, about 3 in ``texts`` at 95 percent: the rule of three.
    """
    return float(-math.expm1(math.log1p(-confidence) / texts)) if texts else 1.0


def by_accident(found: Sequence[Comparison], settings: Settings) -> float | None:
    """How often the first answers to two different items are the same; None for fewer than two items.

    Where that is often, as of a model that says the same to everything, staying the same says little.
    """
    own = _firsts(found)
    hits = [
        abs(a - b) <= settings.allowed(a) if isinstance(a, float) and isinstance(b, float) else a == b
        for (item, a), (other, b) in combinations(own, 2)
        if item != other
    ]
    return sum(hits) / len(hits) if hits else 0.0 if own else None


def _usual_distance(found: Sequence[Comparison]) -> float | None:
    """Median distance between the first log-likelihoods of two different endings, in nats; 0 of a single one."""
    values = [value for _, value in _firsts(found) if isinstance(value, float)]
    apart = [abs(a - b) for a, b in combinations(values, 2)]
    return median(apart) if apart else 0.0 if values else None


def _firsts(found: Sequence[Comparison]) -> list[tuple[str, float | str]]:
    """Item and first answer of each request, once."""
    firsts = {(c.ask.item["id"], c.ask.name): c.first for c in found if c.first is not None}
    return [(item, first) for (item, _), first in firsts.items()]


def moved_by_way(found: Sequence[Comparison]) -> Counter[Way]:
    """How many answers moved, by the way in which they were asked again."""
    return Counter(c.way for c in found if c.same is False)
