"""Numbers of a custom probe, from its readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.metrics import (
    Estimate,
    corrected_rate,
    holm,
    mean,
    mover_difference,
    not_measured,
    p_from_interval,
    rate,
    shared_correlation,
)
from audit.results import Average, Measurement
from probes.base import Probe, coverage, spread_over
from probes.custom.definition import Definition
from probes.custom.readings import Reading
from probes.judges import Quality, judge_measurements

HITS = ("right", "preferred", "match", "yes")
"""Outcomes that are hits."""


def chance_of(definition: Definition, readings: Sequence[Reading]) -> float:
    """What guessing gives: one half of two texts, the mean of 1/options of a choice, nothing of what is written."""
    if definition.score.choice is not None:
        shares = [1 / len(r.item["options"]) for r in readings]
        return sum(shares) / len(shares) if shares else 0.0
    return 0.5 if definition.score.likelihood is not None else 0.0


def measurements(
    definition: Definition,
    readings: Sequence[Reading],
    quality: Quality | None,
    confidence: float,
    seed: int,
    probe: type[Probe],
) -> list[Measurement]:
    """All measurements: the main share first, then its slices and gaps, then what goes with the way of scoring."""
    shares = _Shares(definition, quality, confidence, seed, probe)
    found = [shares.of(readings)]
    if definition.groups is not None:
        column = definition.groups.column
        groups = {name: [r for r in readings if r.item["group"] == name] for name in groups_of(readings)}
        slices = [shares.of(members, f"{column}: {name}", {"group": name}) for name, members in groups.items()]
        found += [*slices, *_gaps(definition, groups, confidence, probe)]
    if definition.score.likelihood is not None:
        found.append(_difference(readings, confidence, probe))
    return [*found, *(judge_measurements(probe, quality) if quality is not None else [])]


def groups_of(readings: Sequence[Reading]) -> list[str]:
    """The groups, in order."""
    return sorted({r.item["group"] for r in readings})


@dataclass(frozen=True)
class _Shares:
    """The probe's main metric, the share of hits, of any readings; where a judge read, corrected for its errors."""

    definition: Definition
    quality: Quality | None
    confidence: float
    seed: int
    probe: type[Probe]

    def of(
        self, readings: Sequence[Reading], part: str | None = None, where: dict[str, str] | None = None
    ) -> Measurement:
        scored = [r for r in readings if r.status == "scored"]
        estimate = self._estimate(scored)
        if estimate.value is None:
            estimate = replace(estimate, n=0, clusters=None)
        return self.probe.measurement(
            self.probe.metrics[0].name,
            estimate,
            coverage(r.status for r in readings),
            part=part,
            chance=chance_of(self.definition, scored),
            spread=spread_over((r.wording, bool(r.hit)) for r in scored) if estimate.value is not None else None,
            evidence=where,
        )

    def _estimate(self, scored: Sequence[Reading]) -> Estimate:
        hits, clusters = [bool(r.hit) for r in scored], [r.item["cluster"] for r in scored]
        if self.quality is None:
            return rate(hits, clusters, self.confidence)
        known = self.quality.sensitivity, self.quality.specificity
        return corrected_rate(hits, clusters, *known, self.confidence, self.seed)


def _gaps(
    definition: Definition,
    groups: dict[str, list[Reading]],
    confidence: float,
    probe: type[Probe],
) -> list[Measurement]:
    """Each group's share minus that of all others; of two groups one gap says it all. Holm over the gaps."""
    assert definition.groups is not None  # called only where there are groups
    column, names = definition.groups.column, list(groups)
    compared = names if len(names) > 2 else names[:1]
    estimates = [
        _gap(groups[name], [r for n in names if n != name for r in groups[n]], confidence) for name in compared
    ]
    adjusted = holm([e.p_value for e in estimates])
    found = []
    for name, estimate, p in zip(compared, estimates, adjusted, strict=True):
        average = None
        if len(names) == 2:
            average = Average(outcomes=list(HITS), among={"group": name}, less={"group": names[1]})
        found.append(
            probe.measurement(
                "group_gap",
                estimate,
                coverage(r.status for of in groups.values() for r in of),
                part=f"{column}: {name}",
                chance=0.0,
                evidence={"axis": column},
                average=average,
                p_adjusted=p,
            )
        )
    return found


def _gap(first: Sequence[Reading], second: Sequence[Reading], confidence: float) -> Estimate:
    """The difference of two shares of hits as they were read, with its MOVER interval (Zou & Donner 2008).

    Where both share clusters (one case written for several groups), the correlation that the clusters give is taken
    into account, so that counterfactual items are compared in pairs.
    """
    sides = [[r for r in side if r.status == "scored"] for side in (first, second)]
    if not all(sides):
        return not_measured("a group has no scored answer", confidence)
    hits = [[float(bool(r.hit)) for r in side] for side in sides]
    clusters = [[r.item["cluster"] for r in side] for side in sides]
    shares = [rate(h, c, confidence) for h, c in zip(hits, clusters, strict=True)]
    known = [(e.value or 0.0, e.low or 0.0, 0.0 if e.high is None else e.high) for e in shares]
    together = shared_correlation(hits[0], clusters[0], hits[1], clusters[1])
    found = mover_difference(known[0], known[1], together)
    value, low, high = found[0], max(-1.0, min(found[1], found[0])), min(1.0, max(found[2], found[0]))
    shared = len(set(clusters[0]) & set(clusters[1]))
    method = f"MOVER of two shares; {shared} clusters in both" if shared else "MOVER of two independent shares"
    n, groups = sum(map(len, hits)), len({*clusters[0], *clusters[1]})
    p_value = p_from_interval((value, low, high), confidence)
    return Estimate(value, low, high, n, groups, confidence, method, p_value=p_value)


def _difference(readings: Sequence[Reading], confidence: float, probe: type[Probe]) -> Measurement:
    """Mean log-likelihood of the one text minus the other's; an exact tie, a difference of 0, has no score here either."""
    scored = [r for r in readings if r.value is not None and r.status == "scored"]
    values = [r.value or 0.0 for r in scored]
    return probe.measurement(
        "mean_difference",
        mean(values, [r.item["cluster"] for r in scored], confidence),
        coverage(r.status for r in readings),
        chance=0.0,
        spread=spread_over((r.wording, r.value or 0.0) for r in scored),
    )
