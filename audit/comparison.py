"""Several results beside each other: each metric that all of them measured, and whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.metrics import holm, mover_difference, p_from_interval
from audit.results import AuditResult, Measurement


@dataclass(frozen=True)
class Compared:
    """One metric over several results; ``differs`` sets each later result against the first, None where it cannot be."""

    metric: str
    label: str
    found: tuple[Measurement | None, ...]
    differs: tuple[bool | None, ...]


def compare(results: Sequence[AuditResult]) -> list[Compared]:
    """Metrics without slices, each later result against the first.

    Two values differ where the MOVER interval of their difference (Zou & Donner 2008) excludes 0, Holm-corrected over
    all metrics and results. It takes the results as independent, which is cautious where they share items.
    """
    names = [m.metric for m in results[0].measurements if m.slice is None]
    names += [m.metric for r in results[1:] for m in r.measurements if m.slice is None and m.metric not in names]
    rows = [(name, tuple(r.measurement(name) for r in results)) for name in dict.fromkeys(names)]
    p_values = [_p_value(found[0], other) for _, found in rows for other in found[1:]]
    adjusted = iter(holm(p_values))
    compared = []
    for name, found in rows:
        decided = tuple(None if p is None else p < 0.05 for p in (next(adjusted) for _ in found[1:]))
        label = next(m.label for m in found if m is not None)
        compared.append(Compared(name, label, found, decided))
    return compared


def _p_value(first: Measurement | None, second: Measurement | None) -> float | None:
    if first is None or second is None or first.value is None or second.value is None:
        return None
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return None
    difference = mover_difference((second.value, second.low, second.high), (first.value, first.low, first.high))
    return p_from_interval(difference, first.confidence)
