"""Gates: decided by the interval, corrected over the family, and honest about what is missing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.baselines import Against, baseline_of
from audit.config import GateConfig
from audit.gates import judge, verdict
from audit.metrics import Estimate, census, mean, rate
from audit.results import AuditResult, GateResult, Measurement, ProbeRun
from tests.audit.support import measurement, probe_run, result_of, without_collecting

NAME = "tiny.rate.rate"
COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def estimated(name: str, estimate: Estimate, **changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "confidence": estimate.confidence,
    }
    return measurement(name, **{**fields, **changes})


def wilson(successes: int, n: int, name: str = NAME, confidence: float = 0.95, **changes: Any) -> Measurement:
    return estimated(name, rate([1] * successes + [0] * (n - successes), None, confidence), **changes)


def one(
    found: Measurement | None,
    baseline: AuditResult | None = None,
    confidence: float = 0.95,
    probes: list[ProbeRun] | None = None,
    **rules: float,
) -> GateResult:
    """The verdict on a single condition."""
    measured = [] if found is None else [found]
    before = None
    if baseline is not None:
        made = baseline_of(baseline, lambda _: [], [NAME])
        before = Against(made, lambda _: [], {}, {}, made.audit.code, {})
    (gate,) = judge({NAME: GateConfig(**rules)}, measured, probes or [probe_run()], before, confidence)
    assert gate.metric == NAME
    assert gate.reason.endswith(".")
    return gate


def interval(m: Measurement) -> tuple[float, float]:
    assert m.low is not None
    assert m.high is not None
    return m.low, m.high


# One gate.


@settings(deadline=None)
@given(COUNTS, st.floats(0, 1), st.booleans(), st.sampled_from([0.8, 0.95, 0.99]))
def test_single_gate_is_decided_exactly_when_the_interval_excludes_the_threshold(
    counts: tuple[int, int], threshold: float, below: bool, confidence: float
) -> None:
    found = wilson(*counts, confidence=confidence)
    low, high = interval(found)
    # A rounding error away from an end of the interval either verdict is right.
    assume(min(abs(low - threshold), abs(high - threshold)) > 1e-9)
    gate = one(found, confidence=confidence, **{"at_most" if below else "at_least": threshold})
    if low <= threshold <= high:
        assert gate.verdict == "not_established"
    else:
        assert gate.verdict == ("met" if (high < threshold) == below else "not_met")
        assert gate.more_items is None
    assert (gate.value, gate.low, gate.high, gate.threshold) == (found.value, low, high, threshold)
    assert gate.rule == ("at_most" if below else "at_least")
    assert gate.confidence == confidence


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.floats(-6, 6))
def test_single_gate_on_a_mean(values: list[float], threshold: float) -> None:
    found = estimated(NAME, mean(values), unit="nats")
    assume(found.low is not None)
    low, high = interval(found)
    assume(high - low > 1e-6)
    assume(min(abs(low - threshold), abs(high - threshold)) > 1e-6)
    gate = one(found, at_most=threshold)
    inside = low <= threshold <= high
    assert gate.verdict == ("not_established" if inside else "met" if high < threshold else "not_met")


@pytest.mark.parametrize("rule", ["at_most", "at_least"])
def test_threshold_on_the_end_of_the_interval_is_not_excluded(rule: str) -> None:
    for threshold in (0.4, 0.6):
        assert one(measurement(), **{rule: threshold}).verdict == "not_established"


def test_value_on_the_threshold_is_not_established() -> None:
    gate = one(wilson(20, 40), at_most=0.5)
    assert (gate.verdict, gate.p_adjusted, gate.more_items) == ("not_established", 1.0, None)


def test_interval_without_width_is_decided() -> None:
    exact = measurement(value=0.5, low=0.5, high=0.5)
    assert one(exact, at_most=0.51).verdict == "met"
    assert one(exact, at_most=0.49).verdict == "not_met"
    assert one(exact, at_least=0.5).verdict == "not_established"


@pytest.mark.parametrize(
    ("found", "rule", "threshold", "expected"),
    [
        (0, "at_most", 0.0, "met"),
        (1, "at_most", 0.0, "not_met"),
        (2, "at_most", 0.5, "met"),
        (4, "at_least", 1.0, "met"),
        (3, "at_least", 1.0, "not_met"),
    ],
)
def test_a_census_is_always_decided(found: int, rule: str, threshold: float, expected: str) -> None:
    """Of what was counted whole the value itself is at its threshold or is not, unlike that of a sample."""
    counted = census(found, 4, 0.95)
    gate = one(estimated(NAME, counted, interval=counted.method), **{rule: threshold})
    assert gate.verdict == expected
    assert one(estimated(NAME, counted, interval="bootstrap"), **{rule: found / 4}).verdict == "not_established"


def test_reason_says_where_the_interval_lies() -> None:
    assert one(measurement(), at_most=0.9).reason == "The whole interval [0.4, 0.6] lies on the good side of 0.9."
    assert one(measurement(), at_least=0.9).reason == "The whole interval [0.4, 0.6] lies on the bad side of 0.9."
    assert "holds 0.55; the evidence does not decide" in one(measurement(), at_most=0.55).reason


# A family of gates.


def family(thresholds: list[float], measured: list[Measurement]) -> list[GateResult]:
    gates = {m.metric: GateConfig(at_most=t) for m, t in zip(measured, thresholds, strict=True)}
    return judge(gates, measured, [probe_run()], None, 0.95)


@settings(deadline=None)
@given(st.lists(st.tuples(COUNTS, st.floats(0.01, 0.99)), min_size=1, max_size=8))
def test_holm_over_the_family(cases: list[tuple[tuple[int, int], float]]) -> None:
    measured = [wilson(*counts, name=f"{NAME}[{i}]") for i, (counts, _) in enumerate(cases)]
    thresholds = [t for _, t in cases]
    found = family(thresholds, measured)
    single = [family([t], [m])[0].p_adjusted for t, m in zip(thresholds, measured, strict=True)]
    with without_collecting():
        expected = multipletests([p for p in single if p is not None], method="holm")[1]
    assert [g.p_adjusted for g in found] == pytest.approx(list(expected))
    for gate, alone, p in zip(found, single, expected, strict=True):
        assert alone is not None
        assert alone <= p + 1e-12, "a family makes nothing easier"
        if abs(p - 0.05) > 1e-9:
            assert (gate.verdict != "not_established") == (p < 0.05)


def test_many_gates_need_more_than_one_gate() -> None:
    alone = family([0.61], [measurement()])[0]
    together = family([0.61] * 6, [measurement(f"{NAME}[{i}]") for i in range(6)])
    assert alone.verdict == "met"
    assert {g.verdict for g in together} == {"not_established"}
    assert "not once all gates are judged together" in together[0].reason


def test_more_items_are_more_than_none_where_holm_does_not_decide() -> None:
    together = family([0.61] * 6, [measurement(f"{NAME}[{i}]") for i in range(6)])
    assert all(g.more_items is not None and g.more_items > 0 for g in together)


def test_two_rules_are_two_conditions() -> None:
    gates = {NAME: GateConfig(at_least=0.1, at_most=0.45)}
    low, high = judge(gates, [measurement()], [probe_run()], None, 0.95)[::-1]
    assert (low.rule, low.verdict) == ("at_least", "met")
    assert (high.rule, high.verdict) == ("at_most", "not_established")


def test_what_could_not_be_measured_does_not_count_as_a_test() -> None:
    gates = {"tiny.rate.gone": GateConfig(at_most=0.1), NAME: GateConfig(at_most=0.61)}
    gone, there = judge(gates, [measurement()], [probe_run()], None, 0.95)
    assert (gone.metric, gone.verdict, gone.p_adjusted) == ("tiny.rate.gone", "not_established", None)
    assert there.verdict == "met"


def test_no_gates() -> None:
    assert judge({}, [measurement()], [probe_run()], None, 0.95) == []


# What is missing.


def test_probe_was_not_part() -> None:
    gate = one(None, probes=[probe_run("other.probe")], at_most=0.5)
    assert (gate.verdict, gate.reason) == ("not_established", "The probe was not part of this audit.")


def test_slice_was_not_measured() -> None:
    gate = one(None, at_most=0.5)
    assert gate.verdict == "not_established"
    assert gate.reason == "The audit has no measurement of that name; tiny.rate did not measure this slice."


@pytest.mark.parametrize(("status", "word"), [("failed", "failed"), ("not_applicable", "is not applicable")])
def test_probe_did_not_run(status: str, word: str) -> None:
    gate = one(None, probes=[probe_run(status=status, reason="It broke.")], at_most=0.5)
    assert gate.verdict == "not_established"
    assert gate.reason == f"The probe tiny.rate {word}: It broke."


def test_longest_probe_id_owns_the_metric() -> None:
    probes = [probe_run("tiny"), probe_run("tiny.rate", "failed", "Long.")]
    assert "Long." in one(None, probes=probes, at_most=0.5).reason


@pytest.mark.parametrize("rules", [{"at_most": 0.5}, {"at_least": 0.5}, {"no_worse_than_baseline": 0.1}])
def test_value_none(rules: dict[str, float]) -> None:
    nothing = measurement(value=None, low=None, high=None, n=0, reason="All answers were empty.")
    gate = one(nothing, result_of(measurement()), **rules)
    assert (gate.verdict, gate.value, gate.p_adjusted, gate.more_items) == ("not_established", None, None, None)
    assert gate.reason == "All answers were empty."


@pytest.mark.parametrize("rules", [{"at_most": 0.9}, {"no_worse_than_baseline": 0.9}])
def test_value_without_interval_is_never_decided(rules: dict[str, float]) -> None:
    gate = one(measurement(low=None, high=None, n=1), result_of(measurement()), **rules)
    assert gate.verdict == "not_established"
    assert "no interval" in gate.reason


# Against a baseline.


def test_no_baseline() -> None:
    gate = one(measurement(), None, no_worse_than_baseline=0.1)
    assert gate.verdict == "not_established"
    assert gate.reason == "No baseline was given; use --baseline RESULT."


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ([], "The baseline has no such measurement."),
        ([measurement("tiny.rate.other")], "The baseline has no such measurement."),
        ([measurement(value=None, low=None, high=None, n=0, reason="None.")], "The baseline has no such measurement."),
        ([measurement(low=None, high=None)], "One of the two has no interval."),
    ],
    ids=["nothing", "another", "no value", "no interval"],
)
def test_baseline_has_no_such_measurement(before: list[Measurement], why: str) -> None:
    gate = one(measurement(), result_of(*before), no_worse_than_baseline=0.1)
    assert gate.verdict == "not_established"
    assert gate.reason == why


def test_metric_without_a_good_side_has_no_worse() -> None:
    found = measurement(direction="descriptive")
    gate = one(found, result_of(found), no_worse_than_baseline=0.1)
    assert gate.verdict == "not_established"
    assert "no better or worse direction" in gate.reason


@settings(deadline=None)
@given(COUNTS, COUNTS, st.just(0.0) | st.floats(1e-6, 0.5), st.booleans())
def test_baseline_of_rates_is_newcombes_interval(
    now: tuple[int, int], then: tuple[int, int], margin: float, low_is_good: bool
) -> None:
    direction = "lower_is_better" if low_is_good else "higher_is_better"
    found, before = wilson(*now, direction=direction), wilson(*then, direction=direction)
    gate = one(found, result_of(before), no_worse_than_baseline=margin)
    # Newcombe's hybrid score interval of a difference is the MOVER interval of two Wilson intervals.
    low, high = confint_proportions_2indep(*now, *then, method="newcomb", compare="diff")
    low, high = (low, high) if low_is_good else (-high, -low)
    assert gate.low == pytest.approx(low, abs=1e-9)
    assert gate.high == pytest.approx(high, abs=1e-9)
    assert gate.value == pytest.approx((now[0] / now[1] - then[0] / then[1]) * (1 if low_is_good else -1))
    assume(min(abs(low - margin), abs(high - margin)) > 1e-9)
    inside = low <= margin <= high
    assert gate.verdict == ("not_established" if inside else "met" if high < margin else "not_met")


@pytest.mark.parametrize(
    ("now", "margin", "expected"),
    [
        (100, 0.02, "met"),  # clearly better
        (500, 0.20, "met"),  # the same, with room
        (500, 0.0, "not_established"),  # the same, without room: no data show that nothing is worse
        (520, 0.02, "not_established"),
        (800, 0.02, "not_met"),
        (800, 0.40, "met"),
    ],
)
def test_margin(now: int, margin: float, expected: str) -> None:
    gate = one(wilson(now, 1000), result_of(wilson(500, 1000)), no_worse_than_baseline=margin)
    assert gate.verdict == expected
    turned = one(
        wilson(1000 - now, 1000, direction="higher_is_better"),
        result_of(wilson(500, 1000, direction="higher_is_better")),
        no_worse_than_baseline=margin,
    )
    assert turned.verdict == expected


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ((0.0, -0.1, 0.1), (1.0, 0.9, 1.1), "met"),
        ((-0.1, -0.2, 0.0), (1.0, 0.9, 1.1), "met"),
        ((1.0, 0.9, 1.1), (-1.0, -1.1, -0.9), "met"),  # as far from 0, on the other side
        ((-1.0, -1.1, -0.9), (0.0, -0.1, 0.1), "not_met"),
        ((1.0, 0.9, 1.1), (0.0, -0.1, 0.1), "not_met"),
        ((0.3, -0.4, 1.0), (0.3, -0.4, 1.0), "not_established"),
    ],
)
def test_zero_is_better(now: tuple[float, ...], then: tuple[float, ...], expected: str) -> None:
    def shift(numbers: tuple[float, ...]) -> Measurement:
        value, low, high = numbers
        return measurement(value=value, low=low, high=high, unit="nats", direction="zero_is_better")

    assert one(shift(now), result_of(shift(then)), no_worse_than_baseline=0.3).verdict == expected


def test_baseline_of_another_confidence_is_brought_to_the_same() -> None:
    same = one(wilson(560, 1000), result_of(wilson(500, 1000)), no_worse_than_baseline=0.01)
    other = one(wilson(560, 1000), result_of(wilson(500, 1000, confidence=0.6)), no_worse_than_baseline=0.01)
    assert same.high is not None
    assert other.high == pytest.approx(same.high, abs=0.003)


# How many more items.


@pytest.mark.parametrize("rule", ["at_most", "at_least"])
@pytest.mark.parametrize("unit", ["rate", "nats"])
def test_more_items_shrink_with_the_distance(rule: str, unit: str) -> None:
    found = wilson(50, 100, unit=unit)
    told = [one(found, **{rule: 0.5 + d}).more_items for d in (0.01, 0.02, 0.04, 0.08)]
    numbers = [n for n in told if n is not None]
    assert len(numbers) == 4
    assert all(n > 0 for n in numbers)
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 4


@settings(deadline=None)
@given(COUNTS, st.floats(0.001, 0.999))
def test_more_items_would_settle_it(counts: tuple[int, int], threshold: float) -> None:
    successes, n = counts
    gate = one(wilson(successes, n), at_most=threshold)
    if gate.verdict != "not_established" or gate.more_items is None:
        return
    assert gate.more_items >= 0
    assume(gate.more_items < 10**7)
    total = n + gate.more_items
    share, z = successes / n, float(norm.ppf(0.975))
    # Wilson's interval of the same share with so many items: the score at the threshold.
    score = abs(share - threshold) / math.sqrt(threshold * (1 - threshold) / total)
    assert score >= z * (1 - 1e-6)


def test_more_items_against_a_baseline() -> None:
    told = [
        one(wilson(50, 100), result_of(wilson(50, 100)), no_worse_than_baseline=m).more_items for m in (0.02, 0.05, 0.1)
    ]
    numbers = [n for n in told if n is not None]
    assert len(numbers) == 3
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] > 0


@pytest.mark.parametrize(("rule", "threshold"), [("at_most", 1.05), ("at_least", -0.05)])
def test_threshold_that_no_rate_can_have(rule: str, threshold: float) -> None:
    measured = [measurement(f"{NAME}[{i}]", low=0.0, high=1.0) for i in range(6)]
    gates = {m.metric: GateConfig(**{rule: threshold}) for m in measured}
    assert len(judge(gates, measured, [probe_run()], None, 0.95)) == 6


def test_threshold_next_to_the_value() -> None:
    same = wilson(1, 2)
    assert one(same, result_of(same), no_worse_than_baseline=1e-300).verdict == "not_established"


# The verdict of the audit.


def gate_of(kind: str) -> GateResult:
    return GateResult.model_validate(
        {"metric": NAME, "rule": "at_most", "threshold": 1, "verdict": kind, "confidence": 0.95, "reason": "So."}
    )


DONE, FAILED = probe_run(), probe_run("bad.probe", "failed", "It broke.")


@pytest.mark.parametrize(
    ("gates", "probes", "inconclusive", "status", "exit_status"),
    [
        ([], [DONE], "fail", "no_gates", 0),
        (["met"], [DONE], "fail", "met", 0),
        (["met", "met"], [DONE], "fail", "met", 0),
        (["met", "not_established"], [DONE], "warn", "not_established", 0),
        (["met", "not_established"], [DONE], "fail", "not_established", 4),
        (["met", "not_established", "not_met"], [DONE], "fail", "not_met", 1),
        (["not_met"], [DONE, FAILED], "warn", "not_met", 1),
        (["not_established"], [DONE, FAILED], "fail", "incomplete", 3),
        (["met"], [DONE, FAILED], "warn", "incomplete", 3),
        ([], [FAILED], "warn", "incomplete", 3),
        ([], [probe_run(status="not_applicable", reason="No.")], "warn", "incomplete", 3),
        ([], [], "warn", "no_gates", 0),
    ],
)
def test_verdict(gates: list[str], probes: list[ProbeRun], inconclusive: str, status: str, exit_status: int) -> None:
    found = verdict([gate_of(g) for g in gates], probes, inconclusive)
    assert (found.status, found.exit_status) == (status, exit_status)
    assert found.text.endswith(".")
    assert ("bad.probe failed" in found.text) == (FAILED in probes)
    if len(set(gates)) > 1:
        assert f"{gates.count('met')} of {len(gates)} gates met" in found.text
        assert f"{gates.count('not_met')} not met" in found.text
        assert f"{gates.count('not_established')} not established" in found.text
