"""Which probes there are: those that installed packages register under the entry point ``fairwitness.probes``."""

from __future__ import annotations

from importlib.metadata import entry_points
from inspect import isabstract
from typing import TYPE_CHECKING

from audit.later import later

if TYPE_CHECKING:
    from probes import base
else:
    base = later("probes.base")

GROUP = "fairwitness.probes"


class ProbeError(Exception):
    """A registered probe that cannot be used; the message is one sentence for the user."""


def find_probes() -> dict[str, type[base.Probe]]:
    """All registered probes by id, in the order of their ids.

    Raises:
        ProbeError: where an entry point cannot be imported, is not a probe, or takes an id that is taken.
    """
    found: dict[str, type[base.Probe]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        try:
            probe = entry.load()
        except (Exception, SystemExit) as error:
            # A package that is broken in any way must be named, not bring every audit down with its traceback or end it
            # as passed.
            raise ProbeError(f"The probe {entry.name} ({entry.value}) cannot be imported: {error}") from None
        if not (isinstance(probe, type) and issubclass(probe, base.Probe)):
            raise ProbeError(f"The entry point {entry.name} ({entry.value}) is not a probe class.")
        if not isinstance(getattr(probe, "id", None), str) or isabstract(probe):
            raise ProbeError(
                f"The entry point {entry.name} ({entry.value}) is not a whole probe: it lacks an id or a method."
            )
        if found.get(probe.id, probe) is not probe:
            raise ProbeError(f"Two installed packages register a probe with the id {probe.id}.")
        found[probe.id] = probe
    return dict(sorted(found.items()))
