"""Attention followed through the layers: by flow, by gradients, and by the length of what is weighed.

``rollout`` of :mod:`audit.metrics.attention` follows the weights alone. Here are three ways that see more: the most that
can flow from a token along all paths; what the stated answer gains by each weight; and weights times the vectors that
they weigh. All input is of one teacher-forced pass; copies in double precision are made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from audit.metrics._arrays import FloatArray, as_values
from audit.metrics.attention import as_attention, as_weights

MOST_TOKENS = 64
"""Longer texts have no ``attention_flow``: its cost grows with the square of the tokens and more."""
# Capacities as whole numbers; what leaves a node sums to this, and the algorithm counts in 32 bits.
_WHOLE = 2**30


def attention_flow(attention: npt.ArrayLike, causal: bool, position: int) -> FloatArray | None:
    """Attention flow (Abnar & Zuidema 2020, 2005.00928): the most that can flow from each input token to a position.

    The maximum flow in the graph whose nodes are the tokens before the first layer and after each, and in which an edge
    leads from token j to token i of the next layer with the capacity (mean over heads of weight i on j + [i = j]) / 2, as
    in ``rollout``. Each token's flow is found by itself, as if no other sent any; the narrowest layer bounds it.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1, first layer first.
        causal: whether weight on later positions is a mistake.
        position: the row of the last layer that decides, from 0 to tokens-1; the row of the next token in a decoder.

    Returns:
        ``[tokens]`` from 0 (no path) to 1. They do not sum to 1; divide by their sum for shares. At most 3e-6 off, the
        rounding of capacities. None without layers, heads or tokens, and for more than 64 tokens.

    Raises:
        ValueError: as for ``entropy``, or a position outside 0 to tokens-1.
    """
    weights = as_attention(attention, causal)
    tokens = weights.shape[-1]
    if not weights.size or tokens > MOST_TOKENS:
        return None
    if not 0 <= position < tokens:
        raise ValueError(f"position must lie between 0 and {tokens - 1}, not {position}")
    layers = (weights.mean(axis=1) + np.eye(tokens)) / 2
    graph = _layered(layers)
    sink = len(layers) * tokens + position
    flows = [maximum_flow(graph, source, sink).flow_value for source in range(tokens)]
    return np.asarray(flows, dtype=np.float64) / _WHOLE


def gradient_weighted(attention: npt.ArrayLike, gradients: npt.ArrayLike) -> FloatArray | None:
    """Relevancy of each token for each position (Chefer et al. 2021, 2103.15679, equations 5 and 6), without its start.

    For each layer, A = mean over heads of the positive part of (gradient * weight), equation 5, and R <- R + A R from the
    identity, equation 6. The identity is taken away at the end: it gives every token a relevance of 1 for itself, whatever
    the model does, which would drown what attention adds.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1, first layer first.
        gradients: of the explained scalar by these weights, of the same shape.

    Returns:
        ``[tokens, tokens]``, R - I, 0 or above, in no fixed unit: comparable within a row, whose sum is not 1. Row i is
        what was relevant to position i of the last layer; 0 where no weight raises the scalar. Of an answer of several
        tokens, add the rows from which they are predicted. None without layers, heads or tokens.

    Raises:
        ValueError: as for ``entropy``; gradients that are NaN or infinite or of another shape.
    """
    weights = as_attention(attention, causal=False)
    steps = _raised(weights, gradients)
    return _relevancy(steps) - np.eye(weights.shape[-1]) if weights.size else None


def gradient_weighted_across(
    encoder: tuple[npt.ArrayLike, npt.ArrayLike],
    decoder: tuple[npt.ArrayLike, npt.ArrayLike],
    cross: tuple[npt.ArrayLike, npt.ArrayLike],
    first: int = 0,
) -> FloatArray | None:
    """Relevancy of each token of the prompt for each of the answer (Chefer et al. 2021, 2103.15679, equations 5 to 10).

    The encoder gives R_qq by ``R <- R + A R`` from the identity (6). Then layer by layer of the decoder, whose A is that of
    equation 5: its self-attention, R_sq <- R_sq + A R_sq (7) and R_ss <- R_ss + A R_ss (6), then its attention to
    the encoder, R_sq <- R_sq + N(R_ss)^T A N(R_qq) (10), where N(R) = rows of R - I brought to a sum of 1, plus I (8, 9).
    A row of R - I without anything in it is left as it is. Equation 11 is of models whose two sides look at each other.

    Args:
        encoder, decoder: weights and gradients ``[layers, heads, tokens, tokens]`` of the prompt's tokens among each other
            and of the answer's, start tokens before them.
        cross: weights and gradients ``[layers, heads, rows, sources]``, as many layers as the decoder's.
        first: the token of the decoder to which the first row of ``cross`` belongs; tokens without a row count as looking
            at nothing. Of ``Attended`` it is the ``prompt_tokens`` of part ``self``, less 1.

    Returns:
        ``[rows, sources]``, R_sq at the rows of ``cross``, 0 or above, in no fixed unit. None without layers, heads or
        tokens.

    Raises:
        ValueError: as for ``gradient_weighted``; layers, rows or sources that do not go together.
    """
    prompt, answer = (as_attention(weights, causal=False) for weights, _ in (encoder, decoder))
    across = as_weights("cross", cross[0])
    if not prompt.size or not answer.size or not across.size:
        return None
    rows, tokens = across.shape[-2], answer.shape[-1]
    if len(across) != len(answer) or across.shape[-1] != prompt.shape[-1] or not 0 <= first <= tokens - rows:
        shapes = ", ".join(str(list(part.shape)) for part in (prompt, answer, across))
        raise ValueError(f"encoder, decoder and cross do not go together: {shapes}, first {first}")
    sources = _normalised(_relevancy(_raised(prompt, encoder[1])))
    own = np.eye(tokens)
    found = np.zeros((tokens, prompt.shape[-1]))
    for among, over in zip(_raised(answer, decoder[1]), _raised(across, cross[1]), strict=True):
        found = found + among @ found
        own = own + among @ own
        whole = np.zeros_like(found)
        whole[first : first + rows] = over
        found = found + _normalised(own).T @ whole @ sources
    return np.asarray(found[first : first + rows], dtype=np.float64)


def norm_weighted(attention: npt.ArrayLike, norms: npt.ArrayLike) -> FloatArray:
    """Norm-based attention (Kobayashi et al. 2020, 2004.10102): weight times the length of the vector that it weighs.

    A head adds to a position the sum of weight * f(x) over the tokens that it looks at, f(x) = (value of x) W_O; a large
    weight on a short vector, as on a resting place, adds little.

    Args:
        attention: ``[layers, heads, rows, columns]``, rows summing to 1; among tokens or across.
        norms: ``[layers, heads, columns]``, the lengths of f(x), 0 or above.

    Returns:
        Of the shape of ``attention``, 0 or above, in the unit of the model's hidden states; rows do not sum to 1.

    Raises:
        ValueError: NaN or infinite, wrong or different shapes, negative numbers, weights whose rows do not sum to 1.
    """
    weights = as_weights("attention", attention)
    lengths = as_values("norms", norms, ndim=3)
    if lengths.shape != (*weights.shape[:2], weights.shape[-1]):
        raise ValueError(f"norms must be [layers, heads, columns] of {list(weights.shape)}, not {list(lengths.shape)}")
    if (lengths < 0).any():
        raise ValueError("norms holds negative lengths")
    return weights * lengths[:, :, None, :]


def norm_rollout(attention: npt.ArrayLike, norms: npt.ArrayLike, causal: bool = True) -> FloatArray | None:
    """``rollout`` of norm-based attention, each row of a layer summed over heads and brought back to a sum of 1.

    Heads count by what they add, not alike as in ``rollout``. What the layer passes on unchanged is taken to be as much as
    its attention adds, as in ``rollout``, though norms would differ. A row that adds nothing at all passes itself on.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1, first layer first.
        norms: ``[layers, heads, tokens]``, the lengths of the vectors that are weighed.
        causal: whether weight on later positions is a mistake.

    Returns:
        ``[tokens, tokens]``: row i holds the shares (0 to 1, summing to 1) of the input tokens in position i of the last
        layer. None without layers, heads or tokens.

    Raises:
        ValueError: as for ``norm_weighted``, or weight on later positions where ``causal``.
    """
    weights = as_attention(attention, causal)
    added = norm_weighted(weights, norms)
    if not added.size:
        return None
    tokens = weights.shape[-1]
    rolled: FloatArray = np.eye(tokens)
    for layer in added.sum(axis=1):
        sums = layer.sum(axis=-1, keepdims=True)
        shares = np.where(sums > 0, layer / np.where(sums > 0, sums, 1.0), np.eye(tokens))
        rolled = (shares + np.eye(tokens)) / 2 @ rolled
    return rolled


def _layered(layers: FloatArray) -> sparse.csr_array:
    """Capacities from each token to those of the next layer, ``layers[l, i, j]`` being the edge from j to i."""
    depth, tokens, _ = layers.shape
    at, to, from_ = np.nonzero(layers)
    capacities = np.floor(layers[at, to, from_] * _WHOLE).astype(np.int32)
    size = (depth + 1) * tokens
    return sparse.csr_array((capacities, (at * tokens + from_, (at + 1) * tokens + to)), shape=(size, size))


def _raised(weights: FloatArray, gradients: npt.ArrayLike) -> FloatArray:
    """Equation 5: the mean over heads of what raises the scalar, ``[layers, rows, columns]``."""
    slopes = as_values("gradients", gradients, ndim=4)
    if slopes.shape != weights.shape:
        raise ValueError(f"gradients have the shape {list(slopes.shape)}, attention {list(weights.shape)}")
    return np.asarray(np.maximum(slopes * weights, 0.0).sum(axis=1) / max(weights.shape[1], 1), dtype=np.float64)


def _relevancy(steps: FloatArray) -> FloatArray:
    """Equation 6 from the identity."""
    found: FloatArray = np.eye(steps.shape[-1])
    for step in steps:
        found = found + step @ found
    return found


def _normalised(relevancy: FloatArray) -> FloatArray:
    """Equations 8 and 9."""
    identity = np.eye(len(relevancy))
    added = relevancy - identity
    sums = added.sum(axis=-1, keepdims=True)
    return np.asarray(added / np.where(sums > 0, sums, 1.0) + identity, dtype=np.float64)
