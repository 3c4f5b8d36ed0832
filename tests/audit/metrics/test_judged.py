"""The share behind a fallible reader's readings: right on average, never surer than the reader, and nothing from a bad one."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics import corrected_rate, effective_count, rate


def hits(k: int, n: int) -> list[bool]:
    return [i < k for i in range(n)]


def test_the_formula_of_rogan_and_gladen() -> None:
    found = corrected_rate(hits(30, 100), None, (90, 100), (80, 100))
    assert found.value == pytest.approx((0.3 + 0.8 - 1) / (0.9 + 0.8 - 1))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.value < found.high <= 1


def test_a_perfect_reader_changes_little() -> None:
    found = corrected_rate(hits(30, 100), None, (5000, 5000), (5000, 5000))
    plain = rate(hits(30, 100))
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(plain.low, abs=0.01)
    assert found.high == pytest.approx(plain.high, abs=0.01)


def test_a_less_tested_reader_gives_a_wider_interval() -> None:
    def width(n: int) -> float:
        found = corrected_rate(hits(60, 200), None, (9 * n, 10 * n), (9 * n, 10 * n))
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(2) > width(10) > width(100)


def test_clusters_widen_it() -> None:
    answers = [i // 10 % 2 == 0 for i in range(200)]  # ten alike in each cluster
    alone = corrected_rate(answers, None, (95, 100), (95, 100))
    together = corrected_rate(answers, [i // 10 for i in range(200)], (95, 100), (95, 100))
    assert together.high is not None
    assert alone.high is not None
    assert together.high - 0.5 > 1.5 * (alone.high - 0.5)
    assert together.clusters == 20


def test_labels_in_clusters_widen_it_too() -> None:
    labels, about = [True] * 100, [i // 4 for i in range(100)]
    assert effective_count(labels, about) == (25.0, 25.0)
    assert effective_count(labels, None) == effective_count(labels, range(100)) == (100.0, 100.0)
    assert effective_count([], None) == (0.0, 0.0)
    alone, together = (
        corrected_rate(hits(30, 100), None, known, known)
        for known in (effective_count(labels, None), effective_count(labels, about))
    )
    assert alone.value == together.value == pytest.approx(0.3)
    assert together.low is not None
    assert alone.low is not None
    assert together.low < alone.low - 0.01


@pytest.mark.parametrize(
    ("sensitivity", "specificity"), [((50, 100), (50, 100)), ((6, 10), (5, 10)), ((10, 100), (95, 100))]
)
def test_a_reader_that_may_be_no_better_than_chance_gives_no_share(
    sensitivity: tuple[int, int], specificity: tuple[int, int]
) -> None:
    found = corrected_rate(hits(30, 100), None, sensitivity, specificity)
    assert found.value is None
    assert "no better than chance" in str(found.reason)


def test_without_observations_or_labels_there_is_no_share() -> None:
    assert corrected_rate([], None, (9, 10), (9, 10)).value is None
    assert "both kinds" in str(corrected_rate(hits(1, 2), None, (0, 0), (9, 10)).reason)


@pytest.mark.parametrize("counts", [(-1, 10), (11, 10)])
def test_counts_that_are_none_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no count"):
        corrected_rate(hits(1, 2), None, counts, (9, 10))


def test_none_found_by_a_reader_with_false_alarms_is_none_and_not_less() -> None:
    found = corrected_rate(hits(2, 100), None, (90, 100), (80, 100))
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high is not None
    assert found.high > 0


def test_the_interval_holds_the_true_share_about_as_often_as_it_says() -> None:
    """Simulated: 300 audits of 150 answers by a reader tested on 60 and 60 labels; 95% intervals."""
    draws = np.random.default_rng(5)
    true, sensitivity, specificity = 0.25, 0.85, 0.9
    seen = true * sensitivity + (1 - true) * (1 - specificity)
    held = 0
    for seed in range(300):
        answers = draws.random(150) < seen
        known = int(draws.binomial(60, sensitivity)), int(draws.binomial(60, specificity))
        found = corrected_rate(answers, None, (known[0], 60), (known[1], 60), seed=seed)
        held += found.low is not None and found.high is not None and found.low <= true <= found.high
    assert 0.92 <= held / 300 <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (corrected_rate(hits(30, 100), None, (90, 100), (80, 100), seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.high != other.high
