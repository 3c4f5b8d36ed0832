"""Energy that the machine uses, read by codecarbon without network, files, or anything said on the screen.

codecarbon reads counters where the machine has them (RAPL, NVML) and estimates the rest. What it would take as the world's
average where no country is known is left out here: without a country there is no CO2.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from audit.extras import EXTRAS

INSTALL = f"codecarbon is not installed; run {EXTRAS['energy'].command}"
_JOULES = 3.6e6  # in a kilowatt-hour
_NEVER = 1e6  # seconds between readings of its own: the counters are read at the end, the load once a second anyway
_COUNTERS = {
    "rapl": "measured (RAPL, the processor's own counter)",
    "emi": "measured (RAPL, through Windows)",
    "gadget": "measured (Intel Power Gadget)",
    "applesilicon": "measured (powermetrics)",
    "raspberry": "measured (the board's own counter)",
    "gpu": "measured (NVML or AMD SMI, the graphics card's own counter)",
}
_ESTIMATES = {
    "cpu": "estimated (the processor's rated power, from a table, at its load)",
    "ram": "estimated (a rule for so much memory)",
}
_PARTS = {"cpu": "processor", "ram": "memory", "gpu": "graphics card"}


@dataclass(frozen=True)
class Spent:
    """What was used between start and stop of a meter.

    ``joules`` by part of the machine; ``sources``: (part, how it is known). ``computed`` and ``from_cache``: answers of the
    audit that were computed meanwhile, and those that were kept from before.
    """

    seconds: float
    joules: tuple[tuple[str, float], ...]
    sources: tuple[tuple[str, str], ...]
    computed: int = 0
    from_cache: int = 0


class Meter(Protocol):
    """A meter that runs."""

    def stop(self) -> Spent:
        """What was used since it was started; called once."""
        ...


MeterStarter = Callable[[], Meter]


def installed() -> bool:
    """Whether energy can be read."""
    return find_spec("codecarbon") is not None


class CodeCarbonMeter:
    """A tracker of codecarbon that runs, for the whole machine.

    Raises:
        ModuleNotFoundError: where codecarbon is not installed.
    """

    def __init__(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
        self._before = set(threading.enumerate())
        # Said here and not left to a settings file of codecarbon's, which could send or write things.
        self._tracker: Any = OfflineEmissionsTracker(
            output_methods=[],
            output_handlers=[],
            emissions_endpoint="",
            electricitymaps_api_token="",
            log_level="critical",
            allow_multiple_runs=True,  # a lock file otherwise, and its own handling of signals
            measure_power_secs=_NEVER,
            tracking_mode="machine",
        )
        self._tracker.start()

    def stop(self) -> Spent:
        """What was used since it was started; its threads have ended.

        Raises:
            RuntimeError: where it could read nothing.
        """
        found = list(
            getattr(self._tracker, "_hardware", ())
        )  # codecarbon swallows its own errors, and is then half made
        sources = dict(source_of(hardware.description()) for hardware in found)
        self._tracker.stop()
        self._end_threads()
        if not sources:
            raise RuntimeError("codecarbon found nothing whose energy it can tell")
        data = self._tracker.final_emissions_data
        used = {"processor": data.cpu_energy, "graphics card": data.gpu_energy, "memory": data.ram_energy}
        joules = tuple((part, kwh * _JOULES) for part, kwh in used.items() if part in sources)
        return Spent(data.duration, joules, tuple((part, sources[part]) for part, _ in joules))

    def _end_threads(self) -> None:
        """Its timers can start another one while they are being stopped."""
        while timers := [t for t in set(threading.enumerate()) - self._before if isinstance(t, threading.Timer)]:
            for timer in timers:
                timer.cancel()
                timer.join(timeout=5)


@contextmanager
def metered(start: MeterStarter | None) -> Iterator[Callable[[], Spent | None]]:
    """A meter that runs from here until what is given is called, or to the end; that gives None where none could be read."""
    read: list[Spent | None] = []
    meter: Meter | None = None
    with suppress(Exception):  # a meter is another library's code, and must not take the audit down
        meter = start() if start is not None else None

    def stop() -> Spent | None:
        if not read:
            read.append(None)
            with suppress(Exception):
                read[0] = meter.stop() if meter is not None else None
        return read[0]

    try:
        yield stop
    finally:
        stop()


def source_of(description: str) -> tuple[str, str]:
    """The part of the machine that a description of codecarbon's is about, and how its energy is known."""
    plain = description.lower().replace(" ", "")
    part = next(
        (name for key, name in _PARTS.items() if plain.startswith(key) or plain.endswith(f">{key})")), "processor"
    )
    counter = next((how for key, how in _COUNTERS.items() if key in plain and key != "gpu"), None)
    if part == "graphics card":
        return part, counter or _COUNTERS["gpu"]
    return part, counter or _ESTIMATES["ram" if part == "memory" else "cpu"]


def grid_intensity(country: str) -> float | None:
    """Grams of CO2-equivalent for a kilowatt-hour of a country's electricity, from the table that codecarbon ships.

    Args:
        country: ISO 3166-1 alpha-3, such as KOR.

    Returns:
        None where the table does not have the country.

    Raises:
        ModuleNotFoundError: where codecarbon is not installed.
    """
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    source = DataSource()
    if country not in source.get_global_energy_mix_data():
        return None
    kilograms = Emissions(source).get_country_emissions(Energy.from_energy(1.0), GeoMetadata(country))
    return float(1000 * kilograms)
