"""What a metric is, in plain words: from what its probe declares and what its unit means, and nothing else."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.later import later
from audit.results import Average, Direction
from audit.yamlfile import quoted

if TYPE_CHECKING:
    from probes import base
else:
    base = later("probes.base")

Catalogue = Mapping[str, "type[base.Probe]"]
MOST_SUGGESTIONS = 3
_SLICE = re.compile(r"(?P<name>[^\[\]]*)\[(?P<part>[^\[\]]*)\]")


@dataclass(frozen=True)
class Unit:
    """What a unit means in plain words, with what 0 and 1 stand for; ``low`` and ``high`` bound every value in it."""

    meaning: str
    low: float | None = None
    high: float | None = None


UNITS = {
    "rate": Unit("a share: 0 is none of them, 1 is all of them", 0, 1),
    "rate difference": Unit("one share minus another: 0 is no difference, 1 or -1 is all against none", -1, 1),
    "probability": Unit("0 is impossible, 1 is certain", 0, 1),
    "probability difference": Unit("one probability minus another: 0 is no difference", -1, 1),
    "AUROC": Unit("how often the one kind is ranked above the other: 0.5 is a coin, 1 is always", 0, 1),
    "kappa": Unit("agreement beyond that of chance: 0 is chance's, 1 is perfect", -1, 1),
    "correlation": Unit("0 is no relation, 1 or -1 is a perfect one", -1, 1),
    "nats": Unit("a difference of natural logarithms: 0 is none, 0.7 is a factor of two, 2.3 a factor of ten"),
    "bits": Unit("a logarithm to the base of two: 1 is a factor of two"),
}
"""Units whose meaning does not depend on the metric; what others are, the metric's own words say."""
GOOD: dict[Direction, str] = {
    "lower_is_better": "Lower is better.",
    "higher_is_better": "Higher is better.",
    "zero_is_better": "Closer to zero is better; the sign says which way.",
    "descriptive": "It describes and judges nothing: neither high nor low is good.",
}
_GATES: dict[Direction, str] = {
    "lower_is_better": "{at_most: NUMBER}",
    "higher_is_better": "{at_least: NUMBER}",
    "zero_is_better": "{at_least: -NUMBER, at_most: NUMBER}",
    "descriptive": "{at_least: NUMBER, at_most: NUMBER}",
}


@dataclass(frozen=True)
class Description:
    """A metric in plain words. ``unit_meaning``, ``low``, ``high`` and ``page`` are None where nothing is declared."""

    metric: str
    probe: str
    label: str
    meaning: str
    unit: str
    unit_meaning: str | None
    low: float | None
    high: float | None
    direction: Direction
    good: str
    asks: str
    method: str
    limits: str
    citation: str
    page: str | None
    compared: str
    gate: str


@dataclass(frozen=True)
class Found:
    """What a name stands for: one metric, one probe, or everything that begins with it or ends in it."""

    metric: str | None
    probe: str | None
    among: tuple[str, ...]


def find(name: str, probes: Catalogue) -> Found:
    """What ``name`` stands for: a metric (with or without its ``[slice]``), a probe, a beginning, or a metric's last part.

    Raises:
        LookupError: where it stands for nothing; the message is one sentence with what may have been meant.
    """
    sliced = _SLICE.fullmatch(name.strip())
    plain = (sliced["name"] if sliced else name.strip()).rstrip(".")
    metrics = [f"{p.id}.{m.name}" for p in probes.values() for m in p.metrics]
    if plain in metrics:
        return Found(plain, None, ())
    if plain in probes and not sliced:
        return Found(None, plain, ())
    same = [metric for metric in metrics if metric.endswith(f".{plain}")] if plain and "." not in plain else []
    among = same or [known for known in (*probes, *metrics) if plain and known.startswith(plain)]
    if len(among) == 1:
        return Found(among[0], None, ())  # a probe alone cannot be: its metrics begin as it does
    if among:
        return Found(None, None, tuple(among))
    if plain.startswith("custom."):
        raise LookupError(
            f"{quoted(name)} is of a probe declared in YAML, which is not read here: see docs/custom-probes.md."
        )
    near = difflib.get_close_matches(plain, (*metrics, *probes), MOST_SUGGESTIONS)
    near = near or difflib.get_close_matches(plain, {m.rpartition(".")[2] for m in metrics}, MOST_SUGGESTIONS)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `audit probes` lists what there is."
    raise LookupError(f"There is no metric or probe {quoted(name)}{hint}")


def describe(metric: str, probes: Catalogue) -> Description:
    """All that is declared of a metric, given by its full name without a slice.

    Raises:
        KeyError: where there is no such metric.
    """
    probe, _, name = metric.rpartition(".")
    kind = probes[probe]
    found = kind.metric(name)
    unit = UNITS.get(found.unit)
    return Description(
        metric=metric,
        probe=probe,
        label=found.label,
        meaning=found.meaning,
        unit=found.unit,
        unit_meaning=unit.meaning if unit else None,
        low=unit.low if unit else None,
        high=unit.high if unit else None,
        direction=found.direction,
        good=GOOD[found.direction],
        asks=kind.purpose,
        method=kind.method,
        limits=kind.limits,
        citation=kind.citation,
        page=f"docs/probes/{probe}.md" if kind.__module__.startswith("probes.") else None,
        compared=compared(found.average),
        gate=f"gates:\n  {metric}: {_GATES[found.direction]}",
    )


def compared(average: Average | None) -> str:
    """How two results are compared in this number."""
    if average is None:
        return "Two results are compared by their intervals: the number is not declared as a mean over records."
    what = f"the score {average.score}" if average.score else f"the share of outcomes {' or '.join(average.outcomes)}"
    among = _columns(average.among)
    whole = f"the mean of {what}" if average.score else what
    less = "" if average.less is None else f", less the same{_columns(average.less) or ' over all'}"
    return f"Two results that share records are compared record by record: the number is {whole}{among}{less}."


def _columns(chosen: Mapping[str, str]) -> str:
    return f" where {' and '.join(f'{name} is {value}' for name, value in chosen.items())}" if chosen else ""
