"""What an encoder-decoder's attention from its answer to its prompt looks like: pure functions on weights.

Input is ``[layers, heads, targets, sources]``: row i holds the weights, over all tokens of the prompt, from which token i
of the answer is predicted, and sums to 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from audit.metrics import rollout

FloatArray = npt.NDArray[np.float64]
ROW_SUM_TOLERANCE = 2.0**-8  # the rounding of half precision


def cross_entropy(cross: npt.ArrayLike) -> FloatArray | None:
    """Mean Shannon entropy of the rows of each head, over the log of the number of sources.

    Returns:
        ``[layers, heads]``, no unit, from 0 (each row looks at one token) to 1 (at all alike). None for fewer than two
        sources or no target.

    Raises:
        ValueError: NaN or infinite, wrong shape, negative weights, or rows that do not sum to 1.
    """
    weights = _checked(cross)
    if weights.shape[-1] < 2 or not weights.size:
        return None
    rows = entr(weights).sum(axis=-1) / np.log(weights.shape[-1])
    return np.clip(np.asarray(rows.mean(axis=-1), dtype=np.float64), 0.0, 1.0)


def source_mass(cross: npt.ArrayLike, source: int) -> FloatArray | None:
    """Mean weight on one token of the prompt, by its position (-1 is the last).

    Returns:
        ``[layers, heads]``, a share from 0 to 1. None without sources or targets.

    Raises:
        ValueError: as for ``cross_entropy``.
    """
    weights = _checked(cross)
    return np.asarray(weights[..., source].mean(axis=-1), dtype=np.float64) if weights.size else None


def source_shares(cross: npt.ArrayLike, encoder: npt.ArrayLike) -> FloatArray | None:
    """How much of each token of the prompt reaches each token of the answer, by attention alone.

    Cross-attention, averaged over layers and heads, is carried through the encoder by its attention rollout (Abnar &
    Zuidema 2020, arXiv:2005.00928): every decoder layer reads what the whole encoder has made of the prompt. The
    decoder's attention to itself is left out.

    Args:
        cross: ``[layers, heads, targets, sources]``, rows summing to 1.
        encoder: ``[layers, heads, sources, sources]``, rows summing to 1.

    Returns:
        ``[targets, sources]``, shares from 0 to 1, rows summing to 1. None without layers, heads or tokens.

    Raises:
        ValueError: as for ``cross_entropy``, or where the two do not have the same sources.
    """
    weights, rolled = _checked(cross), rollout(encoder, causal=False)
    if rolled is None or not weights.size:
        return None
    if weights.shape[-1] != len(rolled):
        raise ValueError(f"cross-attention has {weights.shape[-1]} sources, the encoder {len(rolled)}")
    return np.asarray(weights.mean(axis=(0, 1)) @ rolled, dtype=np.float64)


def _checked(cross: npt.ArrayLike) -> FloatArray:
    weights = np.asarray(cross, dtype=np.float64)
    if weights.ndim != 4:
        raise ValueError(f"cross-attention must be [layers, heads, targets, sources], not {list(weights.shape)}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("cross-attention holds numbers that are no weights")
    sums = weights.sum(axis=-1, keepdims=True)
    if (np.abs(sums - 1) > ROW_SUM_TOLERANCE).any():
        raise ValueError("cross-attention has rows that do not sum to 1")
    return np.asarray(weights / sums, dtype=np.float64)
