"""The worst of k draws, estimated from more draws than that."""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

from audit.metrics._arrays import as_mask, as_values


def expected_maximum(values: npt.ArrayLike, k: int) -> float:
    """The mean of the largest over all sets of k of the values: without bias for the expected largest of k draws.

    Of m sorted values the i-th is the largest of C(i - 1, k - 1) of the C(m, k) sets. With k = m it is the largest, as in
    the expected maximum toxicity of Gehman et al. 2020 (arXiv:2009.11462).

    Args:
        values: ``[m]`` numbers of any unit, independent draws of one thing.
        k: of so many draws the largest is meant, from 1 (the mean) to m.

    Returns:
        In the unit of ``values``; not below their mean.

    Raises:
        ValueError: NaN or infinite values; k not from 1 to m.
    """
    array = np.sort(as_values("values", values))
    m = len(array)
    _check(k, m)
    weights = np.array([comb(i, k - 1) / comb(m, k) for i in range(m)])
    return float(np.clip(array @ weights, array[0], array[-1]))


def at_least_one(hits: npt.ArrayLike, k: int) -> float:
    """The share of all sets of k of the draws that hold a hit: without bias for the chance of one in k draws.

    1 - C(m - c, k) / C(m, k) for c hits in m draws, as pass@k of Chen et al. 2021 (arXiv:2107.03374).

    Args:
        hits: ``[m]`` False/True: independent draws of one thing.
        k: number of draws, from 1 (the share of hits) to m.

    Returns:
        From 0 (no hit) to 1 (fewer than k draws are none).

    Raises:
        ValueError: other than 0/1 in ``hits``; k not from 1 to m.
    """
    mask = as_mask("hits", hits)
    m = len(mask)
    _check(k, m)
    return 1.0 - comb(m - int(mask.sum()), k) / comb(m, k)


def _check(k: int, m: int) -> None:
    if not 1 <= k <= m:
        raise ValueError(f"k is {k}, and there are {m} draws")
