"""Calibration: hand calculations, scikit-learn, and the level of chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score

from audit.metrics import auroc, brier, calibration_null, expected_calibration_error, rate, reliability_table

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, database=None)
CONFIDENCE = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
CORRECT = [0, 0, 1, 0, 1, 0, 1, 1]


def test_error_by_hand() -> None:
    # Two bins: confidence 0.25 against accuracy 0.25, 0.75 against 0.75; four bins of two.
    assert expected_calibration_error(CONFIDENCE, CORRECT, 2, resamples=50).value == pytest.approx(0.0)
    four = expected_calibration_error(CONFIDENCE, CORRECT, 4, resamples=50)
    assert four.value == pytest.approx((0.15 + 0.15 + 0.15 + 0.15) / 4)
    assert expected_calibration_error(np.ones(9), np.zeros(9), resamples=50).value == 1.0


def test_ties_stay_in_one_bin() -> None:
    rows = reliability_table([0.5] * 7 + [0.9] * 3, [1] * 5 + [0] * 2 + [1, 1, 0], bins=5)
    assert [row.n for row in rows] == [7, 3]
    assert [row.mean_confidence for row in rows] == pytest.approx([0.5, 0.9])


def test_bins_have_equal_mass() -> None:
    rng = np.random.default_rng(0)
    assert [row.n for row in reliability_table(rng.random(50) ** 4, rng.random(50) < 0.5, 10)] == [5] * 10


def test_table_rows_carry_wilson_intervals_and_add_up_to_the_error() -> None:
    rng = np.random.default_rng(1)
    stated = rng.random(83)
    right = rng.random(83) < stated**2
    rows = reliability_table(stated, right, 10)
    first = rate(right[np.argsort(stated)][: rows[0].n])
    assert (rows[0].low, rows[0].high) == (first.low, first.high)
    error = sum(row.n * abs(row.accuracy - row.mean_confidence) for row in rows) / 83
    assert expected_calibration_error(stated, right, 10, resamples=20).value == pytest.approx(error)
    clusters = np.arange(83) // 3
    wider = reliability_table(stated, right, 2, clusters=clusters)[0]
    assert wider.n in (41, 42)
    assert wider.low is not None


def test_null_is_reached_by_a_calibrated_model_and_exceeded_by_an_overconfident_one() -> None:
    rng = np.random.default_rng(2)
    stated = rng.uniform(0.5, 1, 300)
    null = calibration_null(stated)
    calibrated = []
    for _ in range(150):
        rows = reliability_table(stated, rng.random(300) < stated)
        calibrated.append(sum(row.n * abs(row.accuracy - row.mean_confidence) for row in rows) / 300)
    assert null.value == pytest.approx(float(np.mean(calibrated)), abs=0.004)
    overconfident = expected_calibration_error(stated, rng.random(300) < stated - 0.3, resamples=200)
    assert overconfident.low is not None
    assert null.high is not None
    assert overconfident.low > null.high


def test_null_by_hand() -> None:
    # One bin, n fair coins: the mean absolute deviation of a binomial.
    n = 12
    expected = float(np.sum(stats.binom.pmf(np.arange(n + 1), n, 0.5) * np.abs(np.arange(n + 1) / n - 0.5)))
    assert calibration_null(np.full(n, 0.5), 1, resamples=20000).value == pytest.approx(expected, abs=0.002)
    assert calibration_null([0.0, 1.0]).value == 0
    large = calibration_null(np.full(100, 0.5)).value
    assert large is not None
    assert large < expected


def test_error_of_a_calibrated_model_says_how_its_interval_came_about() -> None:
    rng = np.random.default_rng(3)
    stated = rng.random(60)
    estimate = expected_calibration_error(stated, rng.random(60) < stated, resamples=200)
    assert estimate.low == 0
    assert estimate.method.endswith("0 not excluded")


def test_brier_equals_scikit_learn() -> None:
    estimate = brier(CONFIDENCE, CORRECT)
    assert estimate.value == pytest.approx(brier_score_loss(CORRECT, CONFIDENCE))
    assert estimate.low is not None
    assert estimate.low >= 0
    certain = brier(np.ones(20), np.ones(20))
    assert (certain.value, certain.low) == (0, 0)
    assert certain.high == pytest.approx(0.1611, abs=5e-5)
    assert brier([0.4], [1]).low is None


@pytest.mark.parametrize("seed", range(3))
def test_auroc_equals_scikit_learn_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random(50) < 0.4
    scores = np.round(rng.normal(size=50) + labels, 1)
    estimate = auroc(scores, labels)
    assert estimate.value == pytest.approx(roc_auc_score(labels, scores))
    assert estimate.p_value == pytest.approx(stats.mannwhitneyu(scores[labels], scores[~labels]).pvalue)
    mirrored = auroc(-scores, labels)
    assert mirrored.low == pytest.approx(1 - (estimate.high or 0))


def test_auroc_interval_solves_newcombes_equation() -> None:
    estimate = auroc(np.arange(20), np.repeat([0, 1, 0, 1], [8, 3, 2, 7]))
    for area in (estimate.low, estimate.high):
        assert area is not None
        others = 20 / 2 - 1
        variance = area * (1 - area) * (1 + others * (1 - area) / (2 - area) + others * area / (1 + area)) / 100
        assert abs(area - (estimate.value or 0)) / variance**0.5 == pytest.approx(1.959964, abs=1e-4)


def test_auroc_at_its_ends_and_ties() -> None:
    perfect = auroc([1, 2, 3, 4], [0, 0, 1, 1])
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low is not None
    assert perfect.low < 0.6
    assert auroc([1, 2, 3, 4], [1, 1, 0, 0]).low == 0.0
    tied = auroc([5, 5, 5, 5], [0, 1, 0, 1])
    assert (tied.value, tied.p_value) == (0.5, 1.0)


def test_auroc_in_clusters() -> None:
    rng = np.random.default_rng(9)
    codes = np.repeat(np.arange(20), 4)
    labels = rng.random(80) < 0.5
    scores = rng.normal(size=20)[codes] + labels
    estimate = auroc(scores, labels, clusters=codes, resamples=200)
    assert (estimate.p_value, estimate.clusters) == (None, 20)
    assert "resamples of clusters" in estimate.method
    assert auroc(scores, labels, clusters=np.arange(80)).method == "Newcombe score; Mann-Whitney"


def test_empty_one_sided_and_mistaken_input() -> None:
    for estimate in (expected_calibration_error([], []), brier([], []), calibration_null([]), auroc([], [])):
        assert (estimate.value, estimate.reason) == (None, "no observations")
    assert reliability_table([], []) == []
    assert auroc([1.0, 2.0], [1, 1]).reason == "only one of the two labels is present"
    for bad in (np.nan, np.inf, 1.5, -0.1):
        for metric in (expected_calibration_error, brier, reliability_table):
            with pytest.raises(ValueError, match="confidence"):
                metric([0.5, bad], [0, 1])
        with pytest.raises(ValueError, match="confidence"):
            calibration_null([0.5, bad])
        with pytest.raises(ValueError, match="correct"):
            brier([0.5, 0.5], [0, bad])
    with pytest.raises(ValueError, match="score"):
        auroc([0.5, np.nan], [0, 1])
    with pytest.raises(ValueError, match="label"):
        auroc([0.5, 0.6], [0, 2])
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([0.5], [1], 0)
    with pytest.raises(ValueError, match="lengths differ"):
        brier([0.5], [1, 0])


@SETTINGS
@given(
    rows=st.lists(st.tuples(st.floats(0, 1).map(lambda x: round(x, 2)), st.booleans()), min_size=1, max_size=40),
    bins=st.integers(1, 12),
    data=st.data(),
)
def test_order_of_items_does_not_matter(rows: list[tuple[float, bool]], bins: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    one, two = (reliability_table([r[0] for r in x], [r[1] for r in x], bins) for x in (rows, shuffled))
    assert [row.n for row in one] == [row.n for row in two]
    assert [row.accuracy for row in one] == [row.accuracy for row in two]
    assert sum(row.n for row in one) == len(rows)
    error = expected_calibration_error([r[0] for r in rows], [r[1] for r in rows], bins, resamples=1).value
    assert error is not None
    assert 0 <= error <= 1
