"""Keeps what is slow and the same in every test from being done in every test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import pytest

from probes.bias import dataset_prediction


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
