"""Corrections for many tests, and how many more items would settle a gate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from audit.metrics import benjamini_hochberg, holm, mean, more_items_for_mean, more_items_for_rate, rate

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_published_example() -> None:
    # Benjamini & Hochberg 1995, section 4: 15 p values, the first four are rejected at 5%, three by Holm.
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(p is not None and p <= 0.05 for p in benjamini_hochberg(p_values)) == 4
    assert sum(p is not None and p <= 0.05 for p in holm(p_values)) == 3
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_none_does_not_count(correct: object) -> None:
    assert callable(correct)
    first, second = correct([0.02, 0.5])
    assert correct([None, 0.02, None, 0.5]) == [None, first, None, second]
    assert correct([]) == []
    assert correct([None]) == [None]
    assert correct([0.02]) == [0.02]
    for bad in (np.nan, np.inf, -0.1, 1.1):
        with pytest.raises(ValueError, match="p_values"):
            correct([0.5, bad])


@settings(SETTINGS)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.data())
def test_corrections_only_raise_and_follow_the_order(p_values: list[float], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(p_values))))
    for correct in (holm, benjamini_hochberg):
        adjusted = correct(p_values)
        assert all(a is not None and p - 1e-12 <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
        assert correct([p_values[i] for i in order]) == pytest.approx([adjusted[i] for i in order])


def test_they_are_those_of_statsmodels() -> None:
    stream = np.random.default_rng(7)
    for size in (1, 2, 5, 40):
        p_values = stream.choice([0.0, 0.001, 0.01, 0.02, 0.3, 1.0, *stream.random(4) / 20], size).tolist()
        for correct, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
            assert correct(p_values) == pytest.approx(multipletests(p_values, method=method)[1].tolist(), abs=1e-15)


@pytest.mark.parametrize(("successes", "n", "threshold"), [(0, 20, 0.02), (10, 100, 0.12), (45, 50, 0.85), (3, 9, 0.5)])
def test_the_items_asked_for_settle_a_rate_and_fewer_do_not(successes: int, n: int, threshold: float) -> None:
    now = rate(np.arange(n) < successes)
    more = more_items_for_rate(now.value, now.low, now.high, n, threshold)
    assert more is not None
    assert more > 0
    share = successes / n
    z = 1.959963984540054

    def excludes(size: int) -> bool:
        return (share - threshold) ** 2 > z**2 * threshold * (1 - threshold) / size

    assert excludes(n + more + 1)
    assert not excludes(n + more - 1)


def test_rate_in_clusters_asks_for_more() -> None:
    rng = np.random.default_rng(4)
    mask, clusters = np.repeat(rng.random(30) < 0.2, 5), np.repeat(np.arange(30), 5)
    alone, together = rate(mask), rate(mask, clusters)
    few = more_items_for_rate(alone.value, alone.low, alone.high, 150, 0.25)
    many = more_items_for_rate(together.value, together.low, together.high, 150, 0.25)
    assert few is not None
    assert many is not None
    assert many > 4 * few


def test_mean_by_hand() -> None:
    # A half width of 0.5 has to fall to 0.125: 16 times the items.
    assert more_items_for_mean(1.0, 0.5, 1.5, 50, 0.875) == 750
    assert more_items_for_mean(1.0, 0.75, 1.5, 50, 1.125) == 750
    assert more_items_for_mean(1.0, 0.5, 1.5, 50, 2.0) == 0


def test_mean_settles_in_a_simulation() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 40)
    now = mean(values)
    more = more_items_for_mean(now.value, now.low, now.high, 40, 0.0)
    if more:
        again = mean(np.resize(values, 40 + more + 40))
        assert again.low is not None
        assert again.low > 0


@pytest.mark.parametrize("more_items", [more_items_for_rate, more_items_for_mean])
def test_where_no_number_of_items_helps(more_items: object) -> None:
    assert callable(more_items)
    assert more_items(0.5, 0.4, 0.6, 10, 0.5) is None
    assert more_items(0.5, None, None, 10, 0.4) is None
    assert more_items(None, None, None, 0, 0.4) is None
    assert more_items(0.5, 0.4, 0.6, 10, 0.3) == 0
    with pytest.raises(ValueError, match="threshold"):
        more_items(0.5, 0.4, 0.6, 10, float("nan"))
    with pytest.raises(ValueError, match="low"):
        more_items(0.5, float("-inf"), 0.6, 10, 0.4)
    with pytest.raises(ValueError, match="does not hold"):
        more_items(0.5, 0.6, 0.7, 10, 0.4)
    with pytest.raises(ValueError, match="n must"):
        more_items(0.5, 0.4, 0.6, 0, 0.45)


def test_rate_out_of_range_and_without_a_score() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        more_items_for_rate(0.5, 0.4, 0.6, 10, 1.2)
    assert more_items_for_rate(0.02, 0.0, 0.05, 100, 0.01) == more_items_for_mean(0.02, 0.0, 0.05, 100, 0.01)
