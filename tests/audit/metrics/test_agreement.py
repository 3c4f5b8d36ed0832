"""Cohen's kappa is scikit-learn's, for one pair of readings and for many at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from audit.metrics import cohen_kappa


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
