"""What a probe is: one question about a model, with a stated method, as two pure methods.

``requests`` states what must be asked of the model, given what has been answered so far; the engine computes what is
new and asks again until nothing is. ``measure`` turns the answers into records, measurements and findings. A probe
never touches the model, a clock or a file other than its items, so the same answers always give the same result.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from audit.corpora import Item, draw
from audit.metrics import Estimate
from audit.models import Capability, Request, Responses, Spent
from audit.results import (
    Average,
    Coverage,
    Direction,
    Finding,
    ItemStatus,
    Measurement,
    Outlook,
    Record,
    Severity,
    Spread,
)
from audit.results.personal import Span

Suite = Literal["quick", "standard", "full"]


@dataclass(frozen=True)
class Metric:
    """One number that a probe reports: its name without the probe's id, and what it means in plain words."""

    name: str
    label: str
    unit: str
    direction: Direction
    meaning: str
    average: Average | None = None
    """How the value follows from its records, where it is a mean over them or a difference of two."""


class ProbeOptions(BaseModel):
    """What a user can set under a probe's id in model.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int | None = Field(None, ge=1, description="Draw at most this many items; the suite decides otherwise.")


class PublishedOptions(ProbeOptions):
    """Options of a probe whose items do not come with the package."""

    hub_revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="Load the items from the hub at this commit, instead of from the data folder.",
    )


def hub_revision(options: ProbeOptions) -> str | None:
    """The commit of the hub's set that the options name, if any."""
    return options.hub_revision if isinstance(options, PublishedOptions) else None


LEAST_SCORED = 0.9  # share of items with a score below which nothing is called clean
OptionsT = TypeVar("OptionsT", bound=ProbeOptions)


@dataclass(frozen=True)
class Outcome:
    """What a probe found.

    ``private``: by a record's id, personal data in its output that no general rule finds, such as names where a probe draws
    them out; they are blotted out where the records are written.
    """

    records: Sequence[Record]
    measurements: Sequence[Measurement]
    findings: Sequence[Finding]
    private: Mapping[str, Sequence[Span]] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a probe is given besides items and answers.

    ``seed`` is the probe's own, derived from the audit's seed and the probe's id. ``earlier`` holds the outcomes of
    the probes that it follows, where they ran. ``capabilities`` are the model's, for probes that can ask in two ways.
    ``positive`` is the class that the config calls favourable. ``number_format`` is the model's, such as float32, None where
    it is not known. ``suite``: how thorough the audit is, for probes that check
    more in a longer one. ``machine``: what passes are computed on, for requests whose answer is another on another one.
    ``spent``: the energy of the audit so far, for probes that are ``metered``, once all is answered; None where not known.
    """

    seed: int
    confidence: float
    options: ProbeOptions
    earlier: Mapping[str, Outcome] = field(default_factory=dict)
    capabilities: frozenset[Capability] = frozenset()
    positive: str | None = None
    suite: Suite = "quick"
    number_format: str | None = None
    machine: str = ""
    spent: Spent | None = None


def derived_seed(seed: int, probe: str) -> int:
    """A seed for one probe's random stream, so that the choice and order of probes never change a result."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{probe}".encode()).digest()[:4], "big")


