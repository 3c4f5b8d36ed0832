"""What the tests of the catalogue must know of each probe; one module a probe, named like its id with ``__`` for the dot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from audit.results import Record


def _none(record: Record) -> bool:
    return False


@dataclass(frozen=True)
class Contract:
    """Of one probe, with metric names without its id.

    Args:
        partition: metrics whose planned records are, together, all records of the probe.
        beside: picks the records that no metric plans.
        other_units: metrics whose n counts something else than the planned records, and what.
        rightness: shares of right answers: what must never be had for nothing.
        sliced: metrics whose slices by a field of the records share out the whole.
        aggregate: whether its records are sums over the cases of one table, which is answered whole or not at all.
        of_the_audit: metrics that do not depend on the model: they measure the audit's own rule.
        learnt: whether what is said of a record rests on the others, from which a reader learns.
    """

    partition: tuple[str, ...]
    beside: Callable[[Record], bool] = _none
    other_units: Mapping[str, str] = field(default_factory=dict)
    rightness: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    aggregate: bool = False
    of_the_audit: tuple[str, ...] = ()
    learnt: bool = False


CONTRACTS: dict[str, Contract] = {
    module.name.replace("__", "."): import_module(f"{__name__}.{module.name}").CONTRACT
    for module in iter_modules(__path__)
}
