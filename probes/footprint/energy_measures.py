"""Numbers and records of ``footprint.energy``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from audit.corpora import Item
from audit.metrics import Estimate, geometric_mean, not_measured
from audit.models import Failure, Response, Spent, Time, Timed
from audit.results import ItemStatus, Measurement, Record
from probes.base import coverage
from probes.footprint.equivalents import JOULES_PER_WH

Measure = Callable[..., Measurement]
TOKENS = 1000
PROMPT = 128
_NO_COUNTRY = "no country is named; set the option country of footprint.energy"
_NO_RUN = "no run was answered"
_NO_METER = "nothing read the energy of the audit as a whole"
_NOTHING_WRITTEN = "the model writes nothing token by token"


def request_of(item: Item, machine: str) -> Time:
    """What an item asks."""
    return Time(item["prompt_tokens"], item["new_tokens"], item["repeat"], machine, metered=True)


def joules(parts: Iterable[tuple[str, float]]) -> float:
    """Of all parts of the machine together."""
    return sum(value for _, value in parts)


def co2(energy: float, grams_per_kwh: float) -> float:
    """Grams of CO2-equivalent: joules / 3.6 million x grams for a kilowatt-hour."""
    return energy / (1000 * JOULES_PER_WH) * grams_per_kwh


def metered(answer: Response) -> Timed | None:
    """A run whose energy is known: a machine that works uses some."""
    return answer if isinstance(answer, Timed) and joules(answer.prefill_joules) > 0 else None


def status_of(answer: Response) -> ItemStatus:
    """What became of a run."""
    if isinstance(answer, Timed):
        return "scored" if metered(answer) else "unparsed"
    return getattr(answer, "status", "failed")


def record(item: Item, answer: Response, probe: str, source: str) -> Record:
    """The evidence of one run: joules of each part of the machine."""
    timed = metered(answer)
    scores: dict[str, float | None] = {}
    told = None
    if timed is not None:
        scores = {f"read_{part}_joules": value for part, value in timed.prefill_joules}
        scores |= {f"write_{part}_joules": value for part, value in timed.decode_joules}
        scores |= {"prefill_seconds": timed.prefill_seconds, "decode_seconds": timed.decode_seconds}
        told = f"{joules(timed.prefill_joules):.3f} J to read"
        told += f", {joules(timed.decode_joules):.3f} J to write" if timed.tokens else ""
    return Record(
        id=item["id"],
        probe=probe,
        item=item["id"],
        source=source,
        cluster=item["id"],
        tags={} if timed is None else {part.replace(" ", "_"): how for part, how in timed.sources},
        input=f"{item['prompt_tokens']} made-up tokens to read, then {item['new_tokens']} to write",
        output=told,
        scores=scores,
        status=status_of(answer),
        outcome=None if timed is None else "metered",
        note=answer.reason if isinstance(answer, Failure) else None,
    )


def measurements(
    found: Sequence[Response], spent: Spent | None, grams: float | None, confidence: float, measure: Measure
) -> list[Measurement]:
    """Energy and CO2 of reading, writing and the audit."""
    whole = coverage(status_of(answer) for answer in found)
    timed = [run for run in map(metered, found) if run is not None]
    read = _mean([joules(t.prefill_joules) / PROMPT * TOKENS for t in timed], _NO_RUN, confidence)
    none = _NOTHING_WRITTEN if timed else _NO_RUN
    wrote = _mean(
        [joules(t.decode_joules) / t.tokens * TOKENS for t in timed if t.tokens and t.decode_joules], none, confidence
    )
    audit = coverage(["scored"] if spent else [])
    used = _total(spent, confidence)
    return [
        measure("prefill_energy", read, whole, chance=0.0),
        measure("decode_energy", wrote, whole, chance=0.0),
        measure("prefill_co2", _co2(read, grams), whole, chance=0.0),
        measure("decode_co2", _co2(wrote, grams), whole, chance=0.0),
        measure("audit_energy", used, audit, chance=0.0),
        measure("audit_co2", _co2(_scaled(used, JOULES_PER_WH), grams), audit, chance=0.0),
    ]


def _mean(values: Sequence[float], none: str, confidence: float) -> Estimate:
    return geometric_mean(values, confidence) if values else not_measured(none, confidence)


def _total(spent: Spent | None, confidence: float) -> Estimate:
    """In watt-hours: one total, of which there is no second."""
    if spent is None:
        return not_measured(_NO_METER, confidence)
    used = joules(spent.joules) / JOULES_PER_WH
    return Estimate(used, used, used, 1, None, confidence, "none: the one total of this audit")


def _scaled(found: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (found.value, found.low, found.high))
    return replace(found, value=value, low=low, high=high, p_value=None)


def _co2(energy: Estimate, grams: float | None) -> Estimate:
    """Of an energy in joules, with its interval."""
    if energy.value is None:
        return energy
    if grams is None:
        return not_measured(_NO_COUNTRY, energy.confidence)
    return _scaled(energy, co2(1.0, grams))
