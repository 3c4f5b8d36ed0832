"""Checks of explanations, by hand, against other computations and on what must be refused."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import auc, f1_score, jaccard_score, precision_recall_curve

from audit.metrics import (
    aopc,
    evidence_auprc,
    evidence_f1,
    evidence_iou,
    infidelity,
    mean_pairwise_tau,
    median,
    normalised_aopc,
    polarity_violations,
    score_correlation,
    smallest_detectable,
)

WEIGHTS = np.array([0.1, 2.0, -1.0, 0.5])


def additive(kept: tuple[int, ...]) -> float:
    """An output to which each unit adds its weight."""
    return float(WEIGHTS[list(kept)].sum())


def area(order: tuple[int, ...]) -> float:
    full = additive(tuple(range(4)))
    found = aopc(full, [additive(order[k:]) for k in (1, 2)])
    assert found is not None
    return found


def test_normalised_aopc_puts_the_best_of_all_orders_at_1_and_the_worst_at_0() -> None:
    areas = {order: area(order) for order in permutations(range(4))}
    low, high = min(areas.values()), max(areas.values())
    by_weight = tuple(int(i) for i in np.argsort(-WEIGHTS))
    assert normalised_aopc(areas[by_weight], low, high) == pytest.approx(1.0)
    assert normalised_aopc(areas[by_weight[::-1]], low, high) == pytest.approx(0.0)
    shares = [normalised_aopc(a, low, high) for a in areas.values()]
    assert all(s is not None and -1e-12 <= s <= 1 + 1e-12 for s in shares)
    assert normalised_aopc(5.0, 1.0, 3.0) == 2.0
    assert normalised_aopc(1.0, 1.0, 1.0) is None
    with pytest.raises(ValueError, match="above"):
        normalised_aopc(1.0, 2.0, 1.0)


def test_infidelity_is_0_for_the_weights_of_a_sum_and_grows_with_what_is_wrong() -> None:
    stream = np.random.default_rng(0)
    kept = [tuple(np.flatnonzero(stream.random(4) < 0.5).tolist()) for _ in range(40)]
    outputs = [additive(k) for k in kept]
    full = additive((0, 1, 2, 3))
    assert infidelity(WEIGHTS, full, kept, outputs) == pytest.approx(0.0, abs=1e-12)
    nothing = infidelity(np.zeros(4), full, kept, outputs)
    assert nothing == pytest.approx(np.mean([(full - o) ** 2 for o in outputs]))
    assert infidelity(-WEIGHTS, full, kept, outputs) == pytest.approx(4 * (nothing or 0))
    # One removal of one unit by hand: foretold 3, in truth 1.
    assert infidelity([3.0, 0.0], 1.0, [(1,)], [0.0]) == 4.0
    assert infidelity(WEIGHTS, full, [], []) is None
    with pytest.raises(ValueError, match="outside"):
        infidelity([1.0], 1.0, [(1,)], [0.0])
    with pytest.raises(ValueError, match="lengths differ"):
        infidelity([1.0], 1.0, [(0,)], [])


def test_score_correlation_is_spearmans_with_ties() -> None:
    first, second = [3.0, 1.0, 1.0, 5.0, 2.0], [1.0, 0.0, 2.0, 9.0, 2.0]
    assert score_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert score_correlation([1, 2, 3], [9, 8, 7]) == -1.0
    assert score_correlation([1, 1, 1], [1, 2, 3]) is None
    assert score_correlation([1.0], [2.0]) is None
    with pytest.raises(ValueError, match="NaN"):
        score_correlation([1.0, float("nan")], [1.0, 2.0])


def test_mean_pairwise_tau_leaves_out_what_orders_nothing() -> None:
    up, down, flat = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]
    assert mean_pairwise_tau([up, up, down]) == pytest.approx((1 - 1 - 1) / 3)
    assert mean_pairwise_tau([up, up, flat]) == 1.0
    assert mean_pairwise_tau([up, flat]) is None
    assert mean_pairwise_tau([up]) is None


def test_polarity_violations_by_hand() -> None:
    effects = [1.0, -2.0, 0.5, 0.0]
    assert polarity_violations([3.0, -2.0, 0.1, 0.2], effects, 2) == 0.0
    assert polarity_violations([3.0, 2.0, 0.1, 0.2], effects, 2) == 0.5
    assert polarity_violations([-3.0, 2.0, 0.1, 0.2], effects, 2) == 1.0
    # The strongest unit has no effect, and so no sign to violate.
    assert polarity_violations([0.0, 0.0, 0.1, 9.0], effects, 1) is None
    assert polarity_violations([], [], 1) is None
    with pytest.raises(ValueError, match="between 1"):
        polarity_violations([1.0], [1.0], 2)


def test_evidence_by_hand_and_by_scikit_learn() -> None:
    scores, marked = [0.9, 0.1, 0.8, 0.7, 0.0], [1, 0, 0, 1, 0]
    top = [1, 0, 1, 0, 0]
    assert evidence_f1(scores, marked, 2) == pytest.approx(f1_score(marked, top)) == 0.5
    assert evidence_iou(scores, marked, 2) == pytest.approx(jaccard_score(marked, top)) == pytest.approx(1 / 3)
    assert evidence_f1(scores, marked, 3) == pytest.approx(2 * 2 / (3 + 2))
    assert evidence_auprc([5, 4, 1, 0], [1, 1, 0, 0]) == 1.0
    # Ranks 1 and 3: trapezoids between recall 0, 1/2, 1/2 and 1 at precision 1, 1, 1/2 and 2/3.
    assert evidence_auprc(scores, marked) == pytest.approx(0.5 + 0.5 * (1 / 2 + 2 / 3) / 2)
    stream = np.random.default_rng(2)
    for _ in range(20):
        tied, named = stream.integers(0, 5, 12), stream.permutation([1] * 3 + [0] * 9)
        precision, recall, _ = precision_recall_curve(named, tied)
        assert evidence_auprc(tied, named) == pytest.approx(auc(recall, precision))
    assert evidence_auprc(scores, [0] * 5) is None
    assert evidence_auprc(scores, [1] * 5) is None
    assert evidence_f1(scores, [0] * 5, 2) is None
    assert evidence_iou(scores, [0] * 5, 2) is None


def test_the_median_holds_the_truth_as_often_as_it_says_and_not_much_more() -> None:
    stream = np.random.default_rng(3)
    truth, n, held = 1.0, 25, 0
    for _ in range(400):
        found = median(stream.exponential(1 / np.log(2), n), 0.9)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    # 25 values: from the 8th to the 18th, which hold it in 95.7% at most and 89.2% would be one narrower.
    assert 0.9 <= held / 400 <= 0.98
    assert median([4, 1, 9, 2, 7, 5, 3, 8, 6, 10]).low == 2
    assert median([4, 1, 9, 2, 7, 5, 3, 8, 6, 10]).high == 9
    assert median([1.0, 2.0, 3.0]).low is None
    assert median([]).value is None
    same = median([2.0] * 10)
    assert (same.low, same.value, same.high) == (2.0, 2.0, 2.0)


def test_the_smallest_detectable_mean_is_detected_as_often_as_it_says() -> None:
    stream = np.random.default_rng(1)
    n = 30
    wanted = smallest_detectable(np.linspace(-1.7, 1.7, n))
    spread = np.linspace(-1.7, 1.7, n).std(ddof=1)
    assert wanted is not None
    found = [stats.ttest_1samp(stream.normal(wanted, spread, n), 0).pvalue < 0.05 for _ in range(600)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
    assert smallest_detectable([1.0]) is None
    assert smallest_detectable([2.0, 2.0]) == 0.0
    with pytest.raises(ValueError, match="level"):
        smallest_detectable([1.0, 2.0], level=1.0)
