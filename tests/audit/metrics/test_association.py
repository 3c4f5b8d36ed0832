"""The word embedding association test: against its formula in loops, all partitions, and what was planted."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.metrics import (
    Estimate,
    association_effect,
    association_p,
    associations,
    cosines,
    effect_interval,
    effect_size,
    relabelled_effects,
    resampled_effects,
)

FloatArray = NDArray[np.float64]


def vectors(words: int, seed: int, towards: float = 0.0) -> FloatArray:
    """Random directions, leaning along the first axis by ``towards``."""
    found = np.random.default_rng(seed).normal(size=(words, 20))
    found[:, 0] += towards
    return found


def planted(size: float, words: int = 8, seed: int = 0) -> FloatArray:
    """Cosines of X and Y with A and B, of which X and A lean one way and Y and B the other."""
    x, y = vectors(words, seed, size), vectors(words, seed + 1, -size)
    a, b = vectors(words, seed + 2, size), vectors(words, seed + 3, -size)
    return cosines(np.vstack([x, y]), np.vstack([a, b]))


def by_loops(x: FloatArray, y: FloatArray, a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """d and p of Caliskan et al. 2017, written out."""

    def cosine(u: FloatArray, v: FloatArray) -> float:
        return float(u @ v / math.sqrt((u @ u) * (v @ v)))

    def s(w: FloatArray) -> float:
        return statistics.mean(cosine(w, v) for v in a) - statistics.mean(cosine(w, v) for v in b)

    in_x, in_y = [s(w) for w in x], [s(w) for w in y]
    d = (statistics.mean(in_x) - statistics.mean(in_y)) / statistics.stdev([*in_x, *in_y])
    both = [*in_x, *in_y]
    further = total = 0
    for chosen in itertools.combinations(range(len(both)), len(in_x)):
        one = sum(both[i] for i in chosen)
        further += one - (sum(both) - one) >= sum(in_x) - sum(in_y) - 1e-12
        total += 1
    return d, further / total


@pytest.mark.parametrize("sizes", [(5, 5, 4, 4), (3, 5, 2, 6)])
@pytest.mark.parametrize("towards", [0.0, 1.0])
def test_effect_and_exact_p_are_those_of_the_paper(sizes: tuple[int, int, int, int], towards: float) -> None:
    signs = (1, -1, 1, -1)
    sets = [vectors(n, i, towards * sign) for i, (n, sign) in enumerate(zip(sizes, signs, strict=True))]
    table = cosines(np.vstack(sets[:2]), np.vstack(sets[2:]))
    estimate = association_effect(table, sizes[0], sizes[2])
    d, p = by_loops(*sets)
    assert estimate.value == pytest.approx(d)
    assert estimate.p_value == pytest.approx(p)
    assert estimate.n == sizes[0] + sizes[1]


def test_sampled_partitions_come_near_all_of_them_and_count_the_observed_in() -> None:
    small, wide = associations(planted(0.8, words=8), 8), associations(planted(1.0, words=12), 12)
    exact = association_p(small, 8)
    assert exact is not None
    order = np.argsort(np.random.default_rng(0).random((9999, 16)), axis=1)[:, :8]
    assert exact == pytest.approx((small[order].sum(1) >= small[:8].sum()).mean(), abs=0.01)
    sampled = association_p(wide, 12, seed=1)
    assert sampled is not None
    assert 0 < sampled < 0.2
    assert association_p(wide, 12, seed=1) == sampled
    certain = np.concatenate([np.ones(12), np.zeros(12)])
    assert association_p(certain, 12, resamples=99) == pytest.approx(0.01)  # one of a hundred: itself
    assert association_p(np.ones(8), 4) == 1.0
    assert association_p([1.0, 2.0], 2) is None
    assert association_p([1.0, 2.0], 0) is None


def test_the_sign_is_that_of_the_planted_lean() -> None:
    towards, against = planted(3.0), planted(3.0)[::-1]
    assert 1.0 < effect_size(associations(towards, 8), 8) <= 2.0
    assert effect_size(associations(against, 8), 8) == pytest.approx(-effect_size(associations(towards, 8), 8))
    low = association_effect(towards, 8, 8)
    assert low.low is not None
    assert low.low > 0.5
    other = association_effect(against, 8, 8)
    assert other.p_value is not None
    assert other.p_value > 0.99


def test_intervals_hold_the_truth_nearly_as_often_as_they_say() -> None:
    """Simulated with words that differ and attributes that differ; the two make the interval wide enough."""
    tries, held = 150, 0
    stream, signs = np.random.default_rng(5), np.repeat([0.5, -0.5], 12)
    truth = 0.8 / math.sqrt(1 + 0.8**2 / 4)
    for seed in range(tries):
        words = np.concatenate([stream.normal(0.8, 1, 12), stream.normal(0, 1, 12)])
        table = words[:, None] * signs + 0.5 * stream.normal(size=(24, 24))
        found = association_effect(table, 12, 12, resamples=400, seed=seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / tries > 0.88


def test_resamples_are_those_of_drawing_words() -> None:
    """With two words a set every draw can be listed; the mean over many comes near theirs."""
    table = np.array([[0.5, 0.1, 0.0, 0.2], [0.3, 0.2, 0.1, 0.1], [0.1, 0.0, 0.4, 0.2], [0.0, 0.3, 0.2, 0.3]])
    listed = []
    pairs = list(itertools.product((0, 1), repeat=2))
    for x, y, a, b in itertools.product(pairs, repeat=4):
        rows, columns = [*x, *(2 + i for i in y)], [*a, *(2 + i for i in b)]
        listed.append(effect_size(associations(table[np.ix_(rows, columns)], 2), 2))
    drawn = resampled_effects(table, 2, 2, 20000, seed=1)
    assert np.nanmean(drawn) == pytest.approx(np.nanmean(listed), abs=0.03)
    assert np.nanstd(drawn) == pytest.approx(np.nanstd(listed), abs=0.03)
    assert set(np.round(drawn[np.isfinite(drawn)], 6)) <= set(np.round(listed, 6))


def test_relabelled_effects_lie_around_zero() -> None:
    found = relabelled_effects(associations(planted(1.0), 8), 8, 4000)
    assert abs(found.mean()) < 0.05
    assert np.abs(found).max() < 2.1


def test_what_cannot_be_measured_has_a_reason() -> None:
    few = association_effect(planted(0.5)[:9], 8, 8)
    assert (few.value, few.reason) == (None, "fewer than 2 words of a set were scored")
    alike = association_effect(np.full((6, 6), 0.3), 3, 3)
    assert alike.value is None
    assert "no spread" in str(alike.reason)
    assert math.isnan(effect_size([0.2], 1))
    none = effect_interval(Estimate(0.5, None, None, 4, None, 0.95, ""), np.array([np.nan] * 5 + [0.5] * 5))
    assert (none.low, none.method) == (None, "not defined in 5 of 10 resamples: no interval")
    assert effect_interval(few, np.zeros(3)) is few


def test_cosines() -> None:
    found = cosines([[1, 0], [3, 4]], [[2, 0], [0, 5], [-1, 0]])
    assert found == pytest.approx(np.array([[1, 0, -1], [0.6, 0.8, -0.6]]))
    with pytest.raises(ValueError, match="length 0"):
        cosines([[0.0, 0.0]], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="2 and 3 numbers"):
        cosines([[1.0, 0.0]], [[1.0, 0.0, 2.0]])
    with pytest.raises(ValueError, match="NaN"):
        cosines([[math.nan, 0.0]], [[1.0, 0.0]])
