"""The difference of two values that are known by their intervals."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from audit.metrics import mover_difference, p_from_interval


def test_the_formula_of_zou_and_donner() -> None:
    difference, low, high = mover_difference((0.6, 0.5, 0.66), (0.4, 0.37, 0.48))
    assert difference == pytest.approx(0.2)
    assert low == pytest.approx(0.2 - math.sqrt(0.1**2 + 0.08**2))
    assert high == pytest.approx(0.2 + math.sqrt(0.06**2 + 0.03**2))


def test_turning_the_two_around_turns_the_interval_around() -> None:
    first, second = (0.6, 0.5, 0.66), (0.4, 0.37, 0.48)
    value, low, high = mover_difference(first, second)
    assert mover_difference(second, first) == pytest.approx((-value, -high, -low))


@pytest.mark.parametrize("wrong", [(0.5, 0.6, 0.7), (float("nan"), 0.0, 1.0), (0.5, 0.4, float("inf"))])
def test_what_is_no_interval_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError):
        mover_difference(wrong, (0.5, 0.4, 0.6))


def test_an_interval_that_ends_at_zero_has_the_level_as_its_p_value() -> None:
    assert p_from_interval((0.2, 0.0, 0.9), 0.95) == pytest.approx(0.05)
    assert p_from_interval((-0.2, -0.9, 0.0), 0.9) == pytest.approx(0.1)  # the side of zero counts
    assert p_from_interval((0.2, 0.1, 0.3), 0.95) == pytest.approx(2 * stats.norm.sf(2 * 1.959964), rel=1e-5)


def test_no_difference_and_no_width() -> None:
    assert p_from_interval((0.0, -0.1, 0.1), 0.95) == 1.0
    assert p_from_interval((0.1, 0.1, 0.2), 0.95) == 0.0
