"""Formulas of doubt against independent computations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from audit.metrics import (
    aurac,
    aurc,
    best_aurc,
    excess_aurc,
    meaning_clusters,
    predictive_entropy,
    risk_at,
    risk_coverage,
    semantic_entropy,
    unigram_surprisals,
    weighted_semantic_entropy,
)


class TestMeanings:
    def test_both_directions_are_needed(self) -> None:
        entails = np.array([[1, 1, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)
        assert meaning_clusters(entails).tolist() == [0, 1, 1]

    def test_an_answer_is_compared_with_the_first_of_a_group_alone(self) -> None:
        """0 = 1 and 1 = 2, but 2 is not 0: it opens a group, though 1, in the first group, means the same."""
        same = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool)
        assert meaning_clusters(same).tolist() == [0, 0, 1]

    def test_the_diagonal_is_not_read(self) -> None:
        assert meaning_clusters(np.zeros((3, 3))).tolist() == [0, 1, 2]
        assert meaning_clusters(np.zeros((0, 0))).tolist() == []

    @pytest.mark.parametrize("table", [[[1, 0]], [[0.5]], [[float("nan")]]])
    def test_what_is_no_table_is_refused(self, table: list[list[float]]) -> None:
        with pytest.raises(ValueError, match="entails"):
            meaning_clusters(table)


class TestEntropies:
    @pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1], [0, 0, 1, 2, 2, 2], list("abcde")])
    def test_the_discrete_one_equals_scipy(self, labels: list[object]) -> None:
        counts = [labels.count(x) for x in set(labels)]
        assert semantic_entropy(labels) == pytest.approx(float(stats.entropy(counts)), abs=1e-12)

    def test_the_weighted_one_by_hand(self) -> None:
        """Likelihoods 0.2 and 0.3 of one meaning, 0.5 of another: shares one half each."""
        found = weighted_semantic_entropy([0, 0, 1], np.log([0.2, 0.3, 0.5]))
        assert found == pytest.approx(np.log(2))
        assert weighted_semantic_entropy([0, 1], np.log([0.9, 0.1])) == pytest.approx(
            -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
        )

    def test_equal_likelihoods_give_the_discrete_one_however_small(self) -> None:
        labels = [0, 0, 1, 2, 2]
        assert weighted_semantic_entropy(labels, [-5000.0] * 5) == pytest.approx(semantic_entropy(labels))

    def test_the_naive_one_knows_no_meanings(self) -> None:
        assert predictive_entropy([-1.0, -3.0]) == 2.0

    def test_nothing_gives_nothing(self) -> None:
        assert semantic_entropy([]) is weighted_semantic_entropy([], []) is predictive_entropy([]) is None

    def test_not_a_number_is_refused(self) -> None:
        with pytest.raises(ValueError, match="logprobs"):
            weighted_semantic_entropy([0, 1], [float("nan"), -1.0])


def curve_over_all_orders(confidence: list[float], right: list[bool]) -> list[float]:
    """The mean curve over each order that puts no less confident answer before a more confident one."""
    curves = []
    for order in permutations(range(len(right))):
        ranked = [confidence[i] for i in order]
        if ranked == sorted(ranked, reverse=True):
            wrong = np.array([not right[i] for i in order])
            curves.append(np.cumsum(wrong) / np.arange(1, len(right) + 1))
    return list(np.mean(curves, axis=0))


class TestRiskAndCoverage:
    CONFIDENCE = (0.9, 0.9, 0.5, 0.5, 0.5, 0.1)
    RIGHT = (True, False, True, False, True, False)

    def test_ties_have_no_order(self) -> None:
        wanted = curve_over_all_orders(list(self.CONFIDENCE), list(self.RIGHT))
        assert risk_coverage(self.CONFIDENCE, self.RIGHT).tolist() == pytest.approx(wanted)
        assert aurc(self.CONFIDENCE, self.RIGHT) == pytest.approx(np.mean(wanted))

    def test_a_constant_confidence_gives_the_error_rate_everywhere(self) -> None:
        assert risk_coverage([0.5] * 4, [1, 0, 0, 0]).tolist() == pytest.approx([0.75] * 4)

    def test_the_best_and_the_worst_order(self) -> None:
        right = [1, 1, 0, 0]
        assert aurc([4, 3, 2, 1], right) == best_aurc(right) == pytest.approx((1 / 3 + 2 / 4) / 4)
        assert excess_aurc([4, 3, 2, 1], right) == 0.0
        worst = (1 + 1 + 2 / 3 + 2 / 4) / 4
        assert excess_aurc([1, 2, 3, 4], right) == pytest.approx(worst - (1 / 3 + 2 / 4) / 4)

    @pytest.mark.parametrize(("share", "risk"), [(0.1, 0.0), (0.5, 0.0), (0.51, 1 / 3), (0.8, 0.5), (1.0, 0.5)])
    def test_risk_at_a_share_rounds_up_to_an_answer(self, share: float, risk: float) -> None:
        assert risk_at(share, risk_coverage([4, 3, 2, 1], [1, 1, 0, 0])) == pytest.approx(risk)

    def test_a_share_must_be_one(self) -> None:
        with pytest.raises(ValueError, match="share"):
            risk_at(0.0, [0.5])

    def test_nothing_gives_nothing(self) -> None:
        for area in (aurc, excess_aurc):
            with pytest.raises(ValueError, match="no observations"):
                area([], [])
        with pytest.raises(ValueError, match="empty"):
            risk_at(0.5, [])
        with pytest.raises(ValueError, match="no observations"):
            aurac([], [])

    def test_many_samples_at_once_are_as_each_alone(self) -> None:
        stream = np.random.default_rng(4)
        stated, right = np.round(stream.random((5, 12)), 1), stream.random((5, 12)) < 0.5
        curves, areas = risk_coverage(stated, right), aurac(stated, right)
        for row in range(5):
            assert curves[row].tolist() == pytest.approx(risk_coverage(stated[row], right[row]).tolist())
            assert areas[row] == pytest.approx(float(aurac(stated[row], right[row])))

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(ValueError, match="shapes differ"):
            risk_coverage([1.0, 2.0], [1])

    @pytest.mark.parametrize("seed", range(3))
    def test_the_rejection_curve_as_the_authors_compute_it(self, seed: int) -> None:
        """Their sum of twenty strips, 0.9/19 wide each, is 18/19 of the mean."""
        stream = np.random.default_rng(seed)
        unsure, right = np.round(stream.random(40), 1), stream.random(40) < 0.6
        total = 0.0
        for q in np.linspace(0.1, 1, 20):
            kept = unsure <= np.quantile(unsure, q)
            total += float(right[kept].mean()) * 0.9 / 19
        assert aurac(unsure, right) == pytest.approx(total * 19 / 18)

    def test_entropy_that_is_always_alike_gives_the_accuracy(self) -> None:
        assert aurac([0.3] * 5, [1, 1, 0, 0, 0]) == pytest.approx(0.4)


class TestSurprise:
    def test_by_hand(self) -> None:
        found = unigram_surprisals(["a", "b"], [["a", "b"], ["a", "a"]])
        assert found.tolist() == pytest.approx([-np.log(3 / 4), -np.log(1 / 4)])

    def test_a_word_that_no_text_holds_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'c'"):
            unigram_surprisals(["c"], [["a"]])
