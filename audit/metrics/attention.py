"""What attention weights look like: how spread, how much on the first token, how far, and rolled out over layers.

These describe where a model looks, not why it answers. Input is ``[layers, heads, tokens, tokens]``: row i holds the
weights of position i over all positions and sums to 1. Rows may be off by the rounding of half precision and are
brought back to 1. Positions that only pad must be cut off before. Copies in double precision are made: for long
inputs pass one layer at a time (all but ``rollout`` treat layers one by one).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from audit.metrics._arrays import FloatArray, IntArray, as_values

# bfloat16 keeps 8 bits: a row's sum can be off by 2^-9 of it; double that is rounding, more is a mistake.
ROW_SUM_TOLERANCE = 2.0**-8
DISTANCES = ((0, "0"), (1, "1"), (2, "2-3"), (4, "4-7"), (8, "8-15"), (16, "16+"))
"""The least distance of each bucket of ``distance_profile``, in tokens, and its name."""


def entropy(attention: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """Mean Shannon entropy of the rows of each head, over the log of the number of visible positions.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        causal: row i sees i+1 positions; row 0, which has no choice, is left out. Otherwise each row sees all.

    Returns:
        ``[layers, heads]``, no unit, from 0 (each row looks at one position) to 1 (at all alike). None for fewer
        than two tokens.

    Raises:
        ValueError: NaN or infinite, wrong shape, negative weights, rows that do not sum to 1, or weight on later
            positions where ``causal``.
    """
    weights = as_attention(attention, causal)
    tokens = weights.shape[-1]
    if tokens < 2 or not weights.size:
        return None
    rows = entr(weights).sum(axis=-1)
    rows = rows[..., 1:] / np.log(np.arange(2, tokens + 1)) if causal else rows / np.log(tokens)
    return np.clip(np.asarray(rows.mean(axis=-1), dtype=np.float64), 0.0, 1.0)


def sink_mass(attention: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """Mean weight on token 0 in the rows after it (attention sinks: Xiao et al. 2023, 2309.17453).

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        causal: whether weight on later positions is a mistake.

    Returns:
        ``[layers, heads]``, a share from 0 (nothing on token 0) to 1 (everything). None for fewer than two tokens.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_attention(attention, causal)
    if weights.shape[-1] < 2 or not weights.size:
        return None
    return np.asarray(weights[..., 1:, 0].mean(axis=-1), dtype=np.float64)


def mean_distance(attention: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """Mean distance between a position and what it looks at (Vig & Belinkov 2019, 1906.04284), over rows after 0.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        causal: whether weight on later positions is a mistake; row 0 is left out only then.

    Returns:
        ``[layers, heads]`` in tokens, from 0 (each looks at itself; 1 is the next position) to tokens-1. None for
        fewer than two tokens.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_attention(attention, causal)
    tokens = weights.shape[-1]
    if tokens < 2 or not weights.size:
        return None
    positions = np.arange(tokens)
    rows = (weights * np.abs(positions[:, None] - positions)).sum(axis=-1)
    return np.asarray(rows[..., int(causal) :].mean(axis=-1), dtype=np.float64)


def rollout(attention: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """Attention rollout (Abnar & Zuidema 2020, 2005.00928): product over layers of (mean over heads + I) / 2.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1, first layer first.
        causal: whether weight on later positions is a mistake.

    Returns:
        ``[tokens, tokens]``: row i holds the shares (0 to 1, summing to 1) of the input tokens in position i of the
        last layer; in a decoder the last row belongs to the next token. None without layers, heads or tokens.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_attention(attention, causal)
    if not weights.size:
        return None
    tokens = weights.shape[-1]
    rolled: FloatArray = np.eye(tokens)
    for layer in weights.mean(axis=1):
        rolled = (layer + np.eye(tokens)) / 2 @ rolled  # rows of both sum to 1, so those of the product do
    return rolled


def distance_profile(attention: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """Share of each head's weight by the distance at which it lies: how local a head is, beyond the mean distance.

    The mean over rows of the weight at distances 0, 1, 2-3, 4-7, 8-15 and 16 or more (``DISTANCES``). The far ones can
    be reached by late rows alone: set the profile against ``even_profile``, which depends on the length as well.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        causal: whether weight on later positions is a mistake; row 0 is left out only then.

    Returns:
        ``[layers, heads, 6]``, shares from 0 to 1 that sum to 1 for each head. None for fewer than two tokens.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_attention(attention, causal)
    tokens = weights.shape[-1]
    if tokens < 2 or not weights.size:
        return None
    rows = weights[..., int(causal) :, :]
    buckets = _buckets(tokens)[int(causal) :]
    shares = [np.where(buckets == b, rows, 0.0).sum(axis=-1).mean(axis=-1) for b in range(len(DISTANCES))]
    return np.stack(shares, axis=-1)


def even_profile(tokens: int, causal: bool = True) -> FloatArray | None:
    """The chance level of ``distance_profile``: that of a head that weighs all positions it sees alike.

    Returns:
        ``[6]`` shares that sum to 1. None for fewer than two tokens.
    """
    even = np.tril(np.ones((tokens, tokens))) if causal else np.ones((tokens, tokens))
    found = distance_profile((even / even.sum(axis=-1, keepdims=True))[None, None], causal) if tokens > 1 else None
    return None if found is None else np.asarray(found[0, 0], dtype=np.float64)


def _buckets(tokens: int) -> IntArray:
    """The bucket of ``DISTANCES`` in which each pair of positions lies, ``[tokens, tokens]``."""
    positions = np.arange(tokens)
    apart = np.abs(positions[:, None] - positions)
    return np.asarray(np.searchsorted([first for first, _ in DISTANCES], apart, side="right") - 1, dtype=np.intp)


def as_attention(attention: npt.ArrayLike, causal: bool) -> FloatArray:
    """Attention among tokens in double precision, its rows brought to a sum of 1.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_values("attention", attention, ndim=4)
    if weights.shape[-2] != weights.shape[-1]:
        raise ValueError(f"attention must be [layers, heads, tokens, tokens], not {list(weights.shape)}")
    weights = as_weights("attention", weights)
    if causal and weights[..., ~np.tri(*weights.shape[-2:], dtype=np.bool_)].any():
        raise ValueError("attention has weight on later positions; pass causal=False for a model that sees them")
    return weights


def as_weights(name: str, attention: npt.ArrayLike) -> FloatArray:
    """Attention ``[layers, heads, rows, columns]``, among tokens or across, its rows brought to a sum of 1.

    Raises:
        ValueError: NaN or infinite, wrong shape, negative weights, or rows that do not sum to 1.
    """
    weights = as_values(name, attention, ndim=4)
    if (weights < 0).any():
        raise ValueError(f"{name} holds negative weights")
    sums = weights.sum(axis=-1, keepdims=True)
    if (np.abs(sums - 1) > ROW_SUM_TOLERANCE).any():
        raise ValueError(f"{name} has rows that do not sum to 1 (padding not cut off, or weights not normalised)")
    return np.asarray(weights / sums, dtype=np.float64)
