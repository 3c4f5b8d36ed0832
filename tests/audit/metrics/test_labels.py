"""Macro-F1 is scikit-learn's, the rank correlation is scipy's; both have intervals, and say where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from audit.metrics import macro_f1, rank_correlation


def test_macro_f1_is_that_of_scikit_learn() -> None:
    stream = np.random.default_rng(1)
    truth = stream.integers(0, 5, 80)  # the sixth class is never true
    given = np.where(stream.random(80) < 0.5, truth, stream.integers(0, 6, 80))
    found = macro_f1(truth, given, 6)
    assert found.value == pytest.approx(f1_score(truth, given, average="macro"))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    absent = macro_f1(truth, truth, 6)
    assert absent.value == 1.0  # a class that is nowhere does not pull the mean down


def test_macro_f1_of_a_fixed_answer() -> None:
    found = macro_f1([0, 0, 1, 1], [0, 0, 0, 0], 2)
    assert found.value == pytest.approx((2 * 2 / (4 + 2)) / 2)


@pytest.mark.parametrize("labels", [[0, 6], [-1, 0], [0.5, 1.0]])
def test_labels_must_be_class_numbers(labels: list[float]) -> None:
    with pytest.raises(ValueError, match="class numbers"):
        macro_f1(labels, [0, 1], 6)


def test_nothing_gives_no_f1() -> None:
    assert macro_f1([], [], 6).value is None


def test_rank_correlation_is_that_of_scipy() -> None:
    stream = np.random.default_rng(2)
    a = stream.integers(0, 6, 60).astype(float)
    b = a + 2 * stream.standard_normal(60)
    found = rank_correlation(b, a, clusters=[i // 3 for i in range(60)])
    assert found.value == pytest.approx(float(stats.spearmanr(a, b).statistic))
    assert found.clusters == 20
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high
    assert rank_correlation(a, a).value == pytest.approx(1.0)
    assert rank_correlation(a, -a).value == pytest.approx(-1.0)


@pytest.mark.parametrize("numbers", [[], [1.0], [2.0, 2.0, 2.0]])
def test_what_has_no_order_has_no_rank_correlation(numbers: list[float]) -> None:
    found = rank_correlation(numbers, [float(i) for i in range(len(numbers))])
    assert (found.value, found.n) == (None, 0)
    assert found.reason
