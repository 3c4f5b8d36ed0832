"""``footprint.energy``: the energy and CO2-equivalent of the audit, and of 1,000 tokens that the model reads or writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from audit.corpora import Item, ItemsError
from audit.models import Capability, Request, Responses
from audit.models.energy import INSTALL, grid_intensity, installed
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, options_of
from probes.footprint.energy_findings import findings
from probes.footprint.energy_measures import measurements, record, request_of

RUNS = 10
PROMPT_TOKENS, NEW_TOKENS = 128, 8


class EnergyOptions(ProbeOptions):
    """Options of ``footprint.energy``."""

    country: str | None = Field(
        None,
        pattern=r"^[A-Z]{3}$",
        description="Where the machine draws its electricity, as ISO 3166-1 alpha-3 (KOR, FRA, USA); without it, no CO2.",
    )


class Energy(Probe):
    """Joules and grams of CO2-equivalent, with what was measured and what was estimated."""

    id = "footprint.energy"
    title = "Energy and CO2"
    risk = "footprint"
    purpose = (
        "How much electricity the model uses to read and to write a thousand tokens, how much this audit used, and how much "
        "CO2 that stands for in the country named. Small numbers here are multiplied by every use of the model."
    )
    method = (
        "codecarbon, offline, for the whole machine: counters of the hardware where there are any (RAPL, NVML), otherwise its "
        "estimates (the processor's rated power at its load; a rule for memory). Each run reads 128 and writes 8 made-up "
        "tokens, alone, again and again for 0.3 s at least: joules / tokens x 1,000, geometric means over runs with t "
        "intervals on logarithms. The audit: all from its first request to this probe's last. CO2-equivalent: kWh x grams for "
        "a kWh of the country."
    )
    citation = (
        "Own method on codecarbon (Courty et al., doi:10.5281/zenodo.11171501) and its table of countries' electricity. Why "
        "reading and writing are told apart: Patel et al. 2023 (arXiv:2311.18677)."
    )
    limits = (
        "Intervals hold the scatter between runs and not the error of an estimate, which can be off by a multiple, above all "
        "on a virtual machine. All that the machine did meanwhile is counted. Not counted: cooling, the network, making the "
        "hardware, training the model, opening it. The table has a country's yearly mean, not this hour's electricity."
    )
    source = "fairwitness's own runs; grams for a kilowatt-hour from codecarbon's table"
    licence = "Apache-2.0; codecarbon MIT"
    capabilities = frozenset({Capability.TIME})
    alternative = "Audit the model from its weights, on the machine that it will run on."
    options = EnergyOptions
    follows = ("*", "!footprint.*")
    metered = True
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 3, "standard": 5, "full": None}
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "prefill_energy",
            "Energy to read 1,000 tokens",
            "joules",
            "descriptive",
            "Of the whole machine, while the model reads texts of 128 tokens one at a time: joules / tokens x 1,000.",
        ),
        Metric(
            "decode_energy",
            "Energy to write 1,000 tokens",
            "joules",
            "descriptive",
            "Of the whole machine, while the model writes tokens one after another: joules / tokens x 1,000.",
        ),
        Metric(
            "prefill_co2",
            "CO2-equivalent of reading 1,000 tokens",
            "grams",
            "descriptive",
            "Energy in kWh x grams of CO2-equivalent for a kWh of the country's electricity.",
        ),
        Metric(
            "decode_co2",
            "CO2-equivalent of writing 1,000 tokens",
            "grams",
            "descriptive",
            "Energy in kWh x grams of CO2-equivalent for a kWh of the country's electricity.",
        ),
        Metric(
            "audit_energy",
            "Energy of this audit",
            "Wh",
            "descriptive",
            "Of the whole machine from the audit's first request on; answers kept from an earlier audit cost nothing now.",
        ),
        Metric(
            "audit_co2",
            "CO2-equivalent of this audit",
            "grams",
            "descriptive",
            "Energy of this audit in kWh x grams of CO2-equivalent for a kWh of the country's electricity.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """One a run, without a country."""
        return [_item(run, None, None, True) for run in range(1, RUNS + 1)]

    def load(self, data: Path | None, options: ProbeOptions) -> list[Item]:
        """With the electricity of the country that the options name, and whether there is anything to read energy with.

        Raises:
            ItemsError: where the table has no such country.
        """
        country = options.country if isinstance(options, EnergyOptions) else None
        if not installed():
            return [_item(run, country, None, False) for run in range(1, RUNS + 1)]
        grams = None if country is None else grid_intensity(country)
        if country is not None and grams is None:
            raise ItemsError(
                f"codecarbon's table has no electricity of {country}; country takes ISO 3166-1 alpha-3, such as KOR or FRA."
            )
        return [_item(run, country, grams, True) for run in range(1, RUNS + 1)]

    def drawn(self, items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
        """The first runs; one is like another."""
        return list(items[:limit])

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """One a run, where energy can be read."""
        return [request_of(item, context.machine) for item in items if item["metered"]]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """One record a run, energy and CO2 of both, and of the audit."""
        asked = [item for item in items if item["metered"]]
        found = [answers[request_of(item, context.machine)] for item in asked]
        grams = next((item["grams_per_kwh"] for item in items), None)
        country = options_of(context, EnergyOptions).country
        numbers = measurements(found, context.spent, grams, context.confidence, self.measurement)
        kept = [record(item, answer, self.id, self.source) for item, answer in zip(asked, found, strict=True)]
        why = None if len(asked) == len(items) else INSTALL
        told = findings(found, numbers, context.spent, (country, grams), why, self.finding)
        return Outcome(kept, numbers, told)


def _item(run: int, country: str | None, grams: float | None, metered: bool) -> Item:
    return {
        "id": f"run-{run}",
        "repeat": run,
        "prompt_tokens": PROMPT_TOKENS,
        "new_tokens": NEW_TOKENS,
        "country": country,
        "grams_per_kwh": grams,
        "metered": metered,
    }