class Probe(ABC):
    """Base of all probes; see ``docs`` for how to write one."""

    id: ClassVar[str]
    title: ClassVar[str]
    risk: ClassVar[str]
    purpose: ClassVar[str]
    """One or two plain sentences: what is asked and why it matters."""
    method: ClassVar[str]
    """How it is measured, for an engineer."""
    citation: ClassVar[str]
    """The paper or source of the method."""
    limits: ClassVar[str]
    """What the result does not show, in plain words."""
    source: ClassVar[str] = "fairwitness's own items"
    licence: ClassVar[str] = "Apache-2.0"
    capabilities: ClassVar[frozenset[Capability]]
    either: ClassVar[bool] = False
    """Whether one of the capabilities that it needs is enough."""
    metrics: ClassVar[tuple[Metric, ...]]
    options: ClassVar[type[ProbeOptions]] = ProbeOptions
    published: ClassVar[int | None] = None
    """How many items the published source holds, where they do not come with the package."""
    sizes: ClassVar[Mapping[Suite, int | None]]
    """Items drawn in each suite; None draws all."""
    stratum: ClassVar[str | None] = None
    """The item field over which a sample is spread."""
    alternative: ClassVar[str] = ""
    """What the user can do where the model cannot do what is needed, as a sentence."""
    follows: ClassVar[tuple[str, ...]] = ()
    """Probes whose outcome this one uses where they are part of the audit: ids, or patterns such as ``bias.*``.

    A pattern that begins with ``!`` takes away what those before it let in: of all that fit, the last decides."""

    metered: ClassVar[bool] = False
    """Whether the energy of the audit is read for it; it should then follow all others."""

    @classmethod
    def comes_after(cls, probe: str) -> bool:
        """Whether this probe uses the outcome of the probe of that id."""
        fitting = [p for p in cls.follows if fnmatchcase(probe, p.removeprefix("!"))]
        return bool(fitting) and not fitting[-1].startswith("!")

    @classmethod
    def taken_over(cls, options: ProbeOptions) -> int:
        """At most how many items it takes from the probes that it follows, besides those drawn: its option ``flagged``."""
        return int(getattr(options, "flagged", 0))

    @classmethod
    def needs(cls, options: ProbeOptions) -> frozenset[Capability]:
        """The capabilities that the probe cannot do without, given its options; by default those that it states."""
        return cls.capabilities

    @classmethod
    def lacking(cls, options: ProbeOptions, capabilities: frozenset[Capability]) -> frozenset[Capability]:
        """What a model with these capabilities lacks for the probe; empty where the probe applies to it."""
        needs = cls.needs(options)
        return frozenset() if cls.either and needs & capabilities else needs - capabilities

    @abstractmethod
    def items(self, data: Path | None) -> list[Item]:
        """All items of the source; ``data`` is the user's folder of published sets."""

    def load(self, data: Path | None, options: ProbeOptions) -> list[Item]:
        """The items that the options ask for: those of the hub where they name a commit, otherwise ``items``.

        A probe whose items depend on further options decides here.
        """
        revision = hub_revision(options)
        return self.hub_items(revision, data) if revision else self.items(data)

    def hub_items(self, revision: str, data: Path | None) -> list[Item]:
        """All items of the hub's set at a commit, for probes whose options are ``PublishedOptions``.

        Raises:
            NotImplementedError: where the probe knows no hub.
        """
        raise NotImplementedError(f"{self.id} knows no set of the hub")

    def drawn(self, items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
        """At most ``limit`` of the loaded items (None: all), spread over the stratum; see ``audit.corpora.draw``."""
        return draw(items, limit, seed, self.stratum)

    @abstractmethod
    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """What must be asked, given the answers so far; called until it states nothing new."""

    @abstractmethod
    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Records, measurements and findings from the answers to all stated requests."""

    @classmethod
    def metric(cls, name: str) -> Metric:
        """The declared metric of that name."""
        return next(m for m in cls.metrics if m.name == name)

    @classmethod
    def measurement(
        cls,
        name: str,
        estimate: Estimate,
        coverage: Coverage,
        *,
        part: str | None = None,
        chance: float | None = None,
        spread: Spread | None = None,
        evidence: Mapping[str, str] | None = None,
        average: Average | None = None,
        p_adjusted: float | None = None,
    ) -> Measurement:
        """A measurement of a declared metric; ``part`` names the slice, ``average`` is the metric's own where None."""
        metric = cls.metric(name)
        return Measurement(
            metric=f"{cls.id}.{name}" + (f"[{part}]" if part else ""),
            probe=cls.id,
            slice=part,
            label=metric.label,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            confidence=estimate.confidence,
            n=estimate.n,
            clusters=estimate.clusters,
            successes=estimate.successes,
            unit=metric.unit,
            direction=metric.direction,
            chance=chance,
            interval=estimate.method,
            p_value=estimate.p_value,
            p_adjusted=p_adjusted,
            adjustment=None if p_adjusted is None else "holm",
            spread=spread,
            coverage=coverage,
            evidence=dict(evidence or {}),
            average=average or metric.average,
            reason=estimate.reason,
        )

    @classmethod
    def finding(
        cls,
        name: str,
        outlook: Outlook,
        template: str,
        values: Mapping[str, str],
        used: Sequence[Measurement],
        advice: str,
        *,
        severity: Severity = "none",
        records: Sequence[str] = (),
    ) -> Finding:
        """A finding of this probe; ``template`` is the English sentence, whose ``{places}`` the values fill.

        What is clean only among the answers that could be scored is unclear: where more than a tenth of what one of the
        measurements was to be of has no score, the rest need not be like it.
        """
        shares = [m.coverage.scored / m.coverage.planned for m in used if m.coverage.planned]
        if outlook == "no_problem_found" and min(shares, default=1.0) < LEAST_SCORED:
            outlook = "unclear"
            template += " But only {scored} of the answers could be scored, and the others may be worse."
            values = {**values, "scored": percent(min(shares))}
        return Finding(
            id=f"{cls.id}.{name}",
            probe=cls.id,
            risk=cls.risk,
            outlook=outlook,
            severity=severity,
            template=template,
            values=dict(values),
            advice=advice,
            measurements=list(dict.fromkeys(m.metric for m in used)),
            records=list(records),
        )


def options_of(context: Context, kind: type[OptionsT]) -> OptionsT:
    """The probe's options as the probe's own type.

    Raises:
        TypeError: where the context was made for another probe.
    """
    if not isinstance(context.options, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(context.options).__name__}")
    return context.options


def coverage(statuses: Iterable[ItemStatus]) -> Coverage:
    """Count what became of the planned records."""
    counts = Counter[str](statuses)
    return Coverage(
        planned=counts.total(), **{name: counts[name] for name in Coverage.model_fields if name != "planned"}
    )


def spread_over(values: Iterable[tuple[str, float]]) -> Spread | None:
    """Lowest and highest mean over the wordings of (wording, value) pairs; None with fewer than two wordings."""
    wordings: dict[str, list[float]] = {}
    for wording, value in values:
        wordings.setdefault(wording, []).append(float(value))
    means = [sum(v) / len(v) for v in wordings.values()]
    return Spread(low=min(means), high=max(means), templates=len(means)) if len(means) > 1 else None


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share:.0%}" if 0.01 <= share <= 0.99 or share in (0, 1) else f"{share:.1%}"


def likely_range(low: float | None, high: float | None) -> str:
    """The interval of a rate in words, e.g. ``likely between 12% and 20%``."""
    if low is None or high is None:
        return "range not known"
    return f"likely between {percent(low)} and {percent(high)}"
