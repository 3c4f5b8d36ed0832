"""Faithfulness and agreement of explanations, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.metrics import (
    aopc,
    completeness_error,
    comprehensiveness,
    gain_over_random,
    kendall_tau,
    perturbation_order,
    sufficiency,
    top_k_overlap,
)

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def test_order_is_by_falling_signed_score_and_stable() -> None:
    assert perturbation_order([0.1, 0.9, -2.0, 0.9, 0.1]).tolist() == [1, 3, 0, 4, 2]
    assert perturbation_order([]).tolist() == []


def test_curves_by_hand() -> None:
    assert comprehensiveness(-1.0, [-1.5, -3.0]).tolist() == [0.5, 2.0]
    assert sufficiency(-1.0, [-1.5, -0.5]).tolist() == [0.5, -0.5]
    assert aopc(-1.0, [-1.5, -3.0]) == 1.25
    assert aopc(-1.0, []) is None
    assert gain_over_random(1.25, [0.5, 0.0, 1.0]) == 0.75
    assert gain_over_random(1.25, []) is None


def test_the_planted_order_gains_over_random_ones() -> None:
    # An additive model: the output is the sum of the weights of the tokens left.
    weights = np.array([0.0, 5.0, 0.1, 0.0, 2.0, 0.3])

    def curve(order: np.ndarray) -> np.ndarray:
        return np.asarray(weights.sum() - np.cumsum(weights[order])[:-1])

    rng = np.random.default_rng(0)
    best = aopc(weights.sum(), curve(perturbation_order(weights)))
    random = [aopc(weights.sum(), curve(rng.permutation(6))) for _ in range(50)]
    worst = aopc(weights.sum(), curve(perturbation_order(-weights)))
    assert best is not None
    assert worst is not None
    assert (gain_over_random(best, random) or 0) > 1  # type: ignore[arg-type]
    assert (gain_over_random(worst, random) or 0) < -1  # type: ignore[arg-type]


def test_completeness() -> None:
    assert completeness_error([1.0, 2.0, -0.5], 4.0, 1.5) == 0
    assert completeness_error([1.0, 2.0], 1.0, -1.0) == 0.5
    assert completeness_error([-3.0], -4.0, -2.0) == 0.5
    assert completeness_error([0.0, 0.0], 1.0, 0.0) == 1
    assert completeness_error([1.0], 2.0, 2.0) is None
    assert completeness_error([], 2.0, 1.0) is None


def test_kendall_tau() -> None:
    first, second = [1, 2, 3, 4, 5], [3, 1, 2, 5, 4]
    assert kendall_tau(first, second) == pytest.approx((7 - 3) / 10)
    assert kendall_tau(first, first) == pytest.approx(1)
    assert kendall_tau(first, first[::-1]) == pytest.approx(-1)
    assert kendall_tau([1, 2, 2, 3], [1, 3, 2, 3]) == pytest.approx(
        stats.kendalltau([1, 2, 2, 3], [1, 3, 2, 3]).statistic
    )
    assert kendall_tau([1, 1, 1], [1, 2, 3]) is None
    assert kendall_tau([1], [1]) is None


def test_top_k_overlap() -> None:
    assert top_k_overlap([5, 4, 3, 2, 1], [5, 1, 4, 2, 3], 2) == (0.5, 0.4)
    assert top_k_overlap([1, 2], [2, 1], 1) == (0.0, 0.5)
    assert top_k_overlap([], [], 1) is None
    for k in (0, 3):
        with pytest.raises(ValueError, match="k must"):
            top_k_overlap([1, 2], [2, 1], k)


def test_chance_of_overlap_is_what_random_scores_give() -> None:
    rng = np.random.default_rng(1)
    results = [top_k_overlap(rng.random(12), rng.random(12), 3) for _ in range(1500)]
    assert np.mean([r.overlap for r in results if r]) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_is_refused_by_name(bad: float) -> None:
    for name, call in {
        "scores": lambda: perturbation_order([0.0, bad]),
        "without_top": lambda: comprehensiveness(1.0, [bad]),
        "only_top": lambda: sufficiency(1.0, [bad]),
        "full": lambda: aopc(bad, [1.0]),
        "curve": lambda: aopc(1.0, [bad]),
        "aopc_method": lambda: gain_over_random(bad, [1.0]),
        "aopc_random": lambda: gain_over_random(1.0, [bad]),
        "baseline": lambda: completeness_error([1.0], 1.0, bad),
        "first": lambda: kendall_tau([bad, 1.0], [1.0, 2.0]),
        "second": lambda: top_k_overlap([1.0, 2.0], [bad, 1.0], 1),
    }.items():
        with pytest.raises(ValueError, match=name):
            call()
    with pytest.raises(ValueError, match="lengths differ"):
        kendall_tau([1.0], [1.0, 2.0])


@SETTINGS
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=15), st.data())
def test_agreement_is_symmetric_and_ignores_the_order_of_tokens(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    first, second = [r[0] for r in rows], [r[1] for r in rows]
    tau = kendall_tau(first, second)
    shuffled = data.draw(st.permutations(rows))
    if tau is None:
        assert kendall_tau(second, first) is None
    else:
        assert -1 - 1e-12 <= tau <= 1 + 1e-12
        assert kendall_tau(second, first) == pytest.approx(tau)
        assert kendall_tau([r[0] for r in shuffled], [r[1] for r in shuffled]) == pytest.approx(tau)
    k = data.draw(st.integers(1, len(rows)))
    assert top_k_overlap(first, second, k) == top_k_overlap(second, first, k)
