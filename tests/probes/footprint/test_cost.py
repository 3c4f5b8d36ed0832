"""Controls of ``footprint.cost``: planted curves are recovered, a slow twin is slower, words say what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from audit.models import Time, Timed
from audit.models.scripted import ALL, ScriptedModel, noise, steady_times
from audit.verifying import requests_of
from probes.base import Outcome
from probes.footprint.cost import Cost, runs
from probes.footprint.cost_measures import REFERENCE
from tests.probes.harness import finding, interval, number, outlooks, run_probe, value

QUICK = Cost.sizes["quick"]


def outcome(time: Callable[[Time], Timed] = steady_times, limit: int | None = None) -> Outcome:
    return run_probe(Cost, ScriptedModel(time=time), limit)


def curve(fixed: float, linear: float, quadratic: float) -> Callable[[Time], Timed]:
    """Times by a formula, with runs that differ by a percent or so."""

    def time(request: Time) -> Timed:
        n = request.prompt_tokens
        seconds = (fixed + linear * n + quadratic * n**2) * (0.99 + 0.02 * noise(f"{n} {request.repeat}"))
        return replace(steady_times(request), prefill_seconds=seconds)

    return time


@pytest.mark.parametrize(("planted", "linear", "quadratic"), [(1.0, 1e-3, 0.0), (2.0, 0.0, 1e-6)])
@pytest.mark.parametrize("limit", [QUICK, None])
def test_a_planted_exponent_is_recovered_and_told_from_the_other(
    planted: float, linear: float, quadratic: float, limit: int | None
) -> None:
    found = outcome(curve(0, linear, quadratic), limit)
    low, high = interval(number(found, "time_exponent"))
    assert low < planted < high
    assert not low < 3 - planted < high
    told = finding(found, "growth").text
    took = re.search(r"took ([\d.]+) times as long", told)
    assert took is not None
    assert float(took.group(1)) == pytest.approx(2**planted, rel=0.02)


def test_the_crossing_is_recovered_where_it_shows_and_not_claimed_where_not() -> None:
    shown = outcome(curve(0.02, 1e-3, 5e-7))
    low, high = interval(number(shown, "quadratic_from"))
    assert low < 2000 < high
    assert "the larger from" in finding(shown, "growth").text
    straight = outcome(curve(0.02, 1e-3, 0))
    assert number(straight, "quadratic_from").value is None
    assert "does not show at these lengths" in finding(straight, "growth").text


def test_a_slow_model_is_slower_than_its_quick_twin() -> None:
    def slow(request: Time) -> Timed:
        quick = steady_times(request)
        assert quick.decode_seconds is not None
        return replace(quick, prefill_seconds=3 * quick.prefill_seconds, decode_seconds=3 * quick.decode_seconds)

    quick, other = outcome(limit=QUICK), outcome(slow, QUICK)
    for name, ratio in (("time_to_first_token", 3), ("prefill_speed", 1 / 3), ("decode_speed", 1 / 3)):
        assert value(number(other, name)) == pytest.approx(ratio * value(number(quick, name)))
    assert interval(number(other, "time_to_first_token"))[0] > interval(number(quick, "time_to_first_token"))[1]
    # What has another speed grows alike.
    assert value(number(other, "time_exponent")) == pytest.approx(value(number(quick, "time_exponent")))


def test_numbers_are_those_of_the_runs() -> None:
    found = outcome(limit=QUICK)
    times = [steady_times(Time(REFERENCE, 8, repeat, "")) for repeat in range(1, 5)]
    product = 1.0
    for time in times:
        product *= time.prefill_seconds
    assert value(number(found, "time_to_first_token")) == pytest.approx(product ** (1 / 4))
    assert value(number(found, "prefill_speed")) == pytest.approx(REFERENCE / product ** (1 / 4))
    assert value(number(found, "parameters")) == 1_000_000
    assert value(number(found, "weights_memory")) == pytest.approx(0.004)
    assert value(number(found, "peak_memory")) == pytest.approx((20_000_000 + 2_000 * 512) / 1e9)
    assert value(number(found, "memory_exponent")) == pytest.approx(1.0)
    assert "1 million x 4 bytes" in finding(found, "size").text
    # 50 tokens a second are 37 or so words.
    assert "wrote 50 tokens a second" in finding(found, "speed").text
    assert "about 37 words" in finding(found, "speed").text


def test_nothing_is_judged() -> None:
    found = outcome(limit=QUICK)
    assert set(outlooks(found).values()) == {"not_tested"}
    assert all(f.text.startswith("Described, not judged: ") for f in found.findings)


def test_verifying_an_old_result_leaves_times_alone() -> None:
    assert not any(requests_of(record, ALL) for record in outcome(limit=QUICK).records)


def test_a_busy_machine_is_said() -> None:
    def disturbed(request: Time) -> Timed:
        found = steady_times(request)
        return replace(found, prefill_seconds=found.prefill_seconds * (1 + request.repeat % 2), load=1.5)

    told = finding(outcome(disturbed, QUICK), "speed").text
    assert "differed by up to" in told
    assert "1.5" in told
    assert "differed" not in finding(outcome(limit=QUICK), "speed").text


def test_what_only_reads_has_no_speed_of_writing() -> None:
    def reader(request: Time) -> Timed:
        return replace(steady_times(request), decode_seconds=None, tokens=0, kept_bytes=None, peak_bytes=None)

    found = outcome(reader, QUICK)
    assert "writes nothing" in str(number(found, "decode_speed").reason)
    assert "keeps no keys" in str(number(found, "memory_exponent").reason)
    assert "does not tell" in str(number(found, "peak_memory").reason)
    assert "writes nothing word by word" in finding(found, "speed").text
    assert value(number(found, "time_to_first_token")) > 0


def test_each_suite_holds_the_runs_of_the_shorter_one() -> None:
    every = runs()
    assert len(set(every)) == len(every)
    quick, standard = (set(every[: Cost.sizes[suite]]) for suite in ("quick", "standard"))
    assert {length for length, _ in quick} == {64, 128, 256, 512}
    assert {length for length, _ in standard} == {64, 128, 256, 512, 1024}
    assert {length for length, _ in every[:4]} == {64, 128, 256, 512}  # a low limit still compares lengths
    assert min(sum(n == length for n, _ in every) for length in (1024, 2048, 4096)) >= 3
