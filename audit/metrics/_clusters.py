"""How much independent information clustered observations hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from audit.metrics._arrays import FloatArray, IntArray

# With fewer clusters than this that depart from one common outcome, the variance between clusters is a guess.
FEW_CLUSTERS = 5


@dataclass(frozen=True)
class EffectiveSize:
    """Independent observations that would be as informative, and degrees of freedom (None: normal quantiles)."""

    n: float
    dof: int | None

    def at(self, confidence: float) -> float:
        """The size to give to a formula that uses normal quantiles, at this confidence.

        Korn & Graubard (1998): times (z/t)^2, which puts Student's t in the place of the normal quantile.
        """
        if self.dof is None:
            return self.n
        tail = (1 + confidence) / 2
        return self.n * float(stats.norm.ppf(tail) / stats.t.ppf(tail, self.dof)) ** 2


def mean_variance(values: FloatArray, codes: IntArray) -> float:
    """Cluster-robust (sandwich, CR1) variance of the mean; needs two clusters or more.

    With one member per cluster it is the ordinary s^2/n. Equals statsmodels' OLS on a constant with
    ``cov_type="cluster"``, which the tests assert; three lines here spare a model fit for each slice.
    """
    totals = np.bincount(codes, weights=values - values.mean())
    groups = len(totals)
    return float(groups / (groups - 1) * np.sum(totals**2) / len(values) ** 2)


def effective_size(values: FloatArray, codes: IntArray) -> EffectiveSize:
    """Effective sample size of categorical outcomes (0/1, or -1/0/1 for pairs) in clusters.

    n divided by the design effect: cluster-robust variance of the mean over its variance under independence
    (Kish 1965). Two guards, both towards wider intervals:

    - The design effect is at least 1. With few clusters it falls below 1 mostly by chance (the sandwich is biased
      downwards), and clustered items must never seem more informative than independent ones.
    - Where fewer than five clusters depart from one common outcome (at 0% and 100%: none does), nothing tells
      how outcomes bunch; each cluster then counts as one observation, unless the design effect is even
      larger. Without this 1 of 500 would get a far narrower interval than 0 of 500, and coverage at a rate of
      2% in 10 clusters of 50 falls to 86% (simulated at intracluster correlation 0.3; 98% or more with it).
    """
    groups = int(codes.max()) + 1
    departing = min(len(np.unique(codes[values != outcome])) for outcome in np.unique(values))
    if departing == 0 or groups == 1:
        return EffectiveSize(float(groups), None)
    design_effect = max(1.0, mean_variance(values, codes) / (float(values.var()) / len(values)))
    size = len(values) / design_effect
    if departing < FEW_CLUSTERS and size > groups:
        return EffectiveSize(float(groups), None)
    return EffectiveSize(size, groups - 1)
