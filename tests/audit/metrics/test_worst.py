"""The worst of k draws against the mean over all sets of k."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest

from audit.metrics import at_least_one, expected_maximum

VALUES = [0.1, 0.9, 0.4, 0.4, 0.75, 0.0]


@pytest.mark.parametrize("k", range(1, 7))
def test_it_is_the_mean_over_all_sets_of_k(k: int) -> None:
    sets = list(combinations(VALUES, k))
    assert expected_maximum(VALUES, k) == pytest.approx(fmean(max(chosen) for chosen in sets))
    hits = [value >= 0.5 for value in VALUES]
    assert at_least_one(hits, k) == pytest.approx(fmean(any(chosen) for chosen in combinations(hits, k)))


def test_none_and_all() -> None:
    assert at_least_one([False] * 5, 3) == 0.0
    assert at_least_one([True] * 5, 3) == 1.0
    assert expected_maximum([0.3] * 30, 25) == 0.3


@pytest.mark.parametrize("k", [0, 7])
def test_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="6 draws"):
        expected_maximum(VALUES, k)
    with pytest.raises(ValueError, match="6 draws"):
        at_least_one([True] * 6, k)
