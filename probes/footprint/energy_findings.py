"""Findings of ``footprint.energy``, in things that people know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.models import Failure, Response, Spent
from audit.results import Finding, Measurement
from probes.footprint.energy_measures import metered
from probes.footprint.equivalents import JOULES_PER_WH, car, kettle, lamp, rounded

Make = Callable[..., Finding]
_USE = (
    "Multiply by the tokens of a day of the planned use, on the machine that it is to run on; have estimates replaced by "
    "counters (RAPL, NVML, a plug-in meter) before a figure is published."
)
_NAME = "Name the country in which the machine stands (option country), so that CO2 can be told."
_INSTALL = "Install the package and run the audit again."


def findings(
    found: Sequence[Response],
    numbers: Sequence[Measurement],
    spent: Spent | None,
    grid: tuple[str | None, float | None],
    why: str | None,
    make: Make,
) -> list[Finding]:
    """One about 1,000 tokens and one about the audit; ``why``: what is missing to read energy."""
    by = {m.metric.rpartition(".")[2]: m for m in numbers}
    return [_tokens(found, by, grid, why, make), _audit(by, spent, grid, why, make)]


def _tokens(
    found: Sequence[Response],
    by: dict[str, Measurement],
    grid: tuple[str | None, float | None],
    why: str | None,
    make: Make,
) -> Finding:
    read, wrote = by["prefill_energy"], by["decode_energy"]
    used = [read, wrote, by["prefill_co2"], by["decode_co2"]]
    timed = [run for run in map(metered, found) if run is not None]
    if not timed or read.value is None:
        failed = next((answer.reason for answer in found if isinstance(answer, Failure)), "no energy was read")
        text = "The energy of reading and writing was not tested: {reason}."
        values = {"reason": (why or failed).rstrip(".")}
        return make("tokens", "not_tested", text, values, used, _INSTALL if why else _USE)
    text = (
        "Described, not judged: to read 1,000 tokens, about 750 English words, the machine used {read} joules (likely "
        "{range}), {read_lamp} (joules / 10 W). {writing}{carbon} {sources}"
    )
    values = {
        "read": rounded(read.value),
        "range": _range(read),
        "read_lamp": lamp(read.value),
        "writing": _writing(wrote),
        "carbon": _carbon(by["decode_co2"] if by["decode_co2"].value else by["prefill_co2"], grid),
        "sources": _sources(timed[0].sources),
    }
    return make("tokens", "not_tested", text, values, used, _USE if grid[1] else f"{_NAME} {_USE}")


def _writing(wrote: Measurement) -> str:
    if wrote.value is None:
        return "It writes nothing word by word."
    return f"To write as many it used {rounded(wrote.value)} joules (likely {_range(wrote)}), {lamp(wrote.value)}."


def _carbon(m: Measurement, grid: tuple[str | None, float | None]) -> str:
    country, grams = grid
    if grams is None or m.value is None:
        return " How much CO2 that is cannot be told: no country is named."
    task = "Writing" if "decode" in m.metric else "Reading"
    return f" {task} them stands for {_grams(m.value, country, grams)}."


def _grams(grams: float, country: str | None, per_kwh: float) -> str:
    per = f"{rounded(per_kwh)} g for a kilowatt-hour in {country}"
    return f"{rounded(grams)} g of CO2-equivalent ({per}), {car(grams)} (g / 249 g a km)"


def _audit(
    by: dict[str, Measurement],
    spent: Spent | None,
    grid: tuple[str | None, float | None],
    why: str | None,
    make: Make,
) -> Finding:
    energy, carbon = by["audit_energy"], by["audit_co2"]
    if spent is None or energy.value is None:
        text = "The energy of this audit was not tested: {reason}."
        reason = why or energy.reason or "it was not read"
        return make("audit", "not_tested", text, {"reason": reason}, [energy, carbon], _INSTALL if why else _USE)
    text = (
        "Described, not judged: this audit used {energy} Wh of electricity in {minutes} minutes, {lamp} (energy / 10 W), or "
        "{kettle} (energy / 356 kJ a litre).{carbon} {kept} {sources}"
    )
    used = energy.value * JOULES_PER_WH
    co2 = " How much CO2 that is cannot be told: no country is named."
    if carbon.value is not None and grid[1] is not None:
        co2 = f" That stands for {_grams(carbon.value, grid[0], grid[1])}."
    values = {
        "energy": rounded(energy.value),
        "minutes": rounded(spent.seconds / 60),
        "lamp": lamp(used),
        "kettle": kettle(used),
        "carbon": co2,
        "kept": _kept(spent),
        "sources": _sources(spent.sources),
    }
    return make("audit", "not_tested", text, values, [energy, carbon], _USE if grid[1] else f"{_NAME} {_USE}")


def _kept(spent: Spent) -> str:
    whole = spent.computed + spent.from_cache
    if not spent.from_cache:
        return f"All of its {whole:,} answers were computed for it."
    return (
        f"Of its {whole:,} answers {spent.computed:,} were computed for it ({spent.computed / whole:.0%}); the others were "
        "kept from an earlier audit and cost nothing now, so that a first audit uses more."
    )


def _sources(sources: Sequence[tuple[str, str]]) -> str:
    """What was measured and what was estimated, part by part."""
    told = "; ".join(f"{part}: {how}" for part, how in sources)
    return f"How each part is known: {told}." if told else "How it is known, the meter does not say."


def _range(m: Measurement) -> str:
    return "range not known" if m.low is None or m.high is None else f"{rounded(m.low)} to {rounded(m.high)}"
