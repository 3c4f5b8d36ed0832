"""Which probes run on which items: the part of an audit that needs no computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from audit.config import AuditConfig, ProbeEntry, chosen_probes, read_options
from audit.corpora import Item, ItemsAbsent, ItemsError, items_hash
from audit.coverage import of_probe
from audit.models import Capability
from audit.results import ItemStatus, ProbeRun
from probes.base import Context, Probe, ProbeOptions, derived_seed
from probes.judges import JudgedOptions

DEFAULT_JUDGE = "default"
"""The entry of the config's judges that reads for probes which name none."""


@dataclass(frozen=True)
class Planned:
    """A probe with its drawn items; ``problem`` is why it cannot run, with its status.

    ``source``: all items, of which at most ``most`` were to be drawn.
    """

    probe: Probe
    context: Context
    items: Sequence[Item]
    available: int
    problem: tuple[str, str] | None = None
    source: Sequence[Item] = ()
    most: int = 0

    @property
    def items_hash(self) -> str:
        """Hash of the drawn items."""
        return items_hash(self.items)

    def redrawn(self, limit: int) -> Planned:
        """The same with at most ``limit`` items, drawn as a limit in the config would have drawn them."""
        return replace(self, items=self.probe.drawn(self.source, limit, self.context.seed))


_NEEDS = {
    Capability.SCORE: "say how likely a text is",
    Capability.DISTRIBUTION: "say how likely every token of its vocabulary is at each place of a text",
    Capability.GENERATE: "write text",
    Capability.CLASSIFY: "put a text into classes",
    Capability.EMBED: "turn a text into a vector",
    Capability.INFILL: "fill in masked words",
    Capability.ATTENTION: "show its attention",
    Capability.CROSS_ATTENTION: "show attention between an encoder and a decoder",
    Capability.ATTRIBUTE: "be asked again with parts of the input left out",
    Capability.GRADIENT: "be followed back from an answer to the words by its gradients",
    Capability.STATES: "show and exchange what its layers hold",
    Capability.TABULATE: "bring a table of cases with it",
    Capability.PREDICT: "predict the classes of the cases in its table",
    Capability.FILES: "show the files that it is loaded from",
    Capability.TIME: "be timed on the machine of the audit",
}
"""How a lacking capability is told to people."""


def catalogue(probes: Mapping[str, type[Probe]]) -> dict[str, ProbeEntry]:
    """What the config must know of the probes."""
    return {name: ProbeEntry(tuple(m.name for m in probe.metrics), probe.options) for name, probe in probes.items()}


def plan(
    config: AuditConfig,
    probes: Mapping[str, type[Probe]],
    capabilities: frozenset[Capability],
    data: Path | None,
    limit: int | None,
    lacks: Mapping[Capability, str] | None = None,
    number_format: str | None = None,
    machine: str = "",
) -> list[Planned]:
    """Every chosen probe with its items, in the order of ids; ``lacks``: why the model lacks a capability.

    ``machine``: what passes are computed on.

    A probe that needs what the model cannot do is planned as not applicable; one whose items cannot be loaded, as
    failed. Neither is left out.
    """
    entries = catalogue(probes)
    return [
        _planned(probes[name], entries[name], config, capabilities, data, limit, lacks or {}, number_format, machine)
        for name in chosen_probes(config, entries)
    ]


def options_for(entry: ProbeEntry, config: AuditConfig, probe: str) -> ProbeOptions:
    """A probe's options, with the judge that the config has for it.

    An entry of the config's judges says itself of which kind it is; the one named ``default`` reads for every probe that can
    use its kind and names no judge.

    Raises:
        ValidationError: where the options are wrong, or the probe cannot use the judge that they name.
    """
    options = read_options(entry, config.probes.get(probe, {}))
    assert isinstance(options, ProbeOptions)  # the catalogue was made from this probe's own type
    if not isinstance(options, JudgedOptions):
        return options
    name = DEFAULT_JUDGE if options.judge is None else options.judge
    judge = config.judges.get(name)
    if judge is None or (options.judge is None and judge.kind not in options.kinds):
        return options
    return options.read_by(name, judge.kind, judge.source)


def told(error: Exception | SystemExit) -> str:
    """An error of a probe in one line."""
    if isinstance(error, ValidationError):  # its text begins with a count
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{error.title}: {place + ': ' if place else ''}{first['msg']}"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _planned(
    kind: type[Probe],
    entry: ProbeEntry,
    config: AuditConfig,
    capabilities: frozenset[Capability],
    data: Path | None,
    limit: int | None,
    lacks: Mapping[Capability, str],
    number_format: str | None,
    machine: str,
) -> Planned:
    probe = kind.__new__(kind)  # what is said of it are attributes of its class, even where it cannot be made
    try:
        options = options_for(entry, config, probe.id)
    except ValidationError as error:  # a judge of a kind that the probe cannot use
        unread = Context(derived_seed(config.run.seed, probe.id), config.run.confidence, kind.options())
        return Planned(probe, unread, (), 0, ("failed", told(error)))
    seed = derived_seed(config.run.seed, probe.id)
    context = Context(
        seed,
        config.run.confidence,
        options,
        capabilities=capabilities,
        positive=config.model.positive,
        suite=config.suite,
        number_format=number_format,
        machine=machine,
    )
    missing = sorted(probe.lacking(options, capabilities))
    if missing:
        why = "; ".join(dict.fromkeys(lacks[name] for name in missing if name in lacks))
        needs = (" or " if kind.either else " and ").join(_NEEDS[name] for name in missing)
        reason = f"It needs a model that can {needs}; {why or 'this one cannot'}. {probe.alternative}".rstrip()
        return Planned(probe, context, (), 0, ("not_applicable", reason))
    try:
        probe = kind()
        items = probe.load(data, options)
        limits = (limit, options.limit)
        size = next((n for n in limits if n is not None), None) or probe.sizes[config.suite]
        most = len(items) if size is None else min(size, len(items))
        drawn = probe.drawn(items, size, context.seed)
        planned = Planned(probe, context, drawn, len(items), source=items, most=most)
        _ = planned.items_hash  # items that are not plain values cannot be told apart
        return planned
    except ItemsAbsent as error:
        # Who asks for all probes has not asked for this one's data; who names it has.
        named = probe.id in config.probes or any(gate.startswith(f"{probe.id}.") for gate in config.gates)
        return Planned(probe, context, (), 0, ("failed" if named else "not_applicable", str(error)))
    except ItemsError as error:
        return Planned(probe, context, (), 0, ("failed", str(error)))
    except (Exception, SystemExit) as error:
        # A probe is somebody's code; its failure is reported, and it can neither take the audit down nor end it as passed.
        return Planned(probe, context, (), 0, ("failed", told(error)))


def describe(
    planned: Planned, status: str, reason: str | None, seconds: float, statuses: Sequence[ItemStatus]
) -> ProbeRun:
    """What the result says of a probe; ``statuses`` are those of its records."""
    probe = planned.probe
    return ProbeRun.model_validate(
        {
            "id": probe.id,
            "title": probe.title,
            "risk": probe.risk,
            "purpose": probe.purpose,
            "method": probe.method,
            "citation": probe.citation,
            "limits": probe.limits,
            "source": probe.source,
            "licence": probe.licence,
            "capabilities": sorted(probe.capabilities),
            "status": status,
            "reason": reason,
            "seconds": round(seconds, 3),
            "items": len(planned.items),
            "available": planned.available,
            "records": len(statuses),
            "coverage": of_probe(statuses, len(planned.items), status == "failed"),
        }
    )
