"""Controls of ``footprint.energy``: meters of known power, known electricity, and what is said where either is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from audit.corpora import Item, ItemsError
from audit.models import Request, Response, Spent, Time, Timed
from audit.models.scripted import ScriptedModel, steady_times
from probes.base import Outcome
from probes.footprint import energy as energy_module
from probes.footprint.energy import Energy, EnergyOptions
from probes.footprint.energy_measures import co2
from probes.footprint.equivalents import car, kettle, lamp, rounded
from tests.probes.harness import ask, context_of, finding, interval, number, outlooks, value

GRAMS = 450.0
SPENT = Spent(
    90.0,
    (("processor", 3_000.0), ("memory", 600.0)),
    (("processor", "measured (RAPL)"), ("memory", "estimated")),
    30,
    70,
)


def watts(power: float) -> Callable[[Time], Timed]:
    """A second to read and two to write, at a power that is known; repeats differ by a percent or so."""

    def time(request: Time) -> Timed:
        seconds = 1 + 0.01 * (request.repeat % 2)
        joules = (("processor", power * seconds),)
        return replace(
            steady_times(request),
            prefill_joules=joules,
            decode_joules=(("processor", 2 * power * seconds),),
            sources=(("processor", "measured (RAPL)"),),
        )

    return time


def outcome(
    time: Callable[[Time], Timed] = steady_times,
    grams: float | None = GRAMS,
    spent: Spent | None = SPENT,
    items: list[Item] | None = None,
) -> Outcome:
    probe = Energy()
    country = None if grams is None else "KOR"
    chosen = items or [{**item, "country": country, "grams_per_kwh": grams} for item in probe.items(None)]
    context = replace(context_of(Energy, options={"country": country}), spent=spent)
    answers: dict[Request, Response] = {}
    asked = probe.requests(chosen, context, answers)
    ask(ScriptedModel(time=time), asked, answers)
    return probe.measure(chosen, context, answers)


def test_energy_of_a_known_power() -> None:
    """36 W for a second over 128 tokens, and for two over 8."""
    found = outcome(watts(36.0))
    low, high = interval(number(found, "prefill_energy"))
    assert low < 36.0 * 1.005 / 128 * 1000 < high
    assert value(number(found, "prefill_energy")) == pytest.approx(36.0 * 1.01**0.5 / 128 * 1000)
    assert value(number(found, "decode_energy")) == pytest.approx(72.0 * 1.01**0.5 / 8 * 1000)
    assert value(number(outcome(watts(72.0)), "decode_energy")) == pytest.approx(
        2 * value(number(found, "decode_energy"))
    )


def test_co2_is_energy_times_the_electricity_of_the_country() -> None:
    assert co2(3.6e6, GRAMS) == pytest.approx(GRAMS)  # a kilowatt-hour
    found = outcome(watts(36.0))
    for energy, carbon in (("prefill_energy", "prefill_co2"), ("decode_energy", "decode_co2")):
        ends = [end / 3.6e6 * GRAMS for end in interval(number(found, energy))]
        assert interval(number(found, carbon)) == pytest.approx(tuple(ends))
    assert value(number(found, "audit_energy")) == pytest.approx(1.0)  # 3,600 J are a watt-hour
    assert value(number(found, "audit_co2")) == pytest.approx(GRAMS / 1000)


def test_without_a_country_there_is_energy_and_no_co2() -> None:
    found = outcome(grams=None)
    for name in ("prefill_co2", "decode_co2", "audit_co2"):
        assert number(found, name).value is None
        assert "option country" in str(number(found, name).reason)
    assert value(number(found, "prefill_energy")) > 0
    for name in ("tokens", "audit"):
        assert "no country is named" in finding(found, name).text
        assert "option country" in finding(found, name).advice


def test_what_was_measured_and_what_was_estimated_is_said() -> None:
    found = outcome()
    for name in ("tokens", "audit"):
        assert "processor: measured (RAPL); memory: estimated" in finding(found, name).text
    assert found.records[0].tags == {"processor": "measured (RAPL)", "memory": "estimated"}
    assert "estimated" not in finding(outcome(watts(36.0)), "tokens").text


def test_what_the_audit_used_is_said_in_things_that_people_know() -> None:
    told = finding(outcome(), "audit").text
    assert "1 Wh of electricity in 1.5 minutes" in told
    assert "LED lamp uses in 6 minutes (energy / 10 W)" in told  # 3,600 J / 10 W
    assert "10 millilitres of water" in told  # 3,600 / 355,810 litres
    assert "0.45 g of CO2-equivalent (450 g for a kilowatt-hour in KOR)" in told
    assert "Of its 100 answers 30 were computed for it (30%)" in told
    assert "cost nothing now" in told
    anew = finding(outcome(spent=replace(SPENT, from_cache=0)), "audit").text
    assert "All of its 30 answers were computed" in anew


def test_nothing_is_judged() -> None:
    found = outcome()
    assert set(outlooks(found).values()) == {"not_tested"}
    assert all(f.text.startswith("Described, not judged: ") for f in found.findings)


def test_without_codecarbon_nothing_is_asked_and_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy_module, "installed", lambda: False)
    items = Energy().load(None, EnergyOptions(country="KOR"))
    assert Energy().requests(items, context_of(Energy), {}) == []
    found = outcome(spent=None, items=items)
    assert set(outlooks(found).values()) == {"not_tested"}
    assert all('pip install "fairwitness[energy]"' in f.text for f in found.findings)
    assert all(m.value is None and m.reason for m in found.measurements)


def test_the_country_decides_the_electricity() -> None:
    pytest.importorskip("codecarbon")
    korea = Energy().load(None, EnergyOptions(country="KOR"))
    france = Energy().load(None, EnergyOptions(country="FRA"))
    assert korea[0]["grams_per_kwh"] > 3 * france[0]["grams_per_kwh"] > 0
    assert Energy().load(None, EnergyOptions())[0]["grams_per_kwh"] is None
    with pytest.raises(ItemsError, match=r"no electricity of XXX.*alpha-3"):
        Energy().load(None, EnergyOptions(country="XXX"))
    with pytest.raises(ValueError, match="country"):
        EnergyOptions(country="Korea")


def test_no_energy_is_never_an_energy_of_nothing() -> None:
    found = outcome(lambda request: replace(steady_times(request), prefill_joules=(("memory", 0.0),)))
    assert number(found, "prefill_energy").value is None
    assert number(found, "prefill_energy").coverage.unparsed == 10
    assert "no energy was read" in finding(found, "tokens").text


def test_what_only_reads_is_not_said_to_write() -> None:
    def reader(request: Time) -> Timed:
        return replace(steady_times(request), decode_seconds=None, tokens=0, decode_joules=())

    found = outcome(reader)
    assert "writes nothing" in str(number(found, "decode_energy").reason)
    assert "Reading them stands for" in finding(found, "tokens").text


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (lamp(36.0), "as much as a 10-watt LED lamp uses in 3.6 seconds"),
        (lamp(600.0), "as much as a 10-watt LED lamp uses in 1 minute"),
        (lamp(36_000.0), "as much as a 10-watt LED lamp uses in 1 hour"),
        (lamp(8.64e6), "as much as a 10-watt LED lamp uses in 10 days"),
        (kettle(3.5581e6), "enough to bring 10 litres of water to the boil"),
        (kettle(35_581.0), "enough to bring 100 millilitres of water to the boil"),
        (car(248.56), "as much as an average petrol car emits in 1 km"),
        (car(24.85484), "as much as an average petrol car emits in 100 m"),
        (car(0.1), "as much as an average petrol car emits in 40 cm"),
    ],
)
def test_equivalents(told: str, wanted: str) -> None:
    assert told == wanted


@pytest.mark.parametrize(
    ("number_", "wanted"),
    [(0, "0"), (1234.0, "1,200"), (12.4, "12"), (9.96, "10"), (0.0123, "0.012"), (1e-5, "1.0e-05")],
)
def test_two_digits_that_count(number_: float, wanted: str) -> None:
    assert rounded(number_) == wanted
