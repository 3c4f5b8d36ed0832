"""KernelSHAP and LIME: a linear model fitted to what a decision's scalar is for random sets of its units.

Both run through captum's generic classes with a surrogate of our own, ordinary weighted least squares in double
precision. LIME's default there, a Lasso with a fixed penalty, gives nothing but zeros where effects are small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

KERNEL_WIDTH = 0.25  # of a cosine distance: LIME's own for texts, 25 of a distance times 100

Forward = Callable[[Tensor], Tensor]
"""Rows ``[rows, units]`` of ones and zeros to the scalar of each."""


class TooFewSamples(Exception):
    """The sampled texts leave the effects of some units undecided."""


class LeastSquares:
    """Weighted least squares with an intercept, in the form that captum asks of a surrogate."""

    def __init__(self) -> None:
        self._coefficients = torch.zeros(0)

    def fit(self, train_data: Any, **_: Any) -> dict[str, float]:
        """Fit one batch of (rows, scalars, weights).

        Raises:
            TooFewSamples: where more than one fit is as good as any.
        """
        [(rows, values, weights)] = train_data
        root = weights.double().sqrt().numpy()[:, None]
        design = np.concatenate([rows.double().numpy(), np.ones((len(rows), 1))], axis=1)
        found, _residuals, rank, _values = np.linalg.lstsq(
            design * root, values.double().numpy()[:, None] * root, rcond=None
        )
        if rank < design.shape[1]:
            raise TooFewSamples
        self._coefficients = torch.from_numpy(found[:-1, 0])
        return {}

    def representation(self) -> Tensor:
        """One coefficient a unit."""
        return self._coefficients


def kernel_shap(captum: Any, forward: Forward, units: int, samples: int) -> Tensor:
    """KernelSHAP (Lundberg & Lee 2017, arXiv:1705.07874): Shapley values as a weighted regression.

    All units and none are among the ``samples`` and weigh a million times as much as another, so that the scores share out
    the whole; the others are drawn with the probability that is their weight. It takes at least two units.

    Raises:
        TooFewSamples: where the samples do not tell the units apart.
    """
    method = captum.KernelShap(forward)
    method.interpretable_model = LeastSquares()
    return _fitted(method, units, samples)


def lime(captum: Any, forward: Forward, units: int, samples: int) -> Tensor:
    """LIME (Ribeiro et al. 2016, arXiv:1602.04938), its texts sampled and weighed as its authors' program does.

    The whole text, then texts from which 1 to all units are gone, each number as likely as another. A text weighs
    exp(-d² / (2 · 0.25²)), with d the cosine distance of its row of ones and zeros from the row of ones. All units have
    their coefficient; nothing is selected and nothing shrunk.

    Raises:
        TooFewSamples: where the samples do not tell the units apart.
    """
    return _fitted(captum.Lime(forward, LeastSquares(), _likeness, _removals), units, samples)


def _fitted(method: Any, units: int, samples: int) -> Tensor:
    if samples <= units:
        raise TooFewSamples
    found: Tensor = method.attribute(
        torch.ones((1, units)),
        baselines=torch.zeros((1, units)),
        n_samples=samples,
        perturbations_per_eval=samples,
        return_input_shape=False,
    )
    return found


def _removals(original: Tensor, **_: Any) -> Iterator[Tensor]:
    """Rows ``[1, units]``, without end, from torch's global stream."""
    units = original.shape[1]
    yield torch.ones((1, units), dtype=torch.long)
    while True:
        row = torch.ones((1, units), dtype=torch.long)
        row[0, torch.randperm(units)[: int(torch.randint(1, units + 1, (1,)))]] = 0
        yield row


def _likeness(_original: Tensor, _perturbed: Tensor, row: Tensor, **_: Any) -> float:
    distance = 1.0 - math.sqrt(float(row.double().mean()))  # of ones and zeros from ones
    return math.exp(-(distance**2) / (2 * KERNEL_WIDTH**2))
