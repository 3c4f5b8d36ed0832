"""Areas over the pairs within strata, against scikit-learn, a count of pairs and the unstratified metric."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit.metrics import auroc, auroc_difference, stratified_auroc


def counted(score: list[float], label: list[bool], strata: list[str]) -> float:
    """Each pair of one stratum, one by one."""
    pairs = [
        (score[i] > score[j]) + 0.5 * (score[i] == score[j])
        for i in range(len(score))
        for j in range(len(score))
        if strata[i] == strata[j] and label[i] and not label[j]
    ]
    return float(np.mean(pairs))


class TestStratified:
    @pytest.mark.parametrize("seed", range(3))
    def test_it_counts_pairs_within_strata(self, seed: int) -> None:
        stream = np.random.default_rng(seed)
        score = np.round(stream.random(40), 1).tolist()
        label, strata = (stream.random(40) < 0.4).tolist(), stream.choice(["a", "b", "c"], 40).tolist()
        assert stratified_auroc(score, label, strata).value == pytest.approx(counted(score, label, strata))

    def test_a_level_that_differs_between_strata_does_not_count(self) -> None:
        """Within each the positive scores higher; between them the stratum with more negatives has the higher scores."""
        score = [0.2, 0.1, 0.2, 0.2, 0.9, 0.8, 0.8, 0.8]
        label = [True, False, True, True, True, False, False, False]
        strata = [*"aaaa", *"bbbb"]
        pooled = auroc(score, label).value
        assert pooled is not None
        assert pooled < 0.5
        assert stratified_auroc(score, label, strata).value == 1.0

    def test_one_stratum_is_the_ordinary_area_with_its_interval(self) -> None:
        stream = np.random.default_rng(1)
        label = stream.random(50) < 0.3
        score = label + stream.normal(0, 1, 50)
        plain, found = auroc(score, label), stratified_auroc(score, label, ["x"] * 50)
        assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))

    def test_the_interval_holds_the_truth_about_as_often_as_it_says(self) -> None:
        """Normal scores a standard deviation apart (area 0.7602) in three strata of unlike shares and levels."""
        stream, held = np.random.default_rng(5), 0
        strata = np.repeat([0, 1, 2], 20)
        for _ in range(300):
            label = stream.random(60) < np.array([0.2, 0.5, 0.7])[strata]
            score = label + stream.normal(0, 1, 60) - 3.0 * strata
            found = stratified_auroc(score, label, strata.tolist())
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 0.7602 <= found.high
        assert 0.91 <= held / 300 <= 0.99

    def test_no_variation_between_clusters_keeps_its_width(self) -> None:
        label, score = [True, False] * 10, [1.0, 0.0] * 10
        found = stratified_auroc(score, label, ["x"] * 20, clusters=[i // 4 for i in range(20)])
        assert found.value == 1.0
        assert found.low is not None
        assert 0.5 < found.low < 1.0

    def test_more_of_the_same_clusters_is_no_more_evidence(self) -> None:
        stream = np.random.default_rng(7)
        label = stream.random(40) < 0.5
        score = label + stream.normal(0, 1, 40)
        once = stratified_auroc(score, label, ["x"] * 40)
        thrice = stratified_auroc(
            np.repeat(score, 3), np.repeat(label, 3), ["x"] * 120, clusters=np.repeat(np.arange(40), 3).tolist()
        )
        assert once.low is not None
        assert once.high is not None
        assert thrice.low is not None
        assert thrice.high is not None
        assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.3)

    def test_one_inversion_is_no_more_evidence_than_none(self) -> None:
        """Three positives in 60 clusters of two: a bootstrap of one inversion would be a tenth as wide as the score."""
        label = [i < 6 for i in range(120)]
        score = [1.0 if positive else 0.01 * i / 120 for i, positive in enumerate(label)]
        pairs = [i // 2 for i in range(120)]
        perfect = stratified_auroc(score, label, ["x"] * 120, clusters=pairs)
        score[-1] = 2.0
        inverted = stratified_auroc(score, label, ["x"] * 120, clusters=pairs)
        assert perfect.low is not None
        assert inverted.low is not None
        assert inverted.low < perfect.low < 0.75

    def test_a_question_asked_in_each_stratum_is_one_observation(self) -> None:
        """Two wrong answers to one question each in three wordings are not six."""
        once = stratified_auroc([9, 8, *range(8)], [1, 1, *[0] * 8], ["a"] * 10)
        thrice = stratified_auroc(
            [9, 8, *range(8)] * 3,
            [1, 1, *[0] * 8] * 3,
            [w for w in "abc" for _ in range(10)],
            clusters=[*range(10)] * 3,
        )
        assert once.value == thrice.value == 1.0
        assert once.low is not None
        assert thrice.low is not None
        assert thrice.low == pytest.approx(once.low, abs=0.02)

    def test_few_positives_in_clusters_keep_the_truth(self) -> None:
        """Scores that say nothing, four positives of 60 clusters, most of two items: the bootstrap alone missed 16%."""
        stream, held = np.random.default_rng(0), 0
        clusters = [*range(60), *range(40)]
        strata = [i % 3 for i in clusters[:60]] + [(i + 1) % 3 for i in clusters[60:]]
        for _ in range(60):
            wrong, level = stream.permutation(60) < 4, stream.normal(size=60)
            score = level[clusters] + 0.5 * stream.normal(size=100)
            found = stratified_auroc(score, wrong[clusters], strata, clusters=clusters, resamples=200)
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 0.5 <= found.high
        assert held >= 55

    def test_no_pair_within_a_stratum_is_nothing(self) -> None:
        found = stratified_auroc([1, 2], [True, False], ["a", "b"])
        assert found.value is None
        assert found.reason
        assert found.n == 0


class TestDifference:
    def test_it_is_the_difference_of_scikit_learns(self) -> None:
        stream = np.random.default_rng(1)
        label = stream.random(80) < 0.4
        good, bad = label + stream.normal(0, 0.5, 80), stream.normal(0, 1, 80)
        found = auroc_difference(good, bad, label, ["x"] * 80, resamples=500)
        assert found.value == pytest.approx(roc_auc_score(label, good) - roc_auc_score(label, bad))
        assert found.low is not None
        assert found.low > 0
        assert found.p_value is not None
        assert found.p_value < 0.01

    def test_two_signs_alike_do_not_differ(self) -> None:
        stream = np.random.default_rng(2)
        label = stream.random(60) < 0.5
        a, b = (label * 0.5 + stream.normal(0, 1, 60) for _ in range(2))
        found = auroc_difference(a, b, label, ["x"] * 60, resamples=500)
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0 < found.high

    def test_two_signs_of_nothing_are_seldom_found_to_differ_on_few_errors(self) -> None:
        stream, found = np.random.default_rng(0), 0
        label = [i < 5 for i in range(60)]
        for _ in range(80):
            a, b = stream.normal(size=(2, 60))
            p = auroc_difference(a, b, label, ["x"] * 60, resamples=200).p_value
            assert p is not None
            found += p < 0.05
        assert found <= 5

    def test_one_error_alone_ranks_no_signs(self) -> None:
        questions = [i // 2 for i in range(20)]
        wrong = [i < 2 for i in range(20)]
        found = auroc_difference(wrong, [*range(20)], wrong, ["x"] * 20, clusters=questions)
        assert found.value == pytest.approx(1.0)
        assert (found.low, found.p_value) == (None, None)

    def test_one_label_alone_tells_nothing(self) -> None:
        found = auroc_difference([1, 2], [2, 1], [1, 1], ["x", "x"])
        assert found.value is None
        assert found.reason
