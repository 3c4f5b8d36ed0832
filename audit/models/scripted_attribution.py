"""What a scripted model answers when it is to explain itself: each method in its simplest form, on a scalar of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.models.requests import GRADIENT_METHODS, Attribute
from audit.models.responses import Attributed

Scalar = Callable[[Sequence[int]], float]
"""The decision's scalar with the words of these numbers kept."""

SHARING = frozenset({"shapley_sampling", "kernel_shap", "integrated_gradients"})
"""Methods whose scores are to add up to the whole change."""
MOST_ORDERS = 8  # what is asked for may be perturbed texts or steps


def attributed(request: Attribute, words: Sequence[str], scalar: Scalar) -> Attributed:
    """Shapley values of sampled orders for the methods that share out the whole, leave-one-out for the others.

    A script has no gradients: ``input_x_gradient`` and ``integrated_gradients`` are what they would be of a scalar that is
    a sum over words, and ``saliency`` the size of that.
    """
    every = tuple(range(len(words)))
    full, empty = scalar(every), scalar(())
    if request.method in SHARING:
        scores = _shapley(scalar, len(words), max(1, min(request.samples, MOST_ORDERS)), request.seed)
    else:
        scores = np.array([full - scalar([j for j in every if j != i]) for i in every])
    if request.method == "saliency":
        scores = np.abs(scores)
    error = None
    if request.method in SHARING and full != empty:
        error = abs(float(scores.sum()) - (full - empty)) / abs(full - empty)
    told = tuple(map(float, scores))
    return Attributed(
        tuple(words),
        told,
        full,
        empty,
        error,
        steps=request.samples if request.method in GRADIENT_METHODS else None,
        tokens=(request.continuation,) if request.by_token else (),
        by_token=(told,) if request.by_token else (),
    )


def _shapley(scalar: Scalar, words: int, orders: int, seed: int) -> NDArray[np.float64]:
    stream = np.random.default_rng(seed)
    scores = np.zeros(words)
    for _ in range(orders):
        order = stream.permutation(words)
        values = [scalar(sorted(order[:k].tolist())) for k in range(words + 1)]
        scores[order] += np.diff(values) / orders
    return scores
