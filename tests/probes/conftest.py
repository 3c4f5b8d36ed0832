"""Keeps what is slow and the same in every test from being done in every test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from probes.bias import dataset_prediction
from probes.misinformation import fabrication


def quick_kappa(first: Any, second: Any, axis: int = -1) -> Any:
    """Cohen's kappa of two binary readings; one call for all resamples, where scikit-learn takes one for each."""
    agreed = (first == second).mean(axis=axis)
    one, other = first.mean(axis=axis), second.mean(axis=axis)
    expected = one * other + (1 - one) * (1 - other)
    return (agreed - expected) / (1 - expected)


@pytest.fixture(autouse=True, scope="session")
def _kappa_at_once() -> Iterator[None]:
    """2000 calls of scikit-learn are 4 seconds a run; the two ways are compared before one stands in for the other."""
    stream = np.random.default_rng(0)
    first = stream.random(166) < 0.4
    second = first ^ (stream.random(166) < 0.1)
    assert quick_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(fabrication, "cohen_kappa_score"):
            patch.setattr(fabrication, "cohen_kappa_score", quick_kappa)
        yield


@pytest.fixture(autouse=True, scope="session")
def _predictions_once() -> Iterator[None]:
    """Trees on the same few hundred rows are the same trees; fitting them is a second in each of the catalogue's tests."""
    kept: dict[tuple[Any, ...], Any] = {}
    fitted = dataset_prediction.out_of_fold

    @wraps(fitted)
    def once(given: Any, truth: Any, seed: int, balanced: bool) -> Any:
        key = (given.shape, given.tobytes(), truth.tobytes(), seed, balanced)
        if key not in kept:
            kept[key] = fitted(given, truth, seed, balanced)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_prediction, "out_of_fold", once)
        yield
