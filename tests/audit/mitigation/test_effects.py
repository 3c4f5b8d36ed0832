"""What changed in a metric: the difference, its interval, and how it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.metrics import paired_rate_difference
from audit.mitigation.effects import (
    Name,
    change_of,
    paired_means,
    paired_rates,
    paired_statistic,
    with_holm,
)
from audit.results import Change, Direction, Effect
from probes.bias.group_fairness_statistics import parity_gap


def name(direction: Direction = "higher_is_better", **changes: Any) -> Name:
    return Name(**{"metric": "m", "label": "M", "unit": "rate", "direction": direction, "role": "harm", **changes})


@pytest.mark.parametrize(
    ("direction", "low", "high", "change"),
    [
        ("lower_is_better", -0.2, -0.1, "better"),
        ("lower_is_better", 0.1, 0.2, "worse"),
        ("higher_is_better", 0.1, 0.2, "better"),
        ("higher_is_better", -0.2, -0.1, "worse"),
        ("descriptive", 0.1, 0.2, "higher"),
        ("descriptive", -0.2, -0.1, "lower"),
        ("lower_is_better", -0.2, 0.0, "no_difference_shown"),
        ("higher_is_better", -0.1, 0.2, "no_difference_shown"),
    ],
)
def test_the_interval_and_the_direction_say_what_changed(
    direction: Direction, low: float, high: float, change: Change
) -> None:
    assert change_of(direction, ((low + high) / 2, low, high)) == change


def test_rates_are_compared_case_by_case() -> None:
    before, after = np.array([1, 1, 0, 0] * 30), np.array([1, 1, 1, 0] * 30)
    effect = paired_rates(name(), before, after, 0.95)
    expected = paired_rate_difference(after, before)
    assert (effect.before, effect.after, effect.difference) == (0.5, 0.75, 0.25)
    assert (effect.low, effect.high, effect.p_value) == (expected.low, expected.high, expected.p_value)
    assert (effect.change, effect.n) == ("better", 120)


def test_a_rate_of_no_case_is_not_measured() -> None:
    effect = paired_rates(name(), [], [], 0.95)
    assert (effect.before, effect.difference, effect.change) == (None, None, "not_measured")
    assert effect.reason


def test_means_are_after_minus_before() -> None:
    stream = np.random.default_rng(1)
    before = stream.normal(2, 1, 200)
    effect = paired_means(name("lower_is_better"), before, before - 0.5 + stream.normal(0, 0.1, 200), 0.95)
    assert effect.difference == pytest.approx(-0.5, abs=0.05)
    assert effect.change == "better"
    with pytest.raises(ValueError, match="distances"):
        paired_means(name("zero_is_better"), before, before, 0.95)


def table(seed: int, less: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Decisions before and after in two groups, ``less`` of the gap of 0.3 being left."""
    stream = np.random.default_rng(seed)
    group, truth = np.repeat([0, 1], 800), stream.integers(0, 2, 1600)
    luck = stream.random(1600)
    return (
        group,
        truth,
        (luck < np.where(group == 1, 0.65, 0.35)) * 1,
        (luck < np.where(group == 1, 0.35 + less, 0.35)) * 1,
    )


def counted(group: np.ndarray, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    counts = np.zeros((2, 2, 2, 2), dtype=np.intp)
    np.add.at(counts, (group, truth, before, after), 1)
    return counts


def test_a_gap_is_computed_anew_on_each_resample_of_the_cases() -> None:
    group, truth, before, after = table(0, 0.05)
    target = name("lower_is_better", role="target")
    effect = paired_statistic(target, counted(group, truth, before, after), parity_gap, 0.95, 7)

    def gap(decided: np.ndarray, of: np.ndarray) -> float:
        return abs(float(decided[of == 1].mean() - decided[of == 0].mean()))

    assert effect.before == pytest.approx(gap(before, group))
    assert effect.after == pytest.approx(gap(after, group))
    stream = np.random.default_rng(11)
    drawn = []
    for _ in range(1500):
        rows = stream.integers(0, 1600, 1600)
        drawn.append(gap(after[rows], group[rows]) - gap(before[rows], group[rows]))
    assert effect.difference is not None
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert effect.low == pytest.approx(min(low, 2 * effect.difference - high), abs=0.012)
    assert effect.high == pytest.approx(max(high, 2 * effect.difference - low), abs=0.012)
    assert effect.change == "better"


def test_the_same_seed_gives_the_same_effect_and_equal_decisions_none() -> None:
    group, truth, before, after = table(3, 0.3)
    counts = counted(group, truth, before, after)
    one, two = (paired_statistic(name("lower_is_better"), counts, parity_gap, 0.95, 5) for _ in range(2))
    assert one == two
    assert (one.difference, one.change) == (0.0, "no_difference_shown")
    assert one.interval is not None
    assert "no variation" in one.interval


def test_a_statistic_that_is_not_defined_is_not_measured() -> None:
    counts = np.zeros((2, 2, 2, 2), dtype=np.intp)
    counts[0] = 5  # the other group has no case
    effect = paired_statistic(name("lower_is_better"), counts, parity_gap, 0.95, 5)
    assert (effect.before, effect.after, effect.change) == (None, None, "not_measured")


def effect(p_value: float | None, role: str = "target") -> Effect:
    return Effect(
        metric="m", label="M", unit="rate", direction="lower_is_better", role=role, before=0.5, after=0.4,
        difference=-0.1, low=-0.19, high=-0.01, p_value=p_value, change="better",
    )  # fmt: skip


def test_holm_is_over_the_targets_alone() -> None:
    found = with_holm([effect(0.03), effect(0.04), effect(0.04, "harm")])
    assert [e.p_adjusted for e in found] == [pytest.approx(0.06), pytest.approx(0.06), None]
    assert [e.change for e in found] == ["no_difference_shown", "no_difference_shown", "better"]
    assert [e.change for e in with_holm([effect(0.001), effect(0.04)])] == ["better", "better"]
