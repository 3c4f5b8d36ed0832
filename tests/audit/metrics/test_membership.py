"""Scores of membership inference and the rate of recognised members, against plain computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from audit.metrics import (
    loss_score,
    min_k_plus_score,
    min_k_score,
    needed_negatives,
    recognising_threshold,
    tpr_at_fpr,
    zlib_score,
)

LOGPROBS = [-0.1, -4.0, -2.0, -0.5, -8.0, -1.0, -3.0, -0.2, -0.3, -0.9, -6.0]
MEANS = [-1.0, -2.0, -2.0, -0.5, -3.0, -1.5, -2.0, -0.7, -0.3, -1.0, -4.0]
DEVIATIONS = [0.5, 1.0, 2.0, 0.5, 2.0, 0.5, 1.0, 0.5, 0.0, 0.2, 1.0]


class TestScores:
    def test_loss_and_zlib(self) -> None:
        assert loss_score(LOGPROBS) == pytest.approx(sum(LOGPROBS) / 11)
        assert zlib_score(LOGPROBS, 40) == pytest.approx(sum(LOGPROBS) / 11 / 40)

    def test_min_k_takes_whole_tokens_and_at_least_one(self) -> None:
        assert min_k_score(LOGPROBS, 0.2) == pytest.approx((-8.0 - 6.0) / 2)
        assert min_k_score(LOGPROBS, 0.3) == pytest.approx((-8.0 - 6.0 - 4.0) / 3)
        assert min_k_score([-1.0, -2.0, -5.0], 0.2) == -5.0
        assert min_k_score(LOGPROBS, 1.0) == pytest.approx(loss_score(LOGPROBS))
        # 0.7 of ten tokens is 7, though 0.7 * 10 is less in floating point for some shares.
        assert min_k_score(list(range(-10, 0)), 0.7) == pytest.approx(-7.0)

    def test_min_k_plus_standardises_place_by_place(self) -> None:
        z = [0.0 if d == 0 else (x - m) / d for x, m, d in zip(LOGPROBS, MEANS, DEVIATIONS, strict=True)]
        assert min_k_plus_score(LOGPROBS, MEANS, DEVIATIONS, 0.2) == pytest.approx(sum(sorted(z)[:2]) / 2)
        assert sorted(z)[0] == pytest.approx(-2.5)  # another token than the least likely one

    def test_what_is_no_text_is_refused(self) -> None:
        for call in (
            lambda: loss_score([]),
            lambda: loss_score([math.nan]),
            lambda: zlib_score([-1.0], 0),
            lambda: min_k_score([-1.0], 0.0),
            lambda: min_k_score([-1.0], 1.1),
            lambda: min_k_plus_score([-1.0], [-1.0], [-0.5]),
            lambda: min_k_plus_score([-1.0, -2.0], [-1.0], [0.5]),
        ):
            with pytest.raises(ValueError, match=r"."):
                call()


def sides(others: int, members: int) -> np.ndarray:
    return np.repeat([0, 1], [others, members])


class TestRecognised:
    def test_too_few_non_members_is_said_with_the_number_needed(self) -> None:
        stream = np.random.default_rng(0)
        assert needed_negatives(0.01) == 99
        assert needed_negatives(0.1) == 9
        few = tpr_at_fpr(stream.normal(size=198), sides(98, 100))
        assert few.value is None
        assert few.n == 0
        assert "99 non-members" in str(few.reason)
        assert "98 have a score" in str(few.reason)
        assert tpr_at_fpr(stream.normal(size=199), sides(99, 100)).value is not None
        assert tpr_at_fpr(stream.normal(size=99), sides(99, 0)).value is None

    def test_agrees_with_the_roc_curve(self) -> None:
        stream = np.random.default_rng(1)
        label = sides(400, 300)
        score = stream.normal(size=700) + 2 * label
        false, true, _ = roc_curve(label, score, drop_intermediate=False)
        # Of 400, four may be above by the rule of ranks, less the one that sets the threshold.
        assert tpr_at_fpr(score, label).value == pytest.approx(true[false <= 3 / 400].max())

    def test_a_new_non_member_is_above_the_threshold_as_often_as_promised(self) -> None:
        stream = np.random.default_rng(2)
        above = []
        for _ in range(4000):
            threshold = recognising_threshold(stream.exponential(size=150), np.zeros(150))
            assert threshold is not None
            above.append(math.exp(-threshold))
        assert np.mean(above) == pytest.approx(1 / 151, rel=0.1)

    def test_the_p_value_holds_for_members_that_are_like_the_others(self) -> None:
        stream = np.random.default_rng(3)
        p = [tpr_at_fpr(stream.normal(size=199), sides(99, 100), resamples=2).p_value for _ in range(200)]
        assert 0.0 < np.mean(np.array(p) < 0.05) < 0.1

    def test_all_told_apart_and_none(self) -> None:
        stream = np.random.default_rng(4)
        label = sides(100, 100)
        all_told = tpr_at_fpr(stream.normal(size=200) + 20 * label, label)
        assert all_told.value == all_told.high == 1
        assert all_told.low is not None
        assert 0.9 < all_told.low < 1
        assert all_told.p_value is not None
        assert all_told.p_value < 1e-6
        none = tpr_at_fpr(np.ones(200), label)
        assert none.value == 0
        assert none.p_value == 1
        assert none.high is not None
        assert none.high > 0.03

    def test_texts_of_one_source_count_once(self) -> None:
        stream = np.random.default_rng(5)
        label = sides(200, 200)
        score = np.repeat(stream.normal(size=100), 4) + label
        clusters = [f"{i // 4}" for i in range(400)]
        alone, together = tpr_at_fpr(score, label), tpr_at_fpr(score, label, clusters=clusters)
        assert together.value is None  # 50 sources of non-members
        assert alone.value is not None
        wide = tpr_at_fpr(score, label, 0.1, clusters=clusters)
        narrow = tpr_at_fpr(score, label, 0.1)
        assert wide.clusters == 50
        assert None not in (wide.high, wide.low, narrow.high, narrow.low)
        assert wide.high - wide.low > narrow.high - narrow.low  # type: ignore[operator]
        assert wide.p_value is not None
        assert narrow.p_value is not None
        assert wide.p_value > narrow.p_value

    def test_the_chance_of_one_member_is_the_rank_of_the_threshold(self) -> None:
        """The next score is above the k-th of n with probability k / (n + 1), here with k of 2."""
        found = tpr_at_fpr([*range(199), 1000], [0] * 199 + [1])
        assert found.p_value == pytest.approx(2 / 200)
