"""Checks shared by the metrics: what comes in is finite, of the right shape, and named where it is not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.intp]
Seed: TypeAlias = int | np.random.Generator
Labels: TypeAlias = Iterable[Hashable]


def as_values(name: str, values: npt.ArrayLike, ndim: int = 1) -> FloatArray:
    """``values`` as a float array of ``ndim`` dimensions; ValueError names ``name`` where that is not possible."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers") from None
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), not {array.ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def as_number(name: str, value: float) -> float:
    """``value`` as a finite float."""
    return float(as_values(name, value, ndim=0))


def as_mask(name: str, mask: npt.ArrayLike) -> FloatArray:
    """A 1-d array of False/True or 0/1, as floats."""
    array = as_values(name, mask)
    if not np.isin(array, (0.0, 1.0)).all():
        raise ValueError(f"{name} must hold only False/True or 0/1")
    return array


def as_probabilities(name: str, values: npt.ArrayLike) -> FloatArray:
    """A 1-d array of numbers from 0 to 1."""
    array = as_values(name, values)
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(f"{name} must lie between 0 and 1")
    return array


def same_length(**arrays: npt.NDArray[np.generic]) -> int:
    """The common length of the named arrays; ValueError where they differ."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("lengths differ: " + ", ".join(f"{name} has {size}" for name, size in lengths.items()))
    return next(iter(lengths.values()))


def check_confidence(confidence: float) -> None:
    """ValueError unless ``confidence`` lies strictly between 0 and 1 (95% is 0.95, not 95)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")


def check_positive(name: str, value: int) -> None:
    """ValueError unless ``value`` is at least 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")


def cluster_codes(clusters: Labels, n: int) -> IntArray:
    """Cluster labels as 0..G-1 in order of first appearance, so that renaming clusters changes nothing."""
    labels = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    if len(labels) != n:
        raise ValueError(f"lengths differ: clusters has {len(labels)}, the data {n}")
    if any(label is None or label != label for label in labels):
        raise ValueError("clusters holds None or NaN labels")
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.intp)
