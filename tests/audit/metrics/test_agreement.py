"""Cohen's kappa is scikit-learn's, for one pair of readings and for many at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from audit.metrics import cohen_kappa, kappa


def test_it_is_that_of_scikit_learn() -> None:
    stream = np.random.default_rng(0)
    first = stream.random((5, 60)) < 0.4
    second = first ^ (stream.random((5, 60)) < 0.2)
    expected = [cohen_kappa_score(a, b) for a, b in zip(first, second, strict=True)]
    assert cohen_kappa(first, second).tolist() == pytest.approx(expected, abs=1e-12)
    assert float(cohen_kappa(first[0], second[0])) == pytest.approx(expected[0], abs=1e-12)


def test_full_agreement_is_one_and_where_chance_agrees_fully_there_is_none() -> None:
    mixed, same = np.array([True, False, True]), np.array([True, True, True])
    assert float(cohen_kappa(mixed, mixed)) == 1.0
    assert float(cohen_kappa(mixed, ~mixed)) == pytest.approx(-0.8)
    assert np.isnan(cohen_kappa(same, same))


class TestInterval:
    def test_full_agreement_has_an_interval_that_shrinks_with_evidence(self) -> None:
        few, many = ([True, False] * half for half in (5, 60))
        for said in (few, many):
            found = kappa(said, said)
            assert (found.value, found.high) == (1.0, 1.0)
            assert found.low is not None
        low_few, low_many = kappa(few, few).low, kappa(many, many).low
        assert low_few is not None
        assert low_many is not None
        # Half of the things are of each kind: kappa is twice the agreement less one, and Wilson's limits are known.
        assert low_few == pytest.approx(2 * 10 / (10 + 1.959964**2) - 1, abs=1e-6)
        assert low_many > 0.9

    def test_one_disagreement_is_not_surer_than_none(self) -> None:
        said = [True, False] * 30
        other = [False, *said[1:]]
        none, one = kappa(said, said), kappa(said, other)
        assert none.low is not None
        assert one.low is not None
        assert one.low < none.low

    def test_things_that_belong_together_count_once(self) -> None:
        said = [True, False] * 40
        alone, together = kappa(said, said), kappa(said, said, [i // 8 for i in range(80)])
        assert alone.low is not None
        assert together.low is not None
        assert together.low < alone.low - 0.2

    def test_many_disagreements_get_the_bootstrap(self) -> None:
        stream = np.random.default_rng(0)
        first = stream.random(100) < 0.5
        found = kappa(first, first ^ (stream.random(100) < 0.2))
        assert found.method.startswith("BCa")
        assert "Wilson" not in found.method

    def test_nothing_is_nothing(self) -> None:
        assert kappa([], []).value is None
        assert kappa([True, True], [True, True]).value is None
